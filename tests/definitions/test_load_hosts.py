"""Where load hosts come to, and the token that they have to know."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.definitions.load_hosts import (
    given_token,
    parse_listen,
    read_token,
    read_token_file,
    run_token,
)
from asgi_bench.errors import UsageError
from asgi_bench.model.endpoint import TOKEN_VARIABLE


@pytest.mark.parametrize(
    ("text", "found"),
    [("10.0.0.1", "10.0.0.1:5557"), ("127.0.0.1:6000", "127.0.0.1:6000")],
)
def test_an_address_has_the_usual_port_unless_told(text: str, found: str) -> None:
    """Locust's own is the default."""
    assert parse_listen(text, "--listen") == found
    assert parse_listen(found, "--listen") == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8.8.8.8", "no loopback or private address"),
        ("0.0.0.0", "no loopback or private address"),
        ("*", "must be an IPv4 address"),
        ("host.local", "must be an IPv4 address"),
        ("::1", "--listen"),
        ("10.0.0.1:0", "--listen"),
        ("10.0.0.1:70000", "--listen"),
    ],
)
def test_nothing_listens_where_the_world_comes_by(text: str, why: str) -> None:
    """One line that names the flag and what is allowed."""
    with pytest.raises(UsageError, match=why):
        parse_listen(text, "--listen")


@given(st.text())
def test_whatever_is_given_is_an_address_or_a_usage_error(text: str) -> None:
    """Nothing else comes of it."""
    try:
        found = parse_listen(text, "--listen")
    except UsageError:
        return
    assert parse_listen(found, "--listen") == found


def test_a_token_is_read_from_a_file(tmp_path: Path) -> None:
    """Without the line's end; what `ps` and the run's file would show is refused of a run."""
    file = tmp_path / "token"
    file.write_text("twelve letters\n")
    assert read_token_file(f"@{file}", "--token") == "twelve letters"
    assert read_token("twelve letters", "--token") == "twelve letters"
    with pytest.raises(UsageError, match="say @FILE"):
        read_token_file("twelve letters", "--token")
    with pytest.raises(UsageError, match="can't be read"):
        read_token_file(f"@{tmp_path / 'none'}", "--token")
    with pytest.raises(UsageError, match="12 letters"):
        read_token("short", "--token")


def test_no_server_inherits_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it takes it out of the environment, whatever is told besides."""
    monkeypatch.setenv(TOKEN_VARIABLE, "of the environment")
    assert given_token("of the command") == "of the command"
    assert TOKEN_VARIABLE not in os.environ
    monkeypatch.setenv(TOKEN_VARIABLE, "of the environment")
    assert given_token(None) == "of the environment"
    assert given_token(None) is None


def test_a_run_without_a_token_draws_one() -> None:
    """Each its own, and it is said that nobody gave it."""
    one, other = run_token(None), run_token(None)
    assert one.is_drawn and other.is_drawn
    assert one.text != other.text
    assert read_token(one.text, "--token") == one.text
    assert not run_token("twelve letters").is_drawn
