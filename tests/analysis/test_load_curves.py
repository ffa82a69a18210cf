from collections.abc import Callable

import msgspec
import pytest

from asgi_bench.analysis.report import Report, SweepReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.analysis.validity.trial import RULES_VERSION
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, Objective, RateSweep, Slice, Trial
from tests.synthetic_run import (
    OPEN_AND_SWEEP,
    SWEEP_SHARES,
    failed,
    planned_cells,
    synthetic_run,
    with_errors,
)

replace = msgspec.structs.replace
SWEEP = OPEN_AND_SWEEP[-1]
KEY = "uvicorn/default/w1/hello/sweep"


def report_of(
    edit: Callable[[Trial], Trial] = lambda trial: trial,
    *,
    load: RateSweep = SWEEP,
    rounds: int = 5,
) -> Report:
    """The report of a run of a sweep of two servers, edited."""
    cells = [c for c in planned_cells((load,), (1,)) if c.cell.server in ("uvicorn", "daphne")]
    return summarize(synthetic_run(tuple(cells), rounds=rounds, edit=edit))


def sweep_of(report: Report, key: str = KEY) -> SweepReport:
    """The entry of one sweep."""
    (found,) = (sweep for sweep in report.sweeps if sweep.cell == key)
    return found


def edited_steps(edit: Callable[[Slice, Trial], Slice]) -> SweepReport:
    """The entry with each of its steps edited."""

    def edit_trial(trial: Trial) -> Trial:
        return replace(trial, slices=tuple(edit(step, trial) for step in trial.slices))

    return sweep_of(report_of(edit_trial))


def slow(step: Slice) -> Slice:
    """The step with more errors than an objective allows."""
    return replace(step, errors=step.sent)


def test_sweeps_have_their_own_place() -> None:
    """A sweep is no cell under one load: it stands in `sweeps`, and `everything` has it."""
    report = report_of()
    assert report.cells == ()
    assert [sweep.cell for sweep in report.sweeps] == [sweep.cell for sweep in report.everything]
    mixed = summarize(synthetic_run(planned_cells(OPEN_AND_SWEEP)[:6], rounds=1))
    assert {cell.load.key for cell in mixed.cells} == {"r3000", "r50%"}
    assert {sweep.load.key for sweep in mixed.sweeps} == {"sweep"}
    assert len(mixed.everything) == 6


def test_points_rise_with_the_share() -> None:
    """A point for each share, whatever the order of slices; the search's steps are no points."""
    sweep = sweep_of(report_of())
    assert [point.share for point in sweep.points] == list(SWEEP_SHARES)
    offered = [point.offered_rps or 0 for point in sweep.points]
    assert offered == sorted(offered)
    assert offered[1] / offered[0] == pytest.approx(2.5)
    p99 = [point.response_time_s.p99 or 0 for point in sweep.points[:-1]]
    assert p99 == sorted(p99)


def test_answered_is_offered_until_saturation() -> None:
    """Below the knee all is answered; beyond it what the server can do, and that is said."""
    sweep = sweep_of(report_of())
    *taken, beyond = sweep.points
    for point in taken:
        assert point.overloaded is False
        assert point.throughput_rps.value == pytest.approx(point.offered_rps, rel=0.2)
        assert point.rate_ratio == 1
    assert beyond.overloaded is True
    assert beyond.response_time_s.p50 is None
    assert beyond.response_time_s.p99 is None
    assert sweep.saturation_rps == beyond.throughput_rps
    assert (sweep.saturation_rps.value or 0) < (beyond.offered_rps or 0)


def test_highest_rate_is_between_what_was_kept_and_what_broke() -> None:
    """It lies near the capacity, within its interval, and is no lower bound."""
    sweep = sweep_of(report_of())
    assert sweep.objective == Objective(0.99, 0.02)
    rate = sweep.highest_rate_rps
    assert rate.value is not None
    assert rate.lower is not None
    assert rate.upper is not None
    assert rate.lower < rate.value < rate.upper
    assert rate.value == pytest.approx(sweep.saturation_rps.value, rel=0.05)
    assert sweep.highest_rate_is_least is False


def test_without_objective_there_is_no_highest_rate() -> None:
    """A curve alone promises nothing."""
    sweep = sweep_of(report_of(load=RateSweep(SWEEP_SHARES)))
    assert sweep.objective is None
    assert sweep.highest_rate_rps.value is None
    assert sweep.saturation_rps.value is not None


def test_unbroken_objective_gives_a_lower_bound() -> None:
    """Where even the highest rate kept the objective in a round, the figure is an at least."""
    sweep = sweep_of(report_of(load=RateSweep((0.1, 0.5), Objective(0.99, 0.02))))
    assert sweep.highest_rate_is_least is True
    assert sweep.highest_rate_rps.value == pytest.approx(sweep.points[-1].offered_rps, rel=0.1)
    assert sweep.saturation_rps.value is None


