from pathlib import Path

import pytest

from tests.action.job import run_step


def judged(tmp_path: Path, verdict: str, fail_on: str, exit_code: str = "0") -> tuple[int, str]:
    """How the job ends, and what it says."""
    env = {"VERDICT": verdict, "FAIL_ON": fail_on, "EXIT_CODE": exit_code}
    step = run_step("judge", tmp_path, tmp_path, **env)
    return step.code, step.said


@pytest.mark.parametrize(
    ("verdict", "fail_on", "code"),
    [
        ("pass", "regression,invalid,undecided", 0),
        ("improvement", "regression,invalid,undecided", 0),
        ("regression", "regression", 3),
        ("regression", "undecided, regression", 3),
        ("regression", "never", 0),
        ("regression", "invalid", 0),
        ("undecided", "regression", 0),
        ("undecided", "regression,undecided", 4),
        ("invalid", "regression", 0),
        ("invalid", "invalid", 5),
    ],
)
def test_the_user_says_what_fails(tmp_path: Path, verdict: str, fail_on: str, code: int) -> None:
    """Only the verdicts that were named fail the job; the others of them warn."""
    ended, said = judged(tmp_path, verdict, fail_on)
    assert ended == code
    is_good = verdict in ("pass", "improvement")
    assert ("::error::" in said, "::warning::" in said) == (code != 0, code == 0 and not is_good)


@pytest.mark.parametrize(
    ("exit_code", "code"), [("1", 1), ("2", 2), ("143", 143), ("", 1), ("0", 1), ("x", 1)]
)
def test_a_failure_always_fails(tmp_path: Path, exit_code: str, code: int) -> None:
    """What could not be compared is never green, whatever the user has asked for."""
    ended, said = judged(tmp_path, "failed", "never", exit_code)
    assert ended == code
    assert "::error::nothing could be compared" in said


def test_a_word_that_means_nothing_is_told(tmp_path: Path) -> None:
    """A misspelt verdict would else never fail anything."""
    ended, said = judged(tmp_path, "pass", "regresion")
    assert ended == 2
    assert "'regresion' must be regression, invalid, undecided or never" in said


@pytest.mark.parametrize(
    ("fail_on", "told"),
    [
        ("", "is empty; it must be regression, invalid, undecided or never"),
        ("  \n", "is empty; it must be regression, invalid, undecided or never"),
        ("regression, never", "'never' stands alone"),
        ("never,never", "'never' stands alone"),
        ("regression,,invalid", "'' must be regression"),
        ("*", "'*' must be regression"),
    ],
)
def test_a_gate_that_nobody_switched_off_is_on(tmp_path: Path, fail_on: str, told: str) -> None:
    """Neither an empty list nor a contradiction passes: one line says what is wrong with it."""
    ended, said = judged(tmp_path, "regression", fail_on)
    assert ended == 2
    assert f"::error::fail-on: {told}" in said
    assert said.count("\n") == 1


def test_lines_are_a_list_too(tmp_path: Path) -> None:
    """As YAML's block texts give them."""
    assert judged(tmp_path, "invalid", "regression\ninvalid\n")[0] == 5
