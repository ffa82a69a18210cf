import msgspec
import pytest

from asgi_bench.analysis.validity.answers import (
    LEAST_CPU_S_PER_REQUEST,
    credit,
    errors,
    wrong_words,
)
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.model import (
    Cell,
    ErrorCounts,
    OpenLoop,
    PlannedCell,
    Reason,
    Trial,
    UserFigures,
)
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
SOUND = Trial(
    cell="x", round=0, block=0, started_at="", outcome="ok", requests=1000, server_cpu_s=0.1
)


def found(trial: Trial, **users: object) -> dict[str, Reason]:
    """The findings by code, with these facts of users."""
    if users:
        trial = replace(trial, users=UserFigures(**users))  # type: ignore[arg-type]
    return {reason.code: reason for reason in credit(trial)}


def why_not_credited(users: UserFigures, *, requests: int) -> str:
    """What is said of a trial whose users did this."""
    trial = replace(SOUND, requests=requests, users=users)
    return " ".join(reason.text for reason in credit(trial))


@pytest.mark.parametrize(("share", "is_found"), [(0.0, True), (0.99, True), (1.0, False)])
def test_answers_without_work_are_nobodys(share: float, is_found: bool) -> None:
    """No server answers in less CPU time than the kernel takes; none answered says nothing."""
    cpu_s = 1000 * LEAST_CPU_S_PER_REQUEST * share
    reasons = found(replace(SOUND, server_cpu_s=cpu_s))
    assert ("idle-server" in reasons) is is_found
    assert all(reason.level == "invalid" for reason in reasons.values())
    assert not found(replace(SOUND, server_cpu_s=cpu_s, requests=0))


@pytest.mark.parametrize(
    ("elsewhere", "level"), [(0, None), (1, "suspect"), (2, "invalid"), (1000, "invalid")]
)
def test_requests_elsewhere(elsewhere: int, level: str | None) -> None:
    """As many as there may be errors leave it suspect, more invalidate it."""
    reasons = found(SOUND, elsewhere=elsewhere, elsewhere_host="decoy:80")
    assert (reasons["other-host"].level if reasons else None) == level


@pytest.mark.parametrize(
    ("unplaced", "connections", "level"),
    [(1000, 0, None), (0, 3, None), (10, 0, "suspect"), (10, 3, "invalid"), (1000, 3, "invalid")],
)
def test_requests_without_a_url(unplaced: int, connections: int, level: str | None) -> None:
    """A client of the user's own is believed, unless it also talks to others; a mixture isn't."""
    reasons = found(
        SOUND, unplaced=unplaced, connections_elsewhere=connections, connected_to="decoy:80"
    )
    assert (reasons["unplaced-requests"].level if reasons else None) == level


def test_a_host_that_was_set_is_told() -> None:
    """It was kept what it was, so the figures stand."""
    assert found(SOUND, host_asked="http://decoy")["host-held"].level == "valid"


def test_who_was_busy_is_not_asked_where_others_answered() -> None:
    """The generator was no limit of a server that did nothing."""
    cell = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
    plan = plan_of((PlannedCell(cell),))
    idle = replace(make_trial(cell, 0, 0), server_cpu_s=0.0, load_cpu_s=2.0)
    judged = judge_trial(idle, plan)
    assert [reason.code for reason in judged.validity_reasons] == ["idle-server"]


def test_what_was_never_sent_is_no_wrong_answer() -> None:
    """It counts among the time-outs of an open loop, and is taken off them."""
    cell = Cell("uvicorn", "default", 1, "hello", OpenLoop(500))
    trial = make_trial(cell, 0, 0)
    (piece,) = trial.slices
    assert piece.open_loop is not None
    piece = replace(piece, open_loop=replace(piece.open_loop, unsent=5))
    plan = plan_of((PlannedCell(cell),))

    def told(counts: ErrorCounts) -> Reason | None:
        return errors(Evidence(replace(trial, slices=(piece,), errors=counts), cell, plan))

    reason = told(ErrorCounts(status=1, timeout=7))
    assert reason is not None
    assert reason.text.startswith("3 of ")
    assert "(1 status, 2 timeout)" in reason.text
    assert told(ErrorCounts(timeout=5)) is None


def test_connections_that_got_nothing_are_counted() -> None:
    """Beside wrong answers it is told how many connections had no answer at all."""
    cell = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
    silent = replace(make_trial(cell, 0, 0), unanswered_connections=3)
    assert wrong_words(silent, cell) == ("3 of 64 connections never got an answer",)
    assert wrong_words(replace(silent, unanswered_connections=0), cell) == ()
