"""When a run with a goal has reached it, and what it then has."""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from statistics import median, stdev

from asgi_bench.analysis.intervals import half_width, paired_ratio
from asgi_bench.analysis.pacing import is_look, is_time_up, round_ends_s
from asgi_bench.analysis.report import Reached
from asgi_bench.analysis.samples import Sample, reference_pairs, samples_of
from asgi_bench.model import Plan, Trial
from asgi_bench.model.figures import slice_throughput_rps
from asgi_bench.model.metrics import THROUGHPUT

# Fewer tell little of a scatter. A calm host has 3 to 8 %, one with busy neighbours 15 to 30 %.
FEWEST_SLICES = 8
CALM_SCATTER, NOISY_SCATTER = 0.1, 0.2


def is_enough(plan: Plan, rounds: int, trials: Sequence[Trial], *, spent_s: float = 0.0) -> bool:
    """Whether a run with a goal may end after this many rounds of judged trials.

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
    """Whether every throughput ratio is as precise as requested; only true at a planned look."""
    goal = plan.goal
    if goal is None or goal.precision is None or not is_look(goal, rounds):
        return False
    widths = ratio_half_widths(samples_of(plan, trials, spent_s), plan)
    return bool(widths) and all(
        width is not None and width <= goal.precision for width in widths.values()
    )


def ratio_half_widths(samples: Mapping[str, Sample], plan: Plan) -> dict[str, float | None]:
    """The half-width of each throughput ratio as a share, by the cell's key.

    For sound closed loops except the reference: a failed or invalid cell has no ratio, and an
    open loop sets its throughput itself. None if there are too few rounds.
    """
    widths: dict[str, float | None] = {}
    for key, sample in samples.items():
        if not sample.is_sound or not sample.planned.cell.load.is_closed:
            continue
        paired = reference_pairs(sample, samples, plan, sample.compared_by(THROUGHPUT))
        if paired is not None and paired[0] != key:
            widths[key] = half_width(paired_ratio(paired[1].values(), looked=is_looked(plan)))
    return widths


def slice_scatter(trials: Iterable[Trial]) -> float | None:
    """How noisy the machine was: how much slices of one server differ within a round.

    The median, over trials with slices, of the standard deviation of the logarithm of their rates.
    """
    scatters = []
    for trial in trials:
        rates_rps = [rate for piece in trial.slices if (rate := slice_throughput_rps(piece))]
        if len(rates_rps) >= FEWEST_SLICES and trial.lead_in_s is not None:
            scatters.append(stdev(map(log, rates_rps)))
    return median(scatters) if scatters else None


def is_looked(plan: Plan) -> bool:
    """Whether the scatter of the results influenced the number of rounds."""
    return plan.goal is not None and plan.goal.precision is not None


def reached(plan: Plan, samples: Mapping[str, Sample], spent_s: float) -> Reached:
    """What a run reached: rounds, time, and how precise its throughput ratios are.

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
        slice_scatter=slice_scatter(trials),
        left_out=next((sample.typical.left_out for sample in samples.values()), None),
    )
