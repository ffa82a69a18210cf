"""Estimates with 95 % intervals over rounds.

A round has fresh processes, so it is the unit of repetition: never a request or a slice, which
are correlated. Throughput, cost and their ratios are positive and vary by factors, so the mean
and the t interval are computed on logarithms: the geometric mean, with bounds that multiply. That
makes the ratio a to b exactly the inverse of b to a.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from asgi_bench.analysis.estimates import Interval, Ratio

CONFIDENCE = 0.95
# Two rounds give a t interval with one degree of freedom: 12.7 standard errors, of no use.
MIN_ROUNDS = 3
# A run that stops once its ratios are precise enough stops the sooner the smaller their scatter
# happens to look: over the planned looks Student's 95 % interval then covers 92.8 % at worst,
# and that of this level 95 % (tests/analysis/test_stopping.py simulates it).
LOOKS_CONFIDENCE = 0.97

Floats = npt.NDArray[np.float64]


def log_interval(values: Sequence[float], *, looked: bool = False) -> Interval:
    """The geometric mean of positive values, one per round, with its 95 % t interval.

    With `looked`, the values' own scatter chose the number of rounds, at planned looks: the
    bounds are widened by what that costs. Without values all three are None; with fewer than 3
    values the bounds are. Raises ValueError for a value that isn't positive and finite.
    """
    if not values:
        return Interval()
    array = np.asarray(values, dtype=float)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError("an interval on logarithms needs positive, finite values")
    logs = np.log(array)
    mean = float(logs.mean())
    if len(array) < MIN_ROUNDS:
        return Interval(value=float(np.exp(mean)))
    standard_error = float(logs.std(ddof=1)) / len(array) ** 0.5
    if looked:
        standard_error *= looks_factor(len(array) - 1)
    half_width = float(stdtrit(len(array) - 1, 0.5 + CONFIDENCE / 2)) * standard_error
    return Interval(
        value=float(np.exp(mean)),
        lower=float(np.exp(mean - half_width)),
        upper=float(np.exp(mean + half_width)),
    )


def interval_over(values: Iterable[float | None]) -> Interval:
    """An interval over the rounds that have the figure, which can't be 0."""
    return log_interval([value for value in values if value])


def linear_interval(values: Sequence[float], *, looked: bool = False) -> Interval:
    """The mean of values, one per round, with its 95 % t interval: for what may be 0 or less.

    Takes the arguments of `log_interval`.
    """
    if not values:
        return Interval()
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < MIN_ROUNDS:
        return Interval(value=mean)
    standard_error = float(array.std(ddof=1)) / len(array) ** 0.5
    if looked:
        standard_error *= looks_factor(len(array) - 1)
    half_width = float(stdtrit(len(array) - 1, 0.5 + CONFIDENCE / 2)) * standard_error
    return Interval(value=mean, lower=mean - half_width, upper=mean + half_width)


def paired_ratio(pairs: Iterable[tuple[float, float]], *, looked: bool = False) -> Interval:
    """The ratio of the first to the second of each pair, one pair per round and block.

    Both of a pair were measured in the same minutes on the same machine, so what slowed one
    slowed the other and cancels out. Arguments and errors are those of `log_interval`.
    """
    return log_interval([ours / theirs for ours, theirs in pairs], looked=looked)


def looks_factor(degrees: int) -> float:
    """By how much the planned looks widen a standard error with this many degrees of freedom."""
    wide, narrow = (
        float(stdtrit(degrees, 0.5 + level / 2)) for level in (LOOKS_CONFIDENCE, CONFIDENCE)
    )
    return wide / narrow


def half_width(interval: Interval | Ratio) -> float | None:
    """The wider side of an interval as a share of its estimate: 0.02 is ±2 %; None without one.

    Bounds on logarithms are a factor above and below, so the upper side is the wider one.
    """
    if not interval.value or interval.lower is None or interval.upper is None:
        return None
    return max(interval.upper / interval.value - 1, 1 - interval.lower / interval.value)
