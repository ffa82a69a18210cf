"""Where the level of a series changed permanently: steps and drifts among noise and spikes.

Values are logarithms of ratios, one per run. In order:

1. Up to two neighbouring values that stand out are spikes and count as their surroundings: a level
   has at least 3 values (what a running median of 5 preserves).
2. ruptures finds the segments of least squares (PELT with a linear kernel, Celisse et al. 2018)
   at a penalty that proposes too many rather than too few.
3. The least certain proposal is dropped until every remaining one is significant: Student's t of
   the two neighbouring segments, at a level that makes up for having searched the best place.
4. Changes in one direction that a straight line fits better than their levels are one drift.

The level was found by simulation (scripts/bench-history --false-alarms): of 1,000 series of 6 to
3,000 independent normal values without a change, one has a change found in it. The level falls with
the length: the longer a series, the more short stretches can seem to differ.
"""

from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from asgi_bench.model import Segmentation, Step

Floats: TypeAlias = npt.NDArray[np.float64]

# A level that was seen in fewer runs may be an accident of one or two of them.
MIN_SEGMENT = 3
MIN_SERIES = 2 * MIN_SEGMENT
# PELT takes quadratic time without changes: 3,000 values 25 ms, 10,000 values 0.3 s.
LONGEST_SERIES = 3000
# In standard deviations from the running median of 5: 1 in 500 normal values lies further. From a
# few values the deviation is hardly known, hence the limit is wider by SHORT / length there.
SPIKE_LIMIT = 3.5
SHORT = 12
# Half of BIC's: proposals that are not significant are dropped anyway.
PENALTY = 1.0
# The median of |a - b| of two normal values with standard deviation 1.
MEDIAN_DIFFERENCE = 0.6745 * 2**0.5
ROUNDED_DIGITS = 12
FALSE_ALARMS = 0.001
CONFIDENCE = 0.95
# Raised when the same values have other changes found in them than before.
SEARCH_VERSION = 1


def find_changes(values: Sequence[float]) -> Segmentation:
    """The changes of level in a series; none with fewer than 6 values.

    Only the last 3,000 values are searched; indices count from the first of all.
    """
    before = max(len(values) - LONGEST_SERIES, 0)
    series = np.asarray(values[before:], dtype=float)
    if len(series) < MIN_SERIES:
        return Segmentation((), ())
    # Where nothing varies, rounding must not be taken for something that does.
    series = np.round(series - np.median(series), ROUNDED_DIGITS)
    noise = _noise(series)
    calm, spikes = _without_spikes(series, noise)
    bounds = _significant(calm, _proposals(calm, noise))
    steps = [step for run in _one_way(calm, bounds) for step in _steps(calm, run)]
    return Segmentation(
        tuple(_shifted(step, before) for step in steps),
        tuple(int(place) + before for place in spikes),
    )


def search_rules() -> str:
    """What `find_changes` depends on: other rules may find other changes in the same values."""
    return f"{SEARCH_VERSION}, ruptures {version('ruptures')}"


def level_for(length: int) -> float:
    """The p value that a change in a series of this length must be below."""
    return FALSE_ALARMS / (length * (1 + length / 200))


def _noise(series: Floats) -> float:
    """The standard deviation from value to value, which neither steps nor spikes move much."""
    return float(np.median(np.abs(np.diff(series)))) / MEDIAN_DIFFERENCE


def _without_spikes(series: Floats, noise: float) -> tuple[Floats, npt.NDArray[np.intp]]:
    """The series with spikes put where their surroundings are, and their places."""
    around = _running_median(series)
    is_spike = np.abs(series - around) > SPIKE_LIMIT * (1 + SHORT / len(series)) * noise
    return np.where(is_spike, around, series), np.flatnonzero(is_spike)


def _running_median(series: Floats) -> Floats:
    """The median of 5 values around each; at the ends that of the first or last 5."""
    windows = np.lib.stride_tricks.sliding_window_view(series, 5)
    medians: Floats = np.median(windows, axis=1)
    return np.concatenate([[medians[0]] * 2, medians, [medians[-1]] * 2])


def _proposals(series: Floats, noise: float) -> list[int]:
    """The bounds of the segments of least squares, 0 and the length among them."""
    # A second to import (scipy.stats), which only what searches should pay for.
    import ruptures

    search = ruptures.KernelCPD(kernel="linear", min_size=MIN_SEGMENT).fit(series[:, np.newaxis])
    penalty = max(PENALTY * np.log(len(series)) * noise**2, 10.0 ** (-2 * ROUNDED_DIGITS + 2))
    return [0, *map(int, search.predict(pen=penalty))]


def _significant(series: Floats, bounds: list[int]) -> list[int]:
    """The bounds that are left when each is a significant change."""
    level = level_for(len(series))
    bounds = list(bounds)
    while len(bounds) > 2:
        p_values = _p_values(series, bounds)
        worst = int(np.argmax(p_values))
        if p_values[worst] < level:
            break
        del bounds[worst + 1]
    return bounds


def _triples(bounds: Sequence[int]) -> list[tuple[int, int, int]]:
    """Each inner bound between its neighbours."""
    return list(zip(bounds, bounds[1:], bounds[2:], strict=False))


