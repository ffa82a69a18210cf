"""When a run with a goal has reached it, and what it then has."""

from collections.abc import Mapping, Sequence
from statistics import median

from asgi_bench.analysis.intervals import half_width, paired_ratio
from asgi_bench.analysis.pacing import is_look, is_time_up, round_ends_s
from asgi_bench.analysis.report import Reached
from asgi_bench.analysis.samples import Sample, reference_pairs, samples_of
from asgi_bench.model import Plan, Trial


def is_enough(plan: Plan, rounds: int, trials: Sequence[Trial], *, spent_s: float = 0.0) -> bool:
    """Whether a run with a goal may end after so many rounds of judged trials.

    `spent_s` of its time had gone by when it began.

    Raises ValueError for a plan without a goal.
    """
    goal = plan.goal
    if goal is None:
        raise ValueError("the plan has no goal to reach")
    if is_time_up(plan, goal, round_ends_s(trials, rounds), spent_s):
        return True
    return is_precise(plan, rounds, trials, spent_s=spent_s)


def is_precise(plan: Plan, rounds: int, trials: Sequence[Trial], *, spent_s: float = 0.0) -> bool:
    """Whether every throughput ratio is as sure as was asked, at a planned look; never between."""
    goal = plan.goal
    if goal is None or goal.precision is None or not is_look(goal, rounds):
        return False
    widths = ratio_half_widths(samples_of(plan, trials, spent_s), plan)
    return bool(widths) and all(
        width is not None and width <= goal.precision for width in widths.values()
    )


def ratio_half_widths(samples: Mapping[str, Sample], plan: Plan) -> dict[str, float | None]:
    """The half-width of each throughput ratio as a share, by the cell's key.

    Of sound closed loops beside the reference: what is failed or invalid has no ratio to sharpen,
    and an open loop sets its throughput itself. None where there are too few rounds for one.
    """
    widths: dict[str, float | None] = {}
    for key, sample in samples.items():
        if not sample.is_sound or not sample.planned.cell.load.is_closed:
            continue
        paired = reference_pairs(sample, samples, plan, lambda trial: trial.throughput_rps)
        if paired is not None and paired[0] != key:
            widths[key] = half_width(paired_ratio(paired[1].values(), looked=is_looked(plan)))
    return widths


def is_looked(plan: Plan) -> bool:
    """Whether the scatter of the results had a say in how many rounds there are."""
    return plan.goal is not None and plan.goal.precision is not None


def reached(plan: Plan, samples: Mapping[str, Sample], spent_s: float) -> Reached:
    """What a run came to: rounds, time, and how sure its throughput ratios are.

    `spent_s` had gone by when it began.
    """
    trials = [trial for sample in samples.values() for trial in sample.everywhere]
    rounds = 1 + max((trial.round for trial in trials), default=-1)
    known = [w for w in ratio_half_widths(samples, plan).values() if w is not None]
    return Reached(
        rounds=rounds,
        duration_s=spent_s + (round_ends_s(trials, rounds)[-1] if rounds else 0.0),
        half_width_median=median(known) if known else None,
        half_width_max=max(known) if known else None,
    )
