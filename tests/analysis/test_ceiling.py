import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.samples import sample_cells
from asgi_bench.analysis.validity.limits import CEILING_SHARE, ceiling_rps, near_ceiling
from asgi_bench.analysis.validity.trial import judge_trial
from asgi_bench.model import Cell, Plan, PlannedCell, Preparation, Trial
from asgi_bench.model.calibration import Calibration
from tests.synthetic_calibration import ceiling_point, full_calibration, quick_calibration
from tests.synthetic_run import CLOSED_64, make_trial, plan_of, synthetic_run


@pytest.mark.parametrize(
    ("connections", "expected_rps"),
    [(1, 20_000), (8, 80_000), (64, 100_000), (256, 90_000), (1024, 90_000)],
)
def test_measured_counts_stand(connections: int, expected_rps: float) -> None:
    """At a measured count the ceiling is what was measured, beyond the last it is the last's."""
    assert ceiling_rps(full_calibration(), connections) == pytest.approx(expected_rps)


def test_between_counts_the_logarithm_decides() -> None:
    """16 and 32 connections part the way from 8 to 64 in thirds."""
    calibration = full_calibration()
    thirds = [ceiling_rps(calibration, connections) for connections in (16, 32)]
    assert thirds == pytest.approx([80_000 + 20_000 / 3, 80_000 + 40_000 / 3])


@given(connections=st.integers(1, 100_000), processes=st.integers(1, 64))
def test_ceiling_stays_within_what_was_measured(connections: int, processes: int) -> None:
    """Whatever the counts, each process has a ceiling between the lowest and the highest."""
    ceiling = ceiling_rps(full_calibration(), connections, processes)
    assert ceiling is not None
    assert ceiling / processes * (1 + 1e-9) >= 20_000
    assert ceiling / processes <= 100_000 * (1 + 1e-9)


def test_load_processes_share_the_connections() -> None:
    """Two processes carry twice what one carries over half the connections."""
    calibration = full_calibration()
    one_rps = ceiling_rps(calibration, 64)
    assert one_rps is not None
    assert ceiling_rps(calibration, 128, 2) == pytest.approx(2 * one_rps)


def test_quick_calibration_serves_every_count() -> None:
    """One measured count stands for all."""
    assert ceiling_rps(quick_calibration(), 8) == ceiling_rps(quick_calibration(), 512) == 100_000


def test_no_calibration_no_ceiling() -> None:
    """Without a calibration, or one without a ceiling, nothing is near it."""
    empty = msgspec.structs.replace(quick_calibration(), ceiling=())
    for calibration in (None, empty):
        assert ceiling_rps(calibration, 64) is None
        assert near_ceiling(1e9, 64, calibration, server_is_busy=False) is None


@pytest.mark.parametrize(
    ("throughput_rps", "is_busy", "level"),
    [
        (79_000, False, None),
        (CEILING_SHARE * 100_000, False, None),
        (81_000, False, "invalid"),
        (81_000, True, "suspect"),
        (120_000, True, "suspect"),
    ],
)
def test_above_four_fifths_the_generator_is_the_limit(
    throughput_rps: float, is_busy: bool, level: str | None
) -> None:
    """Up to 80 % there is no finding; above it the server's own load decides how bad it is."""
    found = near_ceiling(throughput_rps, 64, full_calibration(), server_is_busy=is_busy)
    assert (found and found.level) == level
    if found is not None:
        assert (found.code, found.limit) == ("generator-bound", CEILING_SHARE)
        assert found.value == pytest.approx(throughput_rps / 100_000)
        assert "100,000" in found.text and "--load-processes" in found.text


def test_more_load_processes_lift_the_ceiling() -> None:
    """What is near the ceiling of one process is far from that of two."""
    for processes, is_near in ((1, True), (2, False)):
        found = near_ceiling(
            90_000, 64, full_calibration(), load_processes=processes, server_is_busy=False
        )
        assert (found is not None) == is_near


def with_ceiling(ceiling_rps: float) -> Calibration:
    """A calibration of a generator that can do so much."""
    return msgspec.structs.replace(quick_calibration(), ceiling=(ceiling_point(64, ceiling_rps),))


def judged(
    server_share: float, load_share: float, ceiling_share: float, **planned: object
) -> Trial:
    """A sound trial at that share of the ceiling, both sides as busy as that."""
    cell = Cell("uvicorn", "default", 1, "hello", CLOSED_64)
    plan: Plan = msgspec.structs.replace(plan_of((PlannedCell(cell),)), **planned)
    trial = make_trial(cell, 0, 0)
    assert trial.throughput_rps is not None
    spent = msgspec.structs.replace(
        trial,
        server_cpu_s=server_share * trial.duration_s,
        load_cpu_s=load_share * trial.duration_s,
        load_cpus=plan.load_cpus,
    )
    return judge_trial(spent, plan, with_ceiling(trial.throughput_rps / ceiling_share))


@pytest.mark.parametrize(
    ("server_share", "load_share", "ceiling_share", "expected"),
    [
        (0.95, 0.5, 0.5, []),
        (0.95, 0.85, 0.85, [("generator-bound", "suspect")]),
        (0.60, 0.85, 0.85, [("generator-bound", "invalid")]),
        (0.60, 0.85, 0.75, [("concurrency-bound", "valid")]),
        (0.60, 0.95, 0.85, [("generator-bound", "invalid")]),
    ],
)
def test_a_trial_is_judged_by_the_ceiling(
    server_share: float, load_share: float, ceiling_share: float, expected: list[tuple[str, str]]
) -> None:
    """Each trial has one finding at most on what its limit was, the gravest."""
    trial = judged(server_share, load_share, ceiling_share)
    assert [(reason.code, reason.level) for reason in trial.validity_reasons] == expected


def test_the_ceiling_is_of_our_own_user_and_grows_with_its_processes() -> None:
    """Locust's clients were not calibrated; two processes carry twice as much on two CPUs alone."""
    near = (0.95, 0.5, 0.85)
    assert judged(*near).validity == "suspect"
    assert judged(*near, client="fasthttp").validity == "valid"
    assert judged(*near, load_processes=2, load_cpus=(1, 2)).validity == "valid"
    assert judged(*near, load_processes=2, load_cpus=(1,)).validity == "suspect"


def test_a_report_judges_by_the_stored_calibration() -> None:
    """A run of older rules is judged again by what it went by."""
    run = synthetic_run()
    calibration = with_ceiling(1.0)
    header = msgspec.structs.replace(run.header, preparation=Preparation(calibration=calibration))
    trials = tuple(msgspec.structs.replace(trial, rules_version=0) for trial in run.trials)
    samples = sample_cells(msgspec.structs.replace(run, header=header, trials=trials)).values()
    reasons = {r.code for s in samples for t in s.everywhere for r in t.validity_reasons}
    assert "generator-bound" in reasons
