from collections.abc import Callable, Sequence

import msgspec
import pytest

from asgi_bench.analysis.across_cells import ScalingPoint
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Goal, PlannedCell, Run, Trial
from tests.synthetic_run import failed, planned_cells, synthetic_run
from tests.synthetic_sides import ab_run

replace = msgspec.structs.replace


def run_of(
    edit: Callable[[Trial], Trial] = lambda trial: trial,
    cells: Sequence[PlannedCell] | None = None,
) -> Run:
    """A run with 1, 2 and 4 workers."""
    counts = planned_cells(worker_counts=(1, 2, 4)) if cells is None else tuple(cells)
    return synthetic_run(counts, edit=edit)


def points_of(run: Run, server: str) -> dict[int, ScalingPoint]:
    """The points of a server's default variant by worker count."""
    (scaling,) = [each for each in summarize(run).scaling if each.server == server]
    return {point.workers: point for point in scaling.points}


def throughputs(run: Run, server: str, workers: int, block: int) -> list[float]:
    """A cell's throughput in the block, round by round."""
    cell = f"{server}/default/w{workers}/hello/c64"
    rates = [t.throughput_rps for t in run.trials if t.cell == cell and t.block == block]
    assert all(rates)
    return [rate for rate in rates if rate]


def geometric_mean(values: Sequence[float]) -> float:
    """The mean on logarithms."""
    product = 1.0
    for value in values:
        product *= value
    return float(product ** (1 / len(values)))


def test_the_reference_is_compared_within_a_block() -> None:
    """It is up in every block, so its speed-up is of pairs of the same minutes."""
    run = run_of()
    point = points_of(run, "uvicorn")[2]
    pairs = zip(throughputs(run, "uvicorn", 2, 1), throughputs(run, "uvicorn", 1, 1), strict=True)
    assert point.basis == "block"
    assert point.speedup.value == pytest.approx(geometric_mean([w2 / w1 for w2, w1 in pairs]))


def test_others_are_compared_over_the_reference_of_their_own_minutes() -> None:
    """What the machine did between two blocks drops out: half the speed is no half speed-up."""

    def slow_block(trial: Trial) -> Trial:
        if trial.block != 1:
            return trial
        pieces = tuple(replace(p, duration_s=2 * p.duration_s) for p in trial.slices)
        return replace(trial, slices=pieces)

    calm, slowed = points_of(run_of(), "granian")[2], points_of(run_of(slow_block), "granian")[2]
    assert calm.basis == slowed.basis == "reference"
    assert calm.speedup == slowed.speedup
    # The synthetic servers lose 4 % by a second worker on one CPU.
    lower, upper = calm.speedup.lower, calm.speedup.upper
    assert lower is not None and upper is not None and lower < 0.96 < upper


def test_without_a_reference_the_rounds_are_all_there_is() -> None:
    """The two counts of a round are paired, minutes apart, and it is said so."""
    cells = [one for one in planned_cells(worker_counts=(1, 2)) if one.cell.server == "granian"]
    run = run_of(cells=cells)
    point = points_of(run, "granian")[2]
    pairs = zip(throughputs(run, "granian", 2, 1), throughputs(run, "granian", 1, 0), strict=True)
    assert point.basis == "round"
    assert point.speedup.value == pytest.approx(geometric_mean([w2 / w1 for w2, w1 in pairs]))


def test_efficiency_is_the_speed_up_over_the_growth_in_workers() -> None:
    """Four workers with the speed of one are a quarter as efficient; the base has neither."""
    points = points_of(run_of(), "daphne")
    for workers in (2, 4):
        speedup, efficiency = points[workers].speedup, points[workers].efficiency
        assert speedup.value is not None and efficiency.value is not None
        assert efficiency.value == pytest.approx(speedup.value / workers)
        assert speedup.lower is not None and efficiency.lower is not None
        assert efficiency.lower == pytest.approx(speedup.lower / workers)
    assert points[1].basis is None
    assert points[1].speedup == points[1].efficiency == Interval()
    assert [points[workers].oversubscribed for workers in (1, 2, 4)] == [False, True, True]


