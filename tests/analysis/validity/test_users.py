import msgspec
import pytest

from asgi_bench.analysis.validity import users as rules
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.analysis.validity.users import waiting_share
from asgi_bench.model import Cell, PlannedCell, Reason, Slice, Trial, UserFigures
from tests.analysis.validity.one_room import findings_of
from tests.situation import Said, situation
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
CELL = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
PLAN = replace(plan_of((PlannedCell(CELL),)), client="locustfile", server_cpus=(0,), load_cpus=(1,))


def judged(users: UserFigures, **facts: object) -> dict[str, Reason]:
    """The findings on a trial in which neither side was busy, by code."""
    trial = replace(make_trial(CELL, 0, 0), server_cpu_s=0.2, load_cpu_s=0.2, users=users)
    return {
        reason.code: reason
        for reason in judge_trial(replace(trial, **facts), PLAN).validity_reasons
    }


def test_waiting_is_what_is_left_of_the_users_time() -> None:
    """Beside requests under way and computing, which is for one user at a time."""
    piece = Slice(
        start_s=0,
        end_s=2,
        duration_s=2.0,
        requests=1,
        sent=1,
        errors=0,
        server_cpu_s=0,
        load_cpu_s=0,
    )
    trial = Trial(cell="x", round=0, block=0, started_at="", outcome="ok", slices=(piece,))
    users = UserFigures(users=4, in_flight_share=0.25)
    trial = replace(trial, load_cpu_s=1.0, users=users)
    assert waiting_share(trial) == pytest.approx(1 - 0.25 - 1 / 8)
    assert waiting_share(replace(trial, users=replace(users, in_flight_share=None))) is None
    assert waiting_share(replace(trial, users=None)) is None


@pytest.mark.parametrize(("share", "code"), [(0.1, "users-wait"), (0.9, "concurrency-bound")])
def test_users_that_wait_on_purpose_are_no_lack_of_connections(share: float, code: str) -> None:
    """Where neither side was busy the reason is the waiting, if it took most of their time."""
    found = judged(UserFigures(users=64, in_flight_share=share))
    assert found.keys() & {"users-wait", "concurrency-bound", "shape-bound"} == {code}
    assert found[code].level == "valid"


@situation(
    "reasons",
    "A LoadTestShape decides how many users there are, and neither side is busy",
    says="the locustfile's LoadTestShape set the load: 4 users on average, and neither side was "
    "busy (…); a shape with more users would show what the server can do",
)
def test_a_shape_is_not_told_to_have_more_connections(said: Said) -> None:
    """How many it starts is its own to say, so `--connections` changes nothing."""
    found = judged(UserFigures(users=4, in_flight_share=0.9, has_shape=True))
    said(found["shape-bound"].text)
    assert "concurrency-bound" not in found


@pytest.mark.parametrize(("code", "is_told"), [(None, False), (0, False), (1, True), (3, True)])
def test_an_exit_code_of_the_files_is_told(code: int | None, is_told: bool) -> None:
    """Beside our own, which it doesn't change."""
    trial = replace(make_trial(CELL, 0, 0), users=UserFigures(exit_code=code))
    assert bool(findings_of(rules, trial=trial, cell=CELL)) is is_told
    assert not findings_of(rules, trial=replace(trial, users=None), cell=CELL)