@pytest.mark.parametrize(("rounds_broken", "is_known"), [(2, True), (3, False), (5, False)])
def test_rounds_that_kept_nothing_are_told(rounds_broken: int, is_known: bool) -> None:
    """A minority is left out of the mean and said so; of a majority the mean would flatter."""
    sweep = edited_steps(lambda step, trial: slow(step) if trial.round < rounds_broken else step)
    assert (sweep.highest_rate_rps.value is not None) == is_known
    (reason,) = (r for r in sweep.validity_reasons if r.code == "objective-not-kept")
    assert reason.level == "valid"
    assert f"in {rounds_broken} of 5 rounds" in reason.text
    assert ("excluded from" in reason.text) == is_known


def test_one_disturbed_step_moves_no_limit() -> None:
    """A stall at light load in every round leaves the highest rate where it was."""

    def disturb(step: Slice, trial: Trial) -> Slice:
        lowest = min(each.offered_rps or 0 for each in trial.slices)
        return slow(step) if step.offered_rps == lowest else step

    assert edited_steps(disturb).highest_rate_rps == sweep_of(report_of()).highest_rate_rps


def test_point_overloaded_in_most_rounds_has_no_percentiles() -> None:
    """In 2 of 5 rounds its times come from the others; in 3 there are none."""

    def overload(rounds: int) -> SweepReport:
        def edit(step: Slice, trial: Trial) -> Slice:
            assert step.open_loop is not None
            figures = replace(step.open_loop, unsent=1)
            return replace(step, open_loop=figures) if trial.round < rounds else step

        return edited_steps(edit)

    assert not any(point.overloaded for point in overload(2).points[:-1])
    assert all(point.response_time_s.p50 for point in overload(2).points[:-1])
    assert all(point.overloaded for point in overload(3).points)
    assert not any(point.response_time_s.p50 for point in overload(3).points)


def test_interrupted_trial_gives_no_points() -> None:
    """With a step missing nothing tells which share it was: the round is left out of the curve."""

    def cut(trial: Trial) -> Trial:
        return replace(trial, slices=trial.slices[:3]) if trial.round == 0 else trial

    whole, cut_short = sweep_of(report_of()), sweep_of(report_of(cut))
    assert [point.share for point in cut_short.points] == [point.share for point in whole.points]
    assert whole.points[0].throughput_rps.lower != cut_short.points[0].throughput_rps.lower
    nothing = sweep_of(report_of(lambda trial: replace(trial, slices=trial.slices[:3])))
    assert nothing.points == ()


def test_invalid_and_failed_rounds_leave_the_curve() -> None:
    """Outcome and validity are those of any cell; what can't be used moves no figure."""

    def spoil(trial: Trial) -> Trial:
        if trial.cell != KEY or trial.round > 1:
            return trial
        return with_errors(trial, 0.1) if trial.round else failed(trial, "exited")

    report = report_of(spoil)
    sweep, other = sweep_of(report), sweep_of(report, KEY.replace("uvicorn", "daphne"))
    assert (sweep.outcome, sweep.validity, sweep.rounds) == ("ok", "invalid", 4)
    assert (other.outcome, other.validity, other.rounds) == ("ok", "valid", 5)
    gone = sweep_of(report_of(lambda trial: failed(trial, "exited with 1")))
    assert (gone.outcome, gone.points, gone.highest_rate_rps.value) == ("failed", (), None)
    assert gone.reason == "in all 5 rounds: exited with 1"


@pytest.mark.parametrize("rules_version", [0, RULES_VERSION])
@pytest.mark.parametrize("load", [SWEEP, RateSweep(SWEEP_SHARES)])
def test_broken_histogram_of_a_step_names_the_cell(load: RateSweep, rules_version: int) -> None:
    """A slice whose histogram can't be read is an error with the cell, judged before or not."""

    def spoil(trial: Trial) -> Trial:
        steps = tuple(replace(step, times_hdr={RESPONSE_TIME: "nonsense"}) for step in trial.slices)
        return replace(trial, slices=steps, rules_version=rules_version)

    with pytest.raises(BenchError, match=r"^daphne/default/w1/hello/sweep.* is not an HDR"):
        report_of(spoil, load=load)


@pytest.mark.parametrize(("shares", "is_found"), [((0.25, 0.5, 0.9), True), ((0.5, 1.1), False)])
def test_a_curve_that_ends_before_its_knee_says_so(
    shares: tuple[float, ...], is_found: bool
) -> None:
    """Its last rate is a share of what a short warm-up gave, which may have been too little."""
    sweep = sweep_of(report_of(load=replace(SWEEP, shares=shares, objective=None)))
    found = {reason.code: reason for reason in sweep.validity_reasons}
    assert ("not-saturated" in found) == is_found
    assert (sweep.saturation_rps.value is None) == is_found
    if is_found:
        assert found["not-saturated"].level == "valid"
        assert "90% of its throughput" in found["not-saturated"].text
