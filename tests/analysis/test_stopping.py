import math

import msgspec
import numpy as np
import pytest

from asgi_bench.analysis.intervals import half_width, log_interval
from asgi_bench.analysis.report import RunGoal
from asgi_bench.analysis.stopping import is_enough
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Goal, OpenLoop, Run, Trial
from tests.synthetic_run import CLOSED_64, planned_cells, synthetic_run, with_errors

replace = msgspec.structs.replace
LOOKS = Goal().looks
NOMINAL = 0.94
# Scatter of a round's log ratio over the precision that is asked for: below 1 the first look is
# enough, above 3 all rounds are had whatever they show.
WORST_SCATTER = 1.54
SCATTERS = tuple(np.round(np.geomspace(0.6, 3.5, 24), 3))


def stopped_early(goal: Goal, rounds: int, seed: int = 7, loads: tuple = (CLOSED_64,)) -> Run:  # type: ignore[type-arg]
    """A run with a goal after so many rounds, of at most 18."""
    run = synthetic_run(planned_cells(loads, worker_counts=(1,)), rounds=rounds, seed=seed)
    plan = replace(run.header.plan, rounds=18, goal=goal)
    return replace(run, header=replace(run.header, plan=plan))


def ends(run: Run, rounds: int) -> bool:
    """Whether it would end there."""
    return is_enough(run.header.plan, rounds, run.trials)


def coverage(scatter: float, draws: int, seed: int = 1) -> float:
    """How often the last interval holds the truth, 1, of a ratio measured until it's precise."""
    random = np.random.default_rng(seed)
    covered = 0
    logs = random.normal(0, 0.01 * scatter, (draws, LOOKS[-1]))
    for ratios in np.exp(logs):
        for look in LOOKS:
            found = log_interval(ratios[:look].tolist(), looked=True)
            if (half_width(found) or 1.0) <= 0.01:
                break
        covered += (found.lower or 9.0) <= 1 <= (found.upper or 0.0)
    return covered / draws


def test_intervals_keep_their_coverage_over_planned_looks() -> None:
    """Where stopping at a look biases most, at least 94 % of the last intervals hold the truth."""
    draws = 9000
    error = math.sqrt(0.95 * 0.05 / draws)
    assert coverage(WORST_SCATTER, draws) >= NOMINAL - 2 * error


@pytest.mark.slow
@pytest.mark.parametrize("scatter", SCATTERS)
def test_coverage_over_all_scatters(scatter: float) -> None:
    """Whatever the scatter is against the precision asked for, coverage is at least 94 %."""
    assert coverage(scatter, 20_000) >= NOMINAL


def test_precision_ends_at_a_look_where_all_ratios_have_it() -> None:
    """Synthetic ratios scatter by 3 %: six rounds are known to 8 %, not to 0.8 %."""
    run = stopped_early(Goal(precision=0.08), 6)
    assert ends(run, 6)
    assert not ends(stopped_early(Goal(precision=0.008), 6), 6)
    reached = summarize(run).run.reached
    assert reached is not None
    assert (reached.rounds, reached.duration_s) == (6, 329.0)
    assert 0 < (reached.half_width_median or 0) <= (reached.half_width_max or 0) <= 0.08


@pytest.mark.parametrize("rounds", [5, 7, 8, 10])
def test_nothing_ends_between_looks(rounds: int) -> None:
    """However precise, rounds are added until the next look."""
    assert not ends(stopped_early(Goal(precision=0.5), rounds), rounds)


def test_one_wide_ratio_keeps_the_run_going() -> None:
    """The promise holds for every ratio, so the widest decides; what is invalid has none."""
    key = "daphne/default/w1/hello/c64"

    def waver(trial: Trial) -> Trial:
        if trial.cell != key:
            return trial
        factor = 1 + 0.4 * (trial.round % 2)
        pieces = tuple(replace(one, duration_s=one.duration_s * factor) for one in trial.slices)
        return replace(trial, slices=pieces)

    def wrong(trial: Trial) -> Trial:
        return with_errors(trial, 0.1) if trial.cell == key else trial

    goal = Goal(precision=0.08)
    run = stopped_early(goal, 6)
    assert not ends(replace(run, trials=tuple(map(waver, run.trials))), 6)
    spoilt = synthetic_run(planned_cells(worker_counts=(1,)), rounds=6, edit=wrong)
    judged = replace(spoilt, header=run.header)
    assert ends(judged, 6)


def test_time_ends_a_run_whatever_its_precision() -> None:
    """With both, whichever comes first."""
    goal = Goal(budget_s=330, precision=0.0001)
    assert ends(stopped_early(goal, 6), 6)


def test_a_run_that_reached_its_goal_lacks_nothing() -> None:
    """Six of at most 18 rounds lack nothing; without a goal twelve are missing."""
    for goal, codes in ((Goal(precision=0.08), set()), (None, {"missing-rounds"})):
        run = stopped_early(Goal(precision=0.08), 6)
        plan = replace(run.header.plan, goal=goal)
        report = summarize(replace(run, header=replace(run.header, plan=plan)))
        found = {reason.code for cell in report.cells for reason in cell.validity_reasons}
        assert found == codes
        assert report.run.goal == (goal and RunGoal(precision=0.08))


def test_looked_intervals_are_wider_in_the_report() -> None:
    """A precision that was asked for widens the ratios' intervals; a budget alone does not."""
    widths = []
    for goal in (Goal(budget_s=900), Goal(precision=0.9)):
        report = summarize(stopped_early(goal, 6))
        ratio = report.cells[0].throughput_ratio
        assert ratio is not None
        widths.append((ratio.upper or 0) / ratio.value)
    assert widths[1] > widths[0] * 1.001


def test_open_loops_have_no_precision_to_reach() -> None:
    """They set the throughput themselves: a run of nothing else goes on to its end."""
    assert not ends(stopped_early(Goal(precision=0.9), 6, loads=(OpenLoop(500),)), 6)


def test_a_run_without_a_goal_never_asks() -> None:
    """To ask when it may end is a mistake of the caller, and no answer."""
    run = synthetic_run(planned_cells()[:1], rounds=1)
    with pytest.raises(ValueError, match="no goal"):
        is_enough(run.header.plan, 1, run.trials)
