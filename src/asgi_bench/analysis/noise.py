"""How noisy is this machine: pure functions on the throughput of slices.

Throughput varies by factors, so spreads are of its natural logarithm: 0.03 is about 3 %.
"""

from collections.abc import Mapping, Sequence
from math import exp, log

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri, stdtrit

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import CONFIDENCE, MIN_ROUNDS, log_interval
from asgi_bench.calibration import LengthEffect, LengthVerdict, Variation

# Two lengths of a slice that give ratios within 1 % of each other are as good as each other.
LENGTH_TOLERANCE = 0.01

Floats = npt.NDArray[np.float64]


def coefficient_of_variation(values: Sequence[float]) -> float:
    """The standard deviation over the mean. Raises ValueError under 2 values or for a mean of 0."""
    array = np.asarray(values, dtype=float)
    if len(array) < 2 or array.mean() == 0:
        raise ValueError("a coefficient of variation needs 2 values and a mean that isn't 0")
    return float(array.std(ddof=1) / array.mean())


def lag1_autocorrelation(values: Sequence[float]) -> float | None:
    """How far each value goes with the one before it, -1 to 1; near 0 they are independent.

    The usual estimate, r1 of Box and Jenkins. None under 3 values and where all are the same.
    """
    array = np.asarray(values, dtype=float)
    deviations = array - array.mean() if len(array) else array
    total = float(deviations @ deviations)
    if len(array) < 3 or total == 0:
        return None
    return float(deviations[:-1] @ deviations[1:]) / total


def log_mean(ratios: Sequence[float]) -> tuple[float, float | None]:
    """The mean of the logarithms of ratios, and its 95 % half-width; None under 3 ratios.

    Raises ValueError without ratios, or for one that isn't positive and finite.
    """
    if not ratios:
        raise ValueError("a mean needs a ratio")
    log_interval(ratios)
    logs = np.log(np.asarray(ratios, dtype=float))
    if len(logs) < MIN_ROUNDS:
        return float(logs.mean()), None
    error = float(logs.std(ddof=1)) / len(logs) ** 0.5
    return float(logs.mean()), float(stdtrit(len(logs) - 1, 0.5 + CONFIDENCE / 2)) * error


def start_variation(blocks: Sequence[Sequence[float]]) -> Variation | None:
    """The spread between starts of a server, from pairs of identical servers side by side.

    `blocks` holds, for each block of fresh processes, the log ratio of the pair in each of their
    paired slices. One-way analysis of variance over blocks, unbiased by the slices' own scatter:
    a ratio has the variance of two starts, hence the half. The bounds are those of Searle for the
    ratio of variance components (Linear Models, 1971, ch. 9), times the variance within.

    Blocks are cut to the same number of slices. None under 2 blocks or 2 slices in each.
    """
    visits = min(map(len, blocks), default=0)
    if len(blocks) < 2 or visits < 2:
        return None
    table: Floats = np.asarray([block[:visits] for block in blocks], dtype=float)
    return _halved(_one_way(table))


def _one_way(table: Floats) -> tuple[float, float, float, float]:
    """Variance between the rows of a table, its lower and upper bound, and within them."""
    groups, visits = table.shape
    between_squares = visits * float(table.mean(axis=1).var(ddof=1))
    within = float(table.var(axis=1, ddof=1).mean())
    degrees = (groups - 1, groups * (visits - 1))
    tail = (1 - CONFIDENCE) / 2
    lower, upper = (
        between_squares / float(fdtri(*degrees, quantile)) - within for quantile in (1 - tail, tail)
    )
    return (between_squares - within) / visits, lower / visits, upper / visits, within


def _halved(variances: tuple[float, float, float, float]) -> Variation:
    """A pair's variances as one server's standard deviations; what is below 0 is 0."""
    return Variation(*((max(variance, 0.0) / 2) ** 0.5 for variance in variances))


def length_effects(
    rates_rps: Mapping[float, Sequence[tuple[float, float]]], tolerance: float = LENGTH_TOLERANCE
) -> tuple[LengthEffect, ...]:
    """What slices of each length make of the throughput ratio of two servers, shortest first.

    `rates_rps` holds by length in seconds the throughput of either server in each segment of time;
    all lengths had their slices in each segment, so what moves a segment moves them all.

    The ratio is that of the totals over all segments, its bounds are the delete-one jackknife's
    (Tukey, Ann. Math. Stat. 1958). The mean of the segments' logarithms would do here what it
    must not: a segment has one slice of the longest and several of the shortest, and the
    logarithm of a noisy mean is too low by half its variance, which servers don't share.

    Raises ValueError without lengths or where they differ in segments.
    """
    if not rates_rps or len(set(map(len, rates_rps.values()))) != 1:
        raise ValueError("every length of a slice needs its rates in every segment")
    logs = {length_s: _jackknife(pairs) for length_s, pairs in rates_rps.items()}
    longest = logs[max(logs)]
    effects = []
    for length_s in sorted(logs):
        ratio = _jackknife_interval(logs[length_s])
        change = _jackknife_interval(logs[length_s] - longest)
        effects.append(
            LengthEffect(
                slice_s=length_s,
                ratio=_value(ratio),
                ratio_lower=ratio.lower,
                ratio_upper=ratio.upper,
                change=_value(change),
                change_lower=change.lower,
                change_upper=change.upper,
                verdict=_verdict(change, tolerance),
            )
        )
    return tuple(effects)


def shortest_length_s(effects: Sequence[LengthEffect]) -> float:
    """The shortest length that is not `different` from the longest, nor is any between them.

    What is `undecided` passes: to refuse it would make slices the longer the noisier a machine
    is, and long slices are what noise harms. Raises ValueError without lengths.
    """
    if not effects:
        raise ValueError("there is no length to choose from")
    by_length = sorted(effects, key=lambda effect: effect.slice_s, reverse=True)
    chosen = by_length[0].slice_s
    for effect in by_length:
        if effect.verdict == "different":
            break
        chosen = effect.slice_s
    return chosen


def _jackknife(pairs: Sequence[tuple[float, float]]) -> Floats:
    """The logarithm of the ratio of totals: of all segments, then of all but each."""
    table: Floats = np.asarray(pairs, dtype=float)
    totals = np.vstack([table.sum(axis=0), table.sum(axis=0) - table])
    ours, theirs = totals.T
    logs: Floats = np.log(ours / theirs)
    return logs


def _jackknife_interval(logs: Floats) -> Interval:
    """The 95 % interval of a ratio from what `_jackknife` gives, or of the ratio of two."""
    whole, left_out = float(logs[0]), logs[1:]
    segments = len(left_out)
    if segments < MIN_ROUNDS:
        return Interval(exp(whole))
    squares = float(((left_out - left_out.mean()) ** 2).sum())
    error = ((segments - 1) / segments * squares) ** 0.5
    margin = float(stdtrit(segments - 1, 0.5 + CONFIDENCE / 2)) * error
    return Interval(exp(whole), exp(whole - margin), exp(whole + margin))


def _verdict(change: Interval, tolerance: float) -> LengthVerdict:
    """Where the interval of a change lies against 1 and the tolerance around it."""
    limit = log(1 + tolerance)
    if change.lower is None or change.upper is None:
        return "undecided"
    lower, upper = log(change.lower), log(change.upper)
    if lower >= -limit and upper <= limit:
        return "same"
    return "different" if lower > limit or upper < -limit else "undecided"


def _value(interval: Interval) -> float:
    assert interval.value is not None
    return interval.value
