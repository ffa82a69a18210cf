import re
from pathlib import Path

import pytest

from asgi_bench.errors import UsageError
from asgi_bench.secret_names import (
    HEADERS,
    NO_SECRETS,
    VARIABLES,
    check_passed,
    held_back,
    held_back_words,
    is_secret,
    is_secret_header,
    without_secrets,
)

SECURITY = Path(__file__).resolve().parents[1] / "SECURITY.md"


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "npm_token", "DJANGO_SECRET_KEY", "PGPASSWORD", "MYSQL_PWD"),
        *("AWS_ACCESS_KEY_ID", "AZURE_CLIENT_ID", "GOOGLE_APPLICATION_CREDENTIALS", "GCP_SA_KEY"),
        *("ACTIONS_RUNTIME_URL", "CI_JOB_JWT_V2", "SSH_AUTH_SOCK", "STRIPE_API_KEY"),
    ],
)
def test_what_servers_do_not_inherit(name: str) -> None:
    """Names of secrets, of clouds' credentials and of CI's are held back, whatever their case."""
    assert is_secret(name)
    assert without_secrets({name: "hush", "PATH": "/bin"}, ()) == {"PATH": "/bin"}
    assert without_secrets({name: "hush"}, (name,)) == {name: "hush"}


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "PWD", "OLDPWD", "HOME", "AWS_REGION", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"),
        *("TOKENIZERS_PARALLELISM", "KEYBOARD", "XAUTHORITY", "GITHUB_SHA", "CI", "PYTHONPATH"),
    ],
)
def test_what_servers_do_inherit(name: str) -> None:
    """A name that only looks like one, and what an app needs to start."""
    assert not is_secret(name)


def test_headers_that_prove_who_asks_are_secret() -> None:
    """By name, in any case; others are kept, for they tell what was asked."""
    assert all(map(is_secret_header, ("Authorization", "Cookie", "X-Api-Key", "x-csrf-token")))
    assert not any(map(is_secret_header, ("Accept", "Host", "Content-Type", "X-Request-Id")))


def test_what_was_held_back_is_named_with_the_flag_that_lets_it_in() -> None:
    """All of it, or what the log of the failure is about."""
    environ = {"SHOP_SECRET": "", "CI_TOKEN": "", "PATH": ""}
    assert held_back(environ, ("CI_TOKEN",)) == ("SHOP_SECRET",)
    words = held_back_words(environ)
    assert words.startswith("servers don't inherit CI_TOKEN, SHOP_SECRET, because")
    words = held_back_words(environ, "ValueError: shop_secret is missing")
    assert words.startswith("servers don't inherit SHOP_SECRET, because")
    assert words.endswith("--pass-env SHOP_SECRET lets it in")
    assert held_back_words({"PATH": ""}) == ""
    many = {f"TOKEN_{number}": "" for number in range(20)}
    assert "and 14 more" in held_back_words(many)


def test_a_name_that_changes_nothing_is_refused() -> None:
    """`--pass-env` of what isn't set, or is inherited anyway, is a mistake."""
    check_passed(("CI_TOKEN",), {"CI_TOKEN": "hush"})
    with pytest.raises(UsageError, match="--pass-env: CI_TOKEN is not set"):
        check_passed(("CI_TOKEN",), {})
    with pytest.raises(UsageError, match="--pass-env: PATH is not held back"):
        check_passed(("PATH",), {"PATH": "/bin"})


def test_the_list_is_documented() -> None:
    """SECURITY.md names each pattern, and none that isn't there."""
    told = set(re.findall(r"`([^`]+)`", SECURITY.read_text(encoding="utf-8")))
    known = {*VARIABLES, *NO_SECRETS, *HEADERS}
    assert known <= told
    assert {one for one in told if "*" in one} <= known
