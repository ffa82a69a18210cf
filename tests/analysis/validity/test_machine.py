import msgspec
import pytest

from asgi_bench.analysis.utilization import load_cpu_share
from asgi_bench.analysis.validity import machine
from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Cell, PlannedCell, Reason, Slice, Throttling, Trial
from tests.analysis.validity.one_room import findings_of
from tests.synthetic_run import CLOSED_64, make_trial, metered, plan_of

replace = msgspec.structs.replace
CELL = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
# 2 s under load in four slices, on one server CPU and one load CPU.
TRIAL = make_trial(CELL, 0, 0)


def found(trial: Trial, cell: Cell = CELL) -> dict[str, Reason]:
    """The findings on a trial by code."""
    findings = findings_of(machine, trial=trial, cell=cell)
    return {reason.code: reason for reason in findings if reason is not None}


def with_slices(load_wait_s: float | None = None, **told: float | None) -> Trial:
    """The trial with a wait of the generator's in each of its slices, and what meters told."""
    pieces = tuple(
        metered(replace(piece, load_wait_s=load_wait_s), **told) for piece in TRIAL.slices
    )
    return replace(TRIAL, slices=pieces)


def test_undisturbed_trial_has_no_findings() -> None:
    """Neither where nothing disturbed it nor where nothing is known of that."""
    assert found(TRIAL) == {}
    quiet = with_slices(steal_s=0.0, load_wait_s=0.0, server_wait_s=0.0, neighbour_cpu_s=0.0)
    assert found(quiet) == {}


@pytest.mark.parametrize(("stolen_s", "is_found"), [(0.0499, False), (0.0501, True)])
def test_steal_is_a_share_of_all_cpus_in_use(stolen_s: float, is_found: bool) -> None:
    """Of half a second on two CPUs 50 ms are the 5 % that a host may take."""
    finding = found(with_slices(steal_s=stolen_s)).get("steal")
    assert (finding is not None) == is_found
    if finding is not None:
        assert finding.level == "suspect"
        assert finding.value == pytest.approx(stolen_s)
        assert finding.limit == 0.05


@pytest.mark.parametrize("side", ["load", "server"])
@pytest.mark.parametrize(("share", "is_found"), [(0.199, False), (0.201, True)])
def test_wait_is_a_share_of_the_time_a_side_was_ready(
    side: str, share: float, is_found: bool
) -> None:
    """Ready is running or waiting: a fifth of it spent waiting is suspect, for either side."""

    def wait_s(piece: Slice) -> float:
        cpu_s = piece.load_cpu_s if side == "load" else piece.server_cpu_s
        return cpu_s * share / (1 - share)

    pieces = tuple(
        replace(piece, load_wait_s=wait_s(piece))
        if side == "load"
        else metered(piece, server_wait_s=wait_s(piece))
        for piece in TRIAL.slices
    )
    finding = found(replace(TRIAL, slices=pieces)).get("cpu-contention")
    assert (finding is not None) == is_found
    if finding is not None:
        assert finding.value == pytest.approx(share)
        who = "load generator" if side == "load" else "server"
        assert finding.text.startswith(f"the {who} waited for a CPU 20% of the time")


def test_oversubscribed_server_waits_for_itself() -> None:
    """More workers than CPUs wait for one another; that is a property, not a disturbance."""
    cell = replace(CELL, workers=2)
    waiting = with_slices(server_wait_s=1.0)
    assert "cpu-contention" in found(waiting)
    assert "cpu-contention" not in found(waiting, cell)
    assert "cpu-contention" in found(with_slices(load_wait_s=1.0), cell)


@pytest.mark.parametrize(
    ("others_s", "is_found"), [(None, True), (-0.01, False), (0.0289, False), (0.0293, True)]
)
def test_a_server_of_many_threads_waits_for_itself(others_s: float | None, is_found: bool) -> None:
    """Its wait is a disturbance where others surely used 5 % of its CPU, or nobody knows of them.

    Four readings in ticks of 10 ms are off by 8 ms: what others used must be so by 16 ms of 2 s.
    """
    trial = with_slices(server_wait_s=1.0, other_cpu_s=others_s)
    assert ("cpu-contention" in found(trial)) == is_found
    # What the generator waits for is never itself: it has one thread.
    assert "cpu-contention" in found(with_slices(load_wait_s=1.0, other_cpu_s=others_s))


