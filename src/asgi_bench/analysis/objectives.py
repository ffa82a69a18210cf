"""Does a cell keep a latency objective, and at which rate does it still."""

from asgi_bench.analysis.percentiles import merge_histograms, quantile_s
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.sweeps import (
    LEAST_KEPT_SHARE,
    bracket,
    is_trial_overloaded,
    open_figures,
    rate_ratio,
)
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, Objective, Trial


def kept_rate_rps(objective: Objective, trial: Trial) -> float | None:
    """The highest rate of a sweep's trial that kept an objective, whichever it searched for.

    Raises BenchError for a stored histogram that can't be read, naming cell and round.
    """
    try:
        return bracket(trial.slices, objective).kept_rps
    except BenchError as error:
        raise BenchError(f"{trial.cell}, round {trial.round}: a histogram is {error}") from None


def holds(sample: Sample, objective: Objective) -> bool:
    """Whether an open loop kept an objective over all its rounds together.

    Not where it was overloaded, where the schedule wasn't kept, or where there are too few
    samples to tell. Raises as `kept_rate_rps`.
    """
    trials = sample.estimating
    kept = rate_ratio([each for trial in trials for each in open_figures(trial.slices)])
    if sample.overloaded or (kept or 0.0) < LEAST_KEPT_SHARE:
        return False
    try:
        histogram = merge_histograms(
            trial.times_hdr.get(RESPONSE_TIME) for trial in trials if not is_trial_overloaded(trial)
        )
    except BenchError as error:
        raise BenchError(f"{sample.planned.cell.key}: a histogram is {error}") from None
    found_s = None if histogram is None else quantile_s(histogram, objective.quantile)
    return found_s is not None and found_s <= objective.limit_s
