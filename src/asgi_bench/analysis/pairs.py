"""All pairs of some cells on one metric: paired t tests on log ratios, Holm's adjustment.

Cells are columns of a table with a row for each round, so that a group of 200 cells (20,000
pairs) takes a fraction of a second. A pair's rounds are those that both have.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import CONFIDENCE, MIN_ROUNDS, looks_factor

# Of the rounds at either end, in the sensitivity analysis (Yuen, Biometrika 61, 1974).
TRIMMED_SHARE = 0.2

Floats = npt.NDArray[np.float64]


class Pair(NamedTuple):
    """The columns a and b: a relative to b in each of their rounds, and what follows from that.

    `p` is two-sided and not adjusted, 1 with fewer than 3 rounds. `trimmed` is the trimmed mean.
    """

    a: int
    b: int
    round_ratios: tuple[float, ...]
    ratio: Interval
    trimmed: Interval
    p: float


class _Test(NamedTuple):
    """Means of some pairs' log ratios, half-widths of their 95 % intervals, and p."""

    mean: Floats
    half_width: Floats
    p: Floats


def pairs(logs: Floats, *, looked: bool = False) -> list[Pair]:
    """Every pair of columns that have a round in common, in the order of the columns.

    `logs` are natural logarithms of a positive metric, rounds by cells, nan if a round has no
    usable trial. `looked` as in `log_interval`.
    """
    first, second = np.triu_indices(logs.shape[1], k=1)
    ratios = (logs[:, first] - logs[:, second]).T
    counts = np.isfinite(ratios).sum(axis=1)
    found: dict[int, Pair] = {}
    for rounds in np.unique(counts[counts > 0]):
        places = np.flatnonzero(counts == rounds)
        of_pair = ratios[places]
        of_pair = of_pair[np.isfinite(of_pair)].reshape(len(places), rounds)
        plain, trimmed = (_t_test(of_pair, cut, looked) for cut in (0, _cut(int(rounds))))
        shown = zip(_intervals(plain), _intervals(trimmed), strict=True)
        for row, (place, (ratio, robust)) in enumerate(zip(places, shown, strict=True)):
            found[int(place)] = Pair(
                a=int(first[place]),
                b=int(second[place]),
                round_ratios=tuple(np.exp(of_pair[row]).tolist()),
                ratio=ratio,
                trimmed=robust,
                p=float(plain.p[row]),
            )
    return [found[place] for place in sorted(found)]


def holm(p_values: Sequence[float]) -> list[float]:
    """The values adjusted for their number (Holm, 1979), in the order given; at most 1.

    If everything below 0.05 is called different, at most 5 % of such families have an error.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(steps)
    return [float(value) for value in adjusted]


def _cut(rounds: int) -> int:
    """How many rounds are trimmed at either end."""
    return int(TRIMMED_SHARE * rounds + 1e-9)


def _t_test(ratios: Floats, cut: int, looked: bool) -> _Test:
    """Student's t on each row's mean; with a cut the trimmed mean's (Yuen, winsorized variance)."""
    ordered = np.sort(ratios, axis=1)
    rounds = ordered.shape[1]
    kept = ordered[:, cut : rounds - cut]
    mean = kept.mean(axis=1)
    if rounds < MIN_ROUNDS:
        nothing = np.full(len(mean), np.nan)
        return _Test(mean, nothing, np.ones(len(mean)))
    degrees = kept.shape[1] - 1
    winsorized = ordered.clip(kept[:, :1], kept[:, -1:])
    squares = winsorized.var(axis=1, ddof=1) * (rounds - 1)
    error = (squares / (kept.shape[1] * degrees)) ** 0.5
    if looked:
        error = error * looks_factor(degrees)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Rounds that agree to the last digit are a certainty, unless they agree on 1.
        t = np.where(mean == 0, 0.0, np.abs(mean) / error)
    width = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2)) * error
    return _Test(mean, width, 2 * stdtr(degrees, -t))


def _intervals(test: _Test) -> Iterator[Interval]:
    """The means and bounds as ratios."""
    for mean, width in zip(test.mean.tolist(), test.half_width.tolist(), strict=True):
        value, lower, upper = np.exp((mean, mean - width, mean + width)).tolist()
        if np.isnan(width):
            yield Interval(value=value)
        else:
            yield Interval(value=value, lower=lower, upper=upper)
