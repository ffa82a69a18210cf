"""Apps of the frameworks people use, on several servers: checked, and measured very shortly."""

from pathlib import Path

import pytest

from asgi_bench.errors import ExitCode
from asgi_bench.model import Scenario
from asgi_bench.store.runs import read_proofs
from tests.command_line import Finished, in_process

pytestmark = pytest.mark.slow

SITES = Path(__file__).with_name("sites")
WHOLE = ("status", "framing", "body")
SERVERS = ("-s", "uvicorn", "-s", "granian", "-s", "hypercorn", "--variant", "default", "-w", "1")
SHORT = ("--rounds", "1", "--duration", "200ms", "-c", "4")

APPS: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "fastapi": (
        ("fastapi_app:app", "--app-dir", str(SITES), "--path", "/items/7"),
        "fastapi_app",
        WHOLE,
    ),
    "fastapi-post": (
        (
            *("fastapi_app:app", "--app-dir", str(SITES), "--path", "/orders"),
            *("--method", "POST", "--header", "Content-Type: application/json"),
            *("--body", '{"item": 2, "count": 3}'),
        ),
        "fastapi_app",
        WHOLE,
    ),
    # Each of its answers differs, so that they can only be held to a pattern, or not at all.
    "starlette": (
        (
            *("starlette_app:make", "--factory", "--app-dir", str(SITES), "--path", "/hello"),
            *("--header", "X-Who: me", "--expect-body", r"^request \d+ of me$"),
        ),
        "starlette_app",
        ("status", "framing", "pattern"),
    ),
    "django": (
        (
            *("shop.asgi:application", "--app-dir", str(SITES / "django"), "--path", "/items/"),
            *("--header", "Host: shop.example"),
        ),
        "shop.asgi",
        WHOLE,
    ),
    "litestar": (("litestar_app:app", "--app-dir", str(SITES)), "litestar_app", WHOLE),
}


def _assert_measured(finished: Finished, name: str, compared: tuple[str, ...]) -> Scenario:
    """Every server answered rightly, all the time; what was compared is stored."""
    assert finished.code == ExitCode.OK, (finished.stdout, finished.stderr)
    run = finished.run
    (scenario,) = run.header.preparation.scenarios
    assert (scenario.name, scenario.compared) == (name, compared)
    assert f"of {name} returns {scenario.expect_status}; compared in every" in finished.stderr
    for trial in run.trials:
        assert (trial.outcome, trial.errors_total.total) == ("ok", 0), trial
        assert trial.requests > 10
    settings = [proof.setting for proof in read_proofs(finished.run_folder)]
    assert {trial.cell for trial in run.trials} == {f"{one}/{name}/c4" for one in settings}
    assert not any(proof.fault or proof.unproven for proof in read_proofs(finished.run_folder))
    return scenario


@pytest.mark.slow
@pytest.mark.parametrize("key", APPS)
def test_every_framework_is_measured(tmp_path: Path, key: str) -> None:
    """By three servers of three kinds, with no wrong answer."""
    args, name, compared = APPS[key]
    # A run proves what a check does; one of the apps shows that they agree.
    if key == "fastapi":
        checked = in_process("check", *args, *SERVERS, folder=tmp_path)
        assert checked.code == ExitCode.OK, (checked.stdout, checked.stderr)
        assert checked.stdout.splitlines()[-1] == "3 ok, 0 failed, 0 skipped"
    measured = in_process("run", *args, *SERVERS, *SHORT, folder=tmp_path)
    scenario = _assert_measured(measured, name, compared)
    assert len(measured.run.trials) == 3
    assert scenario.expect_status == (201 if key == "fastapi-post" else 200)


def test_a_factory_with_answers_that_differ_is_measured(tmp_path: Path) -> None:
    """A Starlette app as a factory makes it; each answer is new and is held to the pattern."""
    args, name, compared = APPS["starlette"]
    one = ("-s", "uvicorn", "--variant", "default", "-w", "1")
    _assert_measured(in_process("run", *args, *one, *SHORT, folder=tmp_path), name, compared)


@pytest.mark.slow
@pytest.mark.parametrize("client", ["fast", "fasthttp", "http"])
def test_a_pattern_that_fails_under_load_is_counted(tmp_path: Path, client: str) -> None:
    """The probes' answers hold a match, later ones don't: whatever sends, they are errors."""
    args, _, _ = APPS["starlette"]
    args = (*args[:-1], r"^request \d of me$")
    one = ("-s", "uvicorn", "--variant", "default", "-w", "1", "--client", client)
    finished = in_process("run", *args, *one, *SHORT, folder=tmp_path)
    (trial,) = finished.run.trials
    assert trial.outcome == "ok"
    assert trial.errors_total.body > 0
    assert trial.errors_total.total == trial.errors_total.body
    assert (trial.requests, trial.validity) == (0, "invalid")


@pytest.mark.slow
def test_bodies_that_differ_are_measured_by_status_and_framing(tmp_path: Path) -> None:
    """Without a pattern the probes find that bodies differ: said, stored, and not held against."""
    args, name, _ = APPS["starlette"]
    one = ("-s", "uvicorn", "--variant", "default", "-w", "1")
    finished = in_process("run", *args[:-2], *one, *SHORT, folder=tmp_path)
    scenario = _assert_measured(finished, name, ("status", "framing"))
    assert (scenario.expect_body, scenario.expect_pattern) == (None, None)
