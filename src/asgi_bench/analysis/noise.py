"""How noisy is this machine: pure functions on the throughput of slices.

Throughput varies by factors, so spreads are of its natural logarithm: 0.03 is about 3 %.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import fdtri, stdtrit

from asgi_bench.analysis.intervals import CONFIDENCE, MIN_ROUNDS, log_interval
from asgi_bench.calibration import Variation

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