def test_memory_is_told_per_worker_and_per_added_one() -> None:
    """A tree of 40 % shared and 60 % of its own for each worker."""
    points = points_of(run_of(), "hypercorn")
    whole = 39 * 2**20
    assert points[4].pss_bytes_per_worker == pytest.approx(whole * (0.4 + 2.4) / 4, rel=1e-3)
    assert points[4].pss_bytes_per_added_worker == pytest.approx(0.6 * whole, rel=1e-3)
    assert points[1].pss_bytes_per_added_worker is None


def test_imbalance_is_the_busiest_workers_share_over_an_equal_one() -> None:
    """Half as much again is 1.5; a master without connections or work doesn't count."""

    def uneven(trial: Trial) -> Trial:
        if "/w2/" not in trial.cell:
            return trial
        return replace(
            trial,
            connections_by_process={"11": 48, "12": 16},
            cpu_s_by_process={"10": 0.0, "11": 1.2, "12": 0.8},
        )

    points = points_of(run_of(uneven), "granian")
    assert points[2].connections_imbalance == pytest.approx(1.5)
    assert points[2].cpu_imbalance == pytest.approx(1.2)
    assert points[4].connections_imbalance == points[4].cpu_imbalance == 1.0
    assert points[1].connections_imbalance is None


def test_looks_at_the_scatter_widen_what_they_decided() -> None:
    """With a precision to reach, speed-ups and CPU ratios are as wide as other ratios then are."""
    run = run_of()
    goal = Goal(precision=0.02)
    plan = replace(run.header.plan, goal=goal)
    looked = replace(run, header=replace(run.header, plan=plan))
    for server in ("uvicorn", "granian"):
        plain, wide = points_of(run, server)[2], points_of(looked, server)[2]
        for narrow, wider in (
            (plain.speedup, wide.speedup),
            (plain.server_cpu_ratio, wide.server_cpu_ratio),
        ):
            assert narrow.value == wider.value
            assert narrow.lower is not None and narrow.upper is not None
            assert wider.lower is not None and wider.upper is not None
            assert wider.lower < narrow.lower and narrow.upper < wider.upper


def test_what_can_not_be_believed_has_no_speed_up() -> None:
    """An invalid or failed count stands there without one, and no other suffers."""

    def spoil(trial: Trial) -> Trial:
        if trial.cell == "granian/default/w2/hello/c64":
            return replace(trial, workers_lost=1)
        if trial.cell == "daphne/default/w4/hello/c64":
            return failed(trial, "exit code 1")
        return trial

    run = run_of(spoil)
    points = points_of(run, "granian")
    assert points[2].validity == "invalid" and points[2].speedup == Interval()
    assert points[4].speedup.value is not None
    assert set(points_of(run, "daphne")) == {1, 2}


def test_one_worker_count_is_no_scaling() -> None:
    """Nothing to compare, nothing to say."""
    assert summarize(synthetic_run(planned_cells(worker_counts=(1,)))).scaling == ()


def test_the_sides_of_an_ab_are_no_worker_counts() -> None:
    """Three sides of one count are not compared as counts, though each has its memory."""

    def weighed(trial: Trial, _: object) -> Trial:
        return msgspec.structs.replace(trial, server_pss_bytes=30_000_000)

    assert summarize(ab_run(0.0, blocks=6, edit=weighed)).scaling == ()


def test_unknown_memory_adds_nothing() -> None:
    """Where memory of one worker count isn't known nothing is told of an added worker."""

    def edit(trial: Trial) -> Trial:
        return replace(trial, server_pss_bytes=None) if "/w1/" in trial.cell else trial

    found = points_of(synthetic_run(rounds=3, edit=edit), "granian")
    assert found[1].pss_bytes_per_worker is None
    assert found[2].pss_bytes_per_worker is not None
    assert found[2].pss_bytes_per_added_worker is None
