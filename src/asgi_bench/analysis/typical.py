"""The typical slice of each cell in a block: a joint model of all slices of all its cells.

The cells of a block take turns, and all slices of the k-th turn meet the same machine. So a slice's
rate is, on logarithms, that of its cell, plus the state of the machine in that turn, plus what
happened to that slice alone. On a shared host the last has a long tail: if the host takes a virtual
CPU away for some milliseconds, that is a fifth of a slice of 20 ms. Cells and turns are therefore
fitted alternately by trimmed means (Tukey's median polish, Exploratory Data Analysis 1977, with
interquartile means). Over rounds, ratios then scatter about half as much as those of totals
(METHODOLOGY.md).

This also excludes what a server itself does now and then, such as a collection or a write to disk.
So if a cell's totals fall short of its typical slices by certainly more than the other cells' do,
its additional stalls are counted.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from asgi_bench.model import Trial
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import METRICS

Floats = npt.NDArray[np.float64]

# At either end; of fewer turns than four nothing could be.
TRIMMED = 0.25
FEWEST_TURNS = 4
# The fit moves by less than a thousandth of the scatter after five.
PASSES = 8
# A cell stalls more than its neighbours if that is surely so, in as many rounds as a claim needs,
# and it is worth speaking of.
FEWEST_ROUNDS = 6
SIGNIFICANCE = 0.01
LEAST_STALL = 0.01


class Place(NamedTuple):
    """Which trial of a run, and which metric of it."""

    metric: str
    cell: str
    round: int
    block: int


class Typical(NamedTuple):
    """The typical slices of a run."""

    figures: Mapping[Place, float] = {}
    """Of each trial that was measured so, with what its cell stalls more than its neighbours."""
    stalls: Mapping[tuple[str, int, str], float] = {}
    """By cell, block and metric: by how much all slices together differ from the typical ones, a
    logarithm, if that is certainly more than for its neighbours."""


class _Fitted(NamedTuple):
    """Of the cells of one block, on logarithms: the typical slices, and all slices together."""

    cells: tuple[str, ...]
    typical: Floats
    totals: Floats

    @property
    def stalls(self) -> Floats:
        """By how much each cell's totals differ from its typical slices, beside its neighbours'."""
        gaps = self.totals - self.typical
        stalls: Floats = gaps - np.median(gaps)
        return stalls


def typical_slices(trials: Iterable[Trial]) -> Typical:
    """The metrics of each trial in its typical slices, if its block was measured that way.

    A block with a single cell has nothing to be compared with, and older runs, in which cells took
    turns by the length of their slices, have none.
    """
    blocks: dict[tuple[int, int], list[Trial]] = {}
    for trial in trials:
        if trial.outcome == "ok" and trial.lead_in_s is not None:
            blocks.setdefault((trial.round, trial.block), []).append(trial)
    groups = {place: list(_in_turns(of)) for place, of in blocks.items()}
    figures: dict[Place, float] = {}
    stalls: dict[tuple[str, int, str], float] = {}
    for metric in METRICS:
        if metric.of_slice is not None and metric.of_trial is not None:
            fits: dict[int, list[tuple[int, _Fitted]]] = {}
            for (round, block), of in groups.items():
                found = filter(None, (_fit(members, turns, metric) for turns, members in of))
                fits.setdefault(block, []).extend((round, fit) for fit in found)
            for block, of_block in fits.items():
                stalling = _stalling([fit for _, fit in of_block])
                stalls |= {(cell, block, metric.name): mean for cell, mean in stalling.items()}
                for round, fit in of_block:
                    figures |= _placed(fit, metric, round, block, stalling.keys())
    return Typical(figures, stalls)


def _in_turns(trials: Sequence[Trial]) -> Iterator[tuple[int, list[Trial]]]:
    """The number of turns of those cells of a block that took turns, and their trials.

    Those of one load do, and of two that came by equally often as well.
    """
    loads: dict[str, list[Trial]] = {}
    for trial in trials:
        loads.setdefault(trial.cell.rpartition("/")[2], []).append(trial)
    groups: dict[int, list[Trial]] = {}
    for members in loads.values():
        counts = [len(trial.slices) for trial in members]
        groups.setdefault(max(counts, key=counts.count), []).extend(members)
    yield from groups.items()


def fitted(table: Floats) -> Floats:
    """The value of each row of a table of logarithms, cells by turns, without the turns' effects.

    Turns are such that the middle half of them averages 0.
    """
    cells = _middle(table)
    for _ in range(PASSES):
        turns = _middle((table - cells[:, np.newaxis]).T)
        cells = _middle(table - (turns - _middle(turns)))
    return cells


def _middle(table: Floats) -> Floats:
    """The interquartile mean of each row, or of one."""
    count = table.shape[-1]
    cut = int(count * TRIMMED)
    means: Floats = np.sort(table, axis=-1)[..., cut : count - cut].mean(axis=-1)
    return means


def _fit(trials: Sequence[Trial], turns: int, metric: Metric) -> _Fitted | None:
    """Fit those cells that came by in each of so many turns; None under two, or for few turns.

    The reference may come by several times a turn, and each time is a row of the fit. A cell that
    ended early, or had slices for its wrong answers, is out of step.
    """
    assert metric.of_slice is not None
    assert metric.of_trial is not None
    if turns < FEWEST_TURNS:
        return None
    rows: list[list[float | None]] = []
    cells: list[int] = []
    totals: dict[str, float] = {}
    for trial in trials:
        of_slices = [metric.of_slice(piece) for piece in trial.slices]
        total = metric.of_trial(trial)
        times, over = divmod(len(of_slices), turns)
        if times and not over and all(of_slices) and total:
            rows += [of_slices[first::times] for first in range(times)]
            cells += [len(totals)] * times
            totals[trial.cell] = total
    if len(totals) < 2:
        return None
    by_row = fitted(np.log(np.array(rows, dtype=float)))
    typical = np.bincount(cells, by_row) / np.bincount(cells)
    return _Fitted(tuple(totals), typical, np.log(np.array(list(totals.values()))))


def _stalling(fits: Iterable[_Fitted]) -> dict[str, float]:
    """By how much those cells of a block stall that do so more than their neighbours, surely."""
    stalls: dict[str, list[float]] = {}
    for fit in fits:
        for cell, stall in zip(fit.cells, fit.stalls.tolist(), strict=True):
            stalls.setdefault(cell, []).append(stall)
    return {
        cell: float(np.mean(of_rounds))
        for cell, of_rounds in stalls.items()
        if _is_sure(of_rounds, len(stalls))
    }


def _is_sure(stalls: Sequence[float], tests: int) -> bool:
    """Whether a cell stalls more or less than others: a t test, adjusted for their number."""
    rounds = len(stalls)
    mean = float(np.mean(stalls))
    if rounds < FEWEST_ROUNDS or abs(mean) < LEAST_STALL:
        return False
    error = float(np.std(stalls, ddof=1)) / rounds**0.5
    return error == 0 or 2 * tests * float(stdtr(rounds - 1, -abs(mean) / error)) < SIGNIFICANCE


def _placed(
    fit: _Fitted, metric: Metric, round: int, block: int, stalling: Container[str]
) -> Iterator[tuple[Place, float]]:
    """The figures of a block's cells, of those that stall with what they stall more."""
    stalls = np.where([cell in stalling for cell in fit.cells], fit.stalls, 0.0)
    for cell, figure in zip(fit.cells, np.exp(fit.typical + stalls).tolist(), strict=True):
        yield Place(metric.name, cell, round, block), figure
