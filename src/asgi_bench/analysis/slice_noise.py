"""How noisy the slices of this machine are and how short they may be, from their throughput.

Throughput varies by factors, so spreads are of its natural logarithm: 0.03 is about 3 %.

A slice begins cold: other servers' data are in the caches, and the server was asleep. On a shared
host (28 November 2026) uvicorn's CPU time per request was 7 % higher in slices of 20 ms than of
100 ms, and granian's 6 %; within slices of 400 ms their rates were steady, to 2 %, from 10 ms on.
So a slice of any length loses about the same time, and the logarithm of a rate falls in a straight
line over 1 / length. Along that line every length informs all others: the loss of 500 ms is a
twenty-fifth of that of 20 ms. Anything but a line would show in the ratios, which are reported as
they are.
"""

from collections.abc import Mapping, Sequence
from math import exp, log

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri, stdtrit

from asgi_bench.analysis.intervals import CONFIDENCE, MIN_ROUNDS, log_interval
from asgi_bench.model.calibration import LengthEffect, LengthVerdict, SliceLoss, Variation

# Two lengths of a slice that give ratios within 1 % of each other are as good as each other.
LENGTH_TOLERANCE = 0.01

Floats = npt.NDArray[np.float64]
# The rates of either server in each segment of time.
Pairs = Sequence[tuple[float, float]]
# A value, its lower and its upper bound; no bounds under three segments.
Bounded = tuple[float, float | None, float | None]


def coefficient_of_variation(values: Sequence[float]) -> float:
    """The standard deviation over the mean. Raises ValueError under 2 values or for a mean of 0."""
    array = np.asarray(values, dtype=float)
    if len(array) < 2 or array.mean() == 0:
        raise ValueError("a coefficient of variation needs two values and a mean other than 0")
    return float(array.std(ddof=1) / array.mean())


def lag1_autocorrelation(values: Sequence[float]) -> float | None:
    """How closely each value follows the one before it, -1 to 1; near 0 they are independent.

    The usual estimate, r1 of Box and Jenkins. None with fewer than 3 values or if all are the same.
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

    `blocks` has, for each block of fresh processes, the log ratio of the pair in each of their
    paired slices. One-way analysis of variance over blocks, unbiased by the slices' own scatter:
    a ratio has the variance of two starts, hence the half. The bounds are those of Searle for the
    ratio of variance components (Linear Models, 1971, ch. 9), times the variance within.

    Blocks are cut to the same number of slices. None with fewer than 2 blocks or 2 slices in each.
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
    rates_rps: Mapping[float, Pairs],
    slices: Mapping[float, int],
    tolerance: float = LENGTH_TOLERANCE,
) -> tuple[LengthEffect, ...]:
    """The throughput ratio of two servers from slices of each length, shortest first.

    `rates_rps` has, by length in seconds, the throughput of either server in each segment of time;
    all lengths had their slices in each segment, so what moves a segment moves them all. `slices`
    says how many each had: neighbouring slices differ equally whatever their length, so that is
    the weight of a length's rate.

    A ratio is that of the totals over all segments. The mean of the segments' logarithms would be
    biased: a segment has one slice of the longest length and several of the shortest, and the
    logarithm of a noisy mean is too low by half its variance, which differs between servers. The
    change is the line's, relative to a slice without end. All bounds are the delete-one jackknife's
    over segments (Tukey, Ann. Math. Stat. 1958).

    Raises ValueError with fewer than two lengths, or if they differ in segments.
    """
    logs = {
        length_s: _log_totals([ours for ours, _ in pairs])
        - _log_totals([theirs for _, theirs in pairs])
        for length_s, pairs in _checked(rates_rps).items()
    }
    slope = _slope(logs, slices)
    effects = []
    for length_s in sorted(logs):
        change = _bounded(slope / length_s)
        effects.append(
            LengthEffect(
                length_s,
                *_exponential(_bounded(logs[length_s])),
                *_exponential(change),
                verdict=_verdict(change, tolerance),
            )
        )
    return tuple(effects)


def slice_losses(
    servers: tuple[str, str], rates_rps: Mapping[float, Pairs], slices: Mapping[float, int]
) -> tuple[SliceLoss, ...]:
    """The time that each slice loses of either server, whatever its length.

    Takes and raises the same as `length_effects`.
    """
    losses = []
    for side, server in enumerate(servers):
        logs = {
            length_s: _log_totals([pair[side] for pair in pairs])
            for length_s, pairs in _checked(rates_rps).items()
        }
        losses.append(SliceLoss(server, *_bounded(-_slope(logs, slices))))
    return tuple(losses)


def shortest_length_s(effects: Sequence[LengthEffect], default_s: float) -> float:
    """The shortest length to use: below the default, one that is shown to be the `same`.

    From the default on it is one that isn't shown to be `different`: refusing what is undecided
    would make slices longer the noisier a machine is, and noise harms long slices. A length doesn't
    count if a longer one is refused. Raises ValueError without lengths.
    """
    if not effects:
        raise ValueError("there is no length to choose from")
    by_length = sorted(effects, key=lambda effect: effect.slice_s, reverse=True)
    chosen_s = by_length[0].slice_s
    for effect in by_length:
        allowed = ("same", "undecided") if effect.slice_s >= default_s else ("same",)
        if effect.verdict not in allowed:
            break
        chosen_s = effect.slice_s
    return chosen_s


def _checked(rates_rps: Mapping[float, Pairs]) -> Mapping[float, Pairs]:
    if len(rates_rps) < 2 or len(set(map(len, rates_rps.values()))) != 1:
        raise ValueError("it takes two lengths of a slice, each with its rates in every segment")
    return rates_rps


def _log_totals(rates_rps: Sequence[float]) -> Floats:
    """The logarithm of the total: of all segments, then of all but each."""
    array: Floats = np.asarray(rates_rps, dtype=float)
    logs: Floats = np.log(np.concatenate([[array.sum()], array.sum() - array]))
    return logs


def _slope(logs: Mapping[float, Floats], slices: Mapping[float, int]) -> Floats:
    """That of the line of least squares through the logarithms over 1 / length, in seconds."""
    lengths_s = sorted(logs)
    weights = np.array([slices[length_s] for length_s in lengths_s], dtype=float)
    places = 1 / np.array(lengths_s)
    centred = places - np.average(places, weights=weights)
    table = np.stack([logs[length_s] for length_s in lengths_s])
    slope: Floats = (weights * centred) @ table / float(weights @ centred**2)
    return slope


def _bounded(estimates: Floats) -> Bounded:
    """The estimate from all segments with its 95 % bounds, from those without each."""
    whole, left_out = float(estimates[0]), estimates[1:]
    segments = len(left_out)
    if segments < MIN_ROUNDS:
        return whole, None, None
    squares = float(((left_out - left_out.mean()) ** 2).sum())
    error = ((segments - 1) / segments * squares) ** 0.5
    margin = float(stdtrit(segments - 1, 0.5 + CONFIDENCE / 2)) * error
    return whole, whole - margin, whole + margin


def _exponential(bounded: Bounded) -> Bounded:
    value, lower, upper = bounded
    if lower is None or upper is None:
        return exp(value), None, None
    return exp(value), exp(lower), exp(upper)


def _verdict(change: Bounded, tolerance: float) -> LengthVerdict:
    """Where the interval of a change (a logarithm) lies against 0 and the tolerance around it."""
    limit = log(1 + tolerance)
    _, lower, upper = change
    if lower is None or upper is None:
        return "undecided"
    if lower >= -limit and upper <= limit:
        return "same"
    return "different" if lower > limit or upper < -limit else "undecided"