def test_ticks_of_short_slices_are_nobody_else() -> None:
    """Of 20 slices of 24 ms, 7 % of a CPU may be the reading; 20 % of it are another program."""
    piece = replace(TRIAL.slices[0], duration_s=0.024)
    for share, is_found in ((0.07, False), (0.2, True)):
        one = metered(piece, server_wait_s=1.0, other_cpu_s=share * piece.duration_s)
        trial = replace(TRIAL, slices=(one,) * 20)
        assert ("cpu-contention" in found(trial)) == is_found


@pytest.mark.parametrize(("used_s", "is_found"), [(0.0249, False), (0.0251, True)])
def test_neighbours_should_idle(used_s: float, is_found: bool) -> None:
    """Of half a second 25 ms are the 5 % of a CPU that all other servers may use together."""
    finding = found(with_slices(neighbour_cpu_s=used_s)).get("busy-neighbour")
    assert (finding is not None) == is_found


def test_slices_weigh_by_their_length() -> None:
    """One bad slice of four counts a quarter; a slice that doesn't know is left out."""
    first, second, *rest = TRIAL.slices
    bad = metered(first, neighbour_cpu_s=0.09)
    rest = [metered(piece, neighbour_cpu_s=0.0) for piece in rest]
    quiet = replace(TRIAL, slices=(bad, metered(second, neighbour_cpu_s=0.0), *rest))
    unknown = replace(TRIAL, slices=(bad, second, *rest))
    assert found(quiet) == {}
    assert found(unknown)["busy-neighbour"].value == pytest.approx(0.09 / 1.5)


@pytest.mark.parametrize(("stopped", "is_found"), [(3, False), (4, True)])
def test_a_quota_is_named_and_nobody_else_is_blamed(stopped: int, is_found: bool) -> None:
    """Who is stopped is ready to run and does not: that is no other program's doing."""
    waiting = with_slices(load_wait_s=1.0, other_cpu_s=1.0)
    trial = replace(waiting, throttling=Throttling(0.5, 60, stopped, 1.0))
    findings = found(trial)
    assert ("throttled" in findings) == is_found
    assert ("cpu-contention" in findings) != is_found
    if is_found:
        assert "quota of 0.5 CPUs in 4 of 60 periods" in findings["throttled"].text
    assert "throttled" not in found(replace(waiting, throttling=Throttling(0.5, 0, 0, 0.0)))


@pytest.mark.parametrize(
    ("load_hosts", "whose"), [(0, "server and load generator together"), (1, "of the server")]
)
def test_a_quota_is_said_to_be_whose_it_is(load_hosts: int, whose: str) -> None:
    """Both sides share it here; a load host has CPUs of its own."""
    trial = replace(TRIAL, throttling=Throttling(0.5, 60, 4, 1.0))
    plan = replace(plan_of((PlannedCell(CELL),)), load_hosts=load_hosts)
    reason = machine.cpu_denied(Evidence(trial, CELL, plan))
    assert reason is not None
    assert f"in 4 of 60 periods, {whose}: raise the quota" in reason.text


@pytest.mark.parametrize(("quota_cpus", "share"), [(8.0, 0.4), (0.5, 0.8)])
def test_the_generator_may_use_no_more_than_the_quota(quota_cpus: float, share: float) -> None:
    """Of half a CPU it used 80 %, of a whole one 40 %: a quota above that changes nothing."""
    trial = replace(TRIAL, load_cpu_s=0.4 * TRIAL.duration_s, load_cpus=(1,))
    plan = plan_of((PlannedCell(CELL),))
    limited = replace(trial, throttling=Throttling(quota_cpus, 20, 0, 0.0))
    assert load_cpu_share(trial, plan) == pytest.approx(0.4)
    assert load_cpu_share(limited, plan) == pytest.approx(share)
