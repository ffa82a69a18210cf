"""A metric's value in a trial, in a cell's rounds, and in a report's cell."""

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from statistics import median

from msgspec import UNSET

from asgi_bench.analysis.estimates import Interval, Ratio
from asgi_bench.analysis.intervals import interval_over, linear_interval
from asgi_bench.analysis.percentiles import Histogram, mean_s, merge_histograms, quantile_s
from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.errors import BenchError
from asgi_bench.model import GENERATOR_LAG, Trial
from asgi_bench.model.figures import sent_in_slices
from asgi_bench.model.metric import Metric, Times
from asgi_bench.model.metrics import METRICS

# What a report's cell has no key of its own for: it is in its `metrics`.
FURTHER = tuple(
    metric
    for metric in METRICS
    if metric.of_trial is not None and metric.key_of_cell not in CellReport.__struct_fields__
)


def figure_of(metric: Metric, trial: Trial) -> float | None:
    """A metric of one trial; None if it wasn't measured, or has too few samples.

    An overloaded trial has no times: they would only reflect how long its schedule was. Raises
    BenchError for a stored histogram that can't be read, naming cell and round.
    """
    if metric.times is not None and metric.times.of != GENERATOR_LAG and is_trial_overloaded(trial):
        return None
    return stored_figure(metric, trial)


def stored_figure(metric: Metric, trial: Trial) -> float | None:
    """The same, for an overloaded trial too."""
    if metric.times is not None:
        return _of_times(metric.times, trial)
    value = None if metric.of_trial is None else metric.of_trial(trial)
    if metric.per is None or value is None:
        return value
    took_s = _of_times(metric.per, trial)
    return value / took_s if took_s else None


def _of_times(times: Times, trial: Trial) -> float | None:
    try:
        histogram = _histogram(trial.times_hdr.get(times.of))
    except BenchError as error:
        raise BenchError(f"{trial.cell}, round {trial.round}: a histogram is {error}") from None
    if histogram is None:
        return None
    return mean_s(histogram) if times.quantile is None else quantile_s(histogram, times.quantile)


@lru_cache(maxsize=8)
def _histogram(blob: str | None) -> Histogram | None:
    """Several metrics are read from one, and decoding takes longest."""
    return merge_histograms([blob])


def estimate(metric: Metric, trials: Sequence[Trial], *, looked: bool = False) -> Interval:
    """A metric over the rounds of a cell, as its `pooling` says; `looked` as in `log_interval`.

    Rounds without it are excluded; without any there is no value.
    """
    if metric.pooling == "geometric":
        return interval_over(figure_of(metric, trial) for trial in trials)
    found = [(trial, value) for t in trials for trial, value in [(t, figure_of(metric, t))]]
    known = [(trial, value) for trial, value in found if value is not None]
    if not known:
        return Interval()
    values = [value for _, value in known]
    if metric.pooling == "arithmetic":
        return linear_interval(values, looked=looked)
    if metric.pooling == "median":
        return Interval(median(values))
    # A mean of rounds would not do for zeros.
    sent = [sent_in_slices(trial) for trial, _ in known]
    counted = sum(value * requests for value, requests in zip(values, sent, strict=True))
    return Interval(counted / sum(sent) if sum(sent) else None)


def cell_figure(metric: Metric, cell: CellReport | SweepReport) -> Interval:
    """A metric in a report's cell; without a value if the cell has none."""
    found = _found(cell, metric)
    if isinstance(found, Interval):
        return found
    if isinstance(found, Ratio):
        return Interval(found.value, found.lower, found.upper)
    return Interval(found)


def cell_ratio(metric: Metric, cell: CellReport) -> Ratio | None:
    """A metric's ratio to the reference in a report's cell."""
    found: Ratio | None = attrgetter(metric.ratio_key)(cell) if metric.ratio_key else None
    return found


def _found(cell: CellReport | SweepReport, metric: Metric) -> Interval | Ratio | float | None:
    if metric in FURTHER:
        own = cell.metrics if isinstance(cell, CellReport) else UNSET
        return None if own is UNSET else own.get(metric.name)
    found: Interval | Ratio | float | None = attrgetter(metric.key or metric.name)(cell)
    return found
