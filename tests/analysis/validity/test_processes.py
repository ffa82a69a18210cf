import msgspec
import pytest

from asgi_bench.analysis.validity import processes
from asgi_bench.analysis.validity.trial import judge_trial_of
from asgi_bench.model import Cell, Reason, Trial
from tests.analysis.validity.one_room import findings_of
from tests.situation import Said, situation
from tests.synthetic_run import CLOSED_64, make_trial, plan_of

replace = msgspec.structs.replace
BARE = Trial(cell="x", round=0, block=0, started_at="", outcome="ok")


def cell_with(workers: int) -> Cell:
    """A cell of the reference server."""
    return Cell("uvicorn", "default", workers, "hello", CLOSED_64)


def found(trial: Trial, workers: int = 2) -> dict[str, Reason]:
    """The findings on a trial by code."""
    return {
        reason.code: reason
        for reason in findings_of(processes, trial=trial, cell=cell_with(workers))
    }


@pytest.mark.parametrize(
    ("counts", "workers", "is_found"),
    [
        ((32, 32), 2, False),
        ((48, 16), 2, False),
        ((49, 15), 2, True),
        ((64,), 2, True),
        ((64,), 1, False),
        ((24, 16, 14, 10), 4, False),
        ((25, 15, 14, 10), 4, True),
        ((), 2, False),
        ((0, 0), 2, False),
        ((1, 0), 2, False),
    ],
)
def test_connections_spread_over_workers(
    counts: tuple[int, ...], workers: int, is_found: bool
) -> None:
    """The busiest may hold 1.5 times its share; with fewer connections than workers none can."""
    trial = replace(
        BARE,
        connections_by_process={str(pid): count for pid, count in enumerate(counts)},
    )
    finding = found(trial, workers).get("uneven-connections")
    assert (finding is not None) == is_found


@situation(
    "answers",
    "Each worker's first request is slow, and one worker takes nearly all connections meanwhile",
    says="one worker held 63 of 64 connections, 2.0 times an equal share among 2: the others had "
    "less to do",
)
def test_a_worker_without_work_is_suspect(said: Said) -> None:
    """With less than a tenth of its share it hardly serves, or holds no connection at all."""

    def finding(*counts: int) -> Reason:
        by_pid = {str(pid): count for pid, count in enumerate(counts)}
        return found(replace(BARE, connections_by_process=by_pid), 2)["uneven-connections"]

    assert finding(60, 4).level == "valid"
    assert finding(64).level == "suspect"
    assert finding(63, 1).level == "suspect"
    said(finding(63, 1).text)


@pytest.mark.parametrize(
    ("times_s", "workers", "is_found"),
    [
        ((1.0, 1.0), 2, False),
        ((0.001, 1.49, 0.51), 2, False),  # a master beside two workers
        ((0.001, 1.51, 0.49), 2, True),
        ((2.0,), 2, True),
        ((2.0,), 1, False),
        ((0.7, 0.4, 0.45, 0.45), 4, False),
        ((0.9, 0.4, 0.35, 0.35), 4, True),
        ((), 2, False),
        ((0.06, 0.001), 2, False),  # too little to tell
    ],
)
def test_work_spread_over_workers(times_s: tuple[float, ...], workers: int, is_found: bool) -> None:
    """The busiest process may use 1.5 times a worker's share of the CPU time."""
    clocks = {str(pid): time_s for pid, time_s in enumerate(times_s)}
    finding = found(replace(BARE, cpu_s_by_process=clocks), workers).get("uneven-cpu")
    assert (finding is not None) == is_found
    if finding is not None:
        assert finding.level == "valid"


def test_uneven_connections_explain_uneven_work() -> None:
    """One finding for one cause."""
    trial = replace(
        BARE,
        cpu_s_by_process={"1": 1.9, "2": 0.1},
        connections_by_process={"1": 60, "2": 4},
    )
    assert set(found(trial)) == {"uneven-connections"}


def test_a_server_that_had_to_be_killed_is_told() -> None:
    """It is a finding on the server, whatever its workers did; the figures stay good."""
    trial = replace(make_trial(cell_with(1), 0, 0), stop_s=None, stop_forced=True)
    judged = judge_trial_of(trial, cell_with(1), plan_of(()))
    assert [reason.code for reason in judged.validity_reasons] == ["stop-forced"]
    assert judged.validity == "valid"


@pytest.mark.parametrize(
    ("asked", "serving", "is_found"), [(1, 2, True), (2, 2, False), (2, 0, False)]
)
def test_more_workers_than_asked_for_are_invalid(asked: int, serving: int, is_found: bool) -> None:
    """None seen says nothing; a trial stored without a count neither."""
    reasons = found(replace(BARE, workers_serving=serving), asked)
    assert ("worker-count" in reasons) is is_found
    if is_found:
        assert reasons["worker-count"].level == "invalid"
        assert reasons["worker-count"].text.startswith("asked for 1 worker, but 2 serve")