def _compared(series: Floats, start: int, place: int, end: int) -> tuple[float, float, int]:
    """The difference of two segments' means, its standard error, the degrees of freedom."""
    before, after = series[start:place], series[place:end]
    degrees = end - start - 2
    squares = float(before.var() * len(before) + after.var() * len(after))
    error = (squares / degrees * (1 / len(before) + 1 / len(after))) ** 0.5
    return float(after.mean() - before.mean()), error, degrees


def _p_values(series: Floats, bounds: Sequence[int]) -> list[float]:
    """Two-sided, for each inner bound, of the hypothesis that both its segments have one mean.

    The noise is that of both segments, or that about all levels of the series where that is more:
    of two short segments the least noisy pair was sought out.
    """
    levels = np.concatenate(
        [np.full(end - start, series[start:end].mean()) for start, end in pairwise(bounds)]
    )
    degrees = len(series) - len(bounds) + 1
    overall = float(((series - levels) ** 2).sum()) / degrees
    found = []
    for start, place, end in _triples(bounds):
        change, error, own_degrees = _compared(series, start, place, end)
        error_overall = (overall * (1 / (place - start) + 1 / (end - place))) ** 0.5
        found.append(max(_p(change, error, own_degrees), _p(change, error_overall, degrees)))
    return found


def _p(change: float, error: float, degrees: int) -> float:
    """Student's, two-sided."""
    if error == 0:
        return 0.0 if change else 1.0
    return 2 * float(stdtr(degrees, -abs(change) / error))


def _one_way(series: Floats, bounds: Sequence[int]) -> list[list[int]]:
    """The bounds parted where the direction of the change turns; each part shares its ends."""
    means = [series[start:end].mean() for start, end in pairwise(bounds)]
    rises = [after > before for before, after in pairwise(means)]
    runs: list[list[int]] = []
    for number, rise in enumerate(rises):
        if number == 0 or rise != rises[number - 1]:
            runs.append([bounds[number], bounds[number + 1]])
        runs[-1].append(bounds[number + 2])
    return runs


def _steps(series: Floats, bounds: Sequence[int]) -> list[Step]:
    """The changes at inner bounds of one direction; the longest stretch that drifts is one."""
    inner = len(bounds) - 2
    for count in range(inner, 0, -1):
        for first in range(inner - count + 1):
            stretch = bounds[first : first + count + 2]
            if _is_drift(series, stretch):
                return [
                    *_steps(series, bounds[: first + 2]),
                    _drift(series, stretch[0], stretch[-1] - 1),
                    *_steps(series, bounds[first + count :]),
                ]
    return [_step(series, *each) for each in _triples(bounds)]


def _step(series: Floats, start: int, place: int, end: int) -> Step:
    """The step between two segments."""
    change, error, degrees = _compared(series, start, place, end)
    margin = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2)) * error
    first, last = _plausible(series, start, place, end)
    return Step("step", place, first, last, change, change - margin, change + margin)


def _squares_by_place(part: Floats) -> Floats:
    """The squares about both means for a step before each place from 3 values on either side."""
    places = np.arange(MIN_SEGMENT, len(part) - MIN_SEGMENT + 1)
    centred = part - part.mean()
    sums = np.cumsum(centred)[places - 1]
    explained = sums**2 * len(part) / (places * (len(part) - places))
    squares: Floats = float((centred**2).sum()) - explained
    return np.maximum(squares, 0.0)


def _plausible(series: Floats, start: int, place: int, end: int) -> tuple[int, int]:
    """Where a step may as well be: within the 95 % of the likelihood about its best place."""
    squares = _squares_by_place(series[start:end])
    best = float(squares.min())
    scale = max(best / max(end - start - 2, 1), 1e-300)
    # Half of chi-squared's 95 % quantile, times 2: a change of the log likelihood by 1.92.
    places = np.flatnonzero(squares - best <= 3.84 * scale) + MIN_SEGMENT + start
    return min(int(places[0]), place), max(int(places[-1]), place)


def _is_drift(series: Floats, bounds: Sequence[int]) -> bool:
    """Whether a straight line is nearer to the values than their levels are."""
    part = series[bounds[0] : bounds[-1]]
    times = np.arange(len(part), dtype=float)
    centred, deviations = times - times.mean(), part - part.mean()
    slope = float(centred @ deviations) / float(centred @ centred)
    line = float(((deviations - slope * centred) ** 2).sum())
    levels = sum(float(series[start:end].var()) * (end - start) for start, end in pairwise(bounds))
    return line < levels


def _drift(series: Floats, first: int, last: int) -> Step:
    """A straight line's change from the first value to the last, with its bounds."""
    part = series[first : last + 1]
    times = np.arange(len(part), dtype=float)
    centred, deviations = times - times.mean(), part - part.mean()
    spread = float(centred @ centred)
    slope = float(centred @ deviations) / spread
    residual = float(((deviations - slope * centred) ** 2).sum())
    degrees = len(part) - 2
    margin = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2)) * (residual / degrees / spread) ** 0.5
    length = len(part) - 1
    middle = (first + last + 1) // 2
    lower, upper = (slope - margin) * length, (slope + margin) * length
    return Step("drift", middle, first, last, slope * length, lower, upper)


def _shifted(step: Step, by: int) -> Step:
    """A step counted from another first value."""
    return msgspec.structs.replace(
        step, place=step.place + by, first=step.first + by, last=step.last + by
    )
