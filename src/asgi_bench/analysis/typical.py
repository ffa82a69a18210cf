"""The typical slice of each cell in a block: a joint model of all slices of all its cells.

The cells of a block take turns, and all slices of the k-th turn meet the same machine. So a slice's
rate is, on logarithms, that of its cell, plus the state of the machine in that turn, plus what
happened to that slice alone. On a shared host the last has a long tail: if the host takes a virtual
CPU away for some milliseconds, that is a fifth of a slice of 20 ms. Cells and turns are therefore
fitted alternately by trimmed means (after Tukey's median polish, Exploratory Data Analysis 1977).
Over rounds, ratios then scatter about half as much as those of totals (METHODOLOGY.md).

The tail has one side: a host slows slices down, and makes none faster. Which share of a block's
slices it slowed shows in how lopsided they are, without the turns' effects and all cells together:
6 to 11 % on a shared host. That many are cut off first, and the trimmed mean is that of the rest.
Over the rounds of eight runs, ratios then scattered less by a twentieth. The share is the block's,
not the cell's, so a server that is itself unsteady gains nothing by it.

A slice in which something else used the CPU of the load generator or of the server is left out. A
generator that waits can't keep a fast server busy, while a slow server hardly notices. When another
program took that CPU in two of eleven rounds, granian came out at 0.90 of uvicorn instead of 0.84,
and hypercorn at 0.18 instead of 0.156. And a server that shares its CPU with another program has
slices of half its speed, so many that they are no tail that could be cut off. Beside a program that
wants each CPU half of the time, a quarter of the slices was left, and of these every server had the
rate of a calm hour to 2 %. What is left out depends on who had the CPUs, not on how fast the server
was.

This also excludes what a server itself does now and then, such as a collection or a write to disk.
So if a cell's totals fall short of its typical slices by certainly more than the other cells' do,
its additional stalls are counted. Both are of whole slices there, ramp and drain included. They
show that daphne's collections of garbage, 30 ms in about every tenth slice, cost 7 %, give or take
2 to 3 % from round to round, as its CPU time does. Steady parts would show 11 %, and 5 to 7 %.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from math import exp
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from asgi_bench.model import Slice, Trial
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import METRICS

Floats = npt.NDArray[np.float64]

# At either end, of what the machine did not slow; of fewer turns than four nothing could be.
TRIMMED = 0.2
FEWEST_TURNS = 4
# Which share of slices the machine slowed is found in these steps, up to half of them: what is left
# has its outer quantiles equally far from its median.
SLOWED_SHARES = np.arange(0.0, 0.51, 0.01)
EVEN_QUANTILES = (0.1, 0.5, 0.9)
# The fit moves by less than a thousandth of the scatter after five.
PASSES = 8
# The load generator has a CPU of its own and waits for it in less than a hundredth of a slice, and
# so does a server. If processes have to share one by plan, they wait in all slices of a cell alike:
# the lower quartile of a cell's waits is not a disturbance.
MOST_TAKEN = 0.1
USUAL_WAIT = 0.25
# A cell that keeps fewer slices in a round has no figure in that round.
FEWEST_KEPT = 3
# A cell stalls more than its neighbours if that is surely so, in as many rounds as a claim needs,
# and it is worth speaking of.
FEWEST_ROUNDS = 6
SIGNIFICANCE = 0.01
OWN_SIGNIFICANCE = 0.05
LEAST_STALL = 0.01


class Place(NamedTuple):
    """Which trial of a run, and which metric of it."""

    metric: str
    cell: str
    round: int
    block: int


class Typical(NamedTuple):
    """The typical slices of a run."""

    figures: Mapping[Place, float | None] = {}
    """Of each trial that was measured so, with what its cell stalls more than its neighbours. None
    for a round in which something else had the CPUs in almost all of its slices."""
    stalls: Mapping[tuple[str, int, str], float] = {}
    """By cell, block and metric: by how much all slices together differ from the typical ones, a
    logarithm, if that is certainly more than for its neighbours."""
    left_out: float | None = None
    """The share of slices that are left out because something else used the CPUs."""


class Cut(NamedTuple):
    """The shares of values that a trimmed mean leaves out."""

    lowest: float
    highest: float


EVEN = Cut(TRIMMED, TRIMMED)


class _Group(NamedTuple):
    """Cells of a block that took turns in a round."""

    round: int
    block: int
    loads: frozenset[str]
    turns: int
    trials: Sequence[Trial]
    disturbed: Sequence[Sequence[bool]]
    """For each trial, which slices are left out."""

    @property
    def is_comparable(self) -> bool:
        """Whether there are cells and turns enough for a fit."""
        return self.turns >= FEWEST_TURNS and len(self.trials) > 1

    @property
    def starved(self) -> list[bool]:
        """Of which trials so much is left out that they keep too few slices."""
        return [
            self.is_comparable and any(marks) and len(marks) - sum(marks) < FEWEST_KEPT
            for marks in self.disturbed
        ]

    @property
    def undisturbed(self) -> "_Group":
        """The same with all slices counted."""
        return self._replace(disturbed=[[False] * len(marks) for marks in self.disturbed])

    @property
    def whole(self) -> "_Group":
        """The same with ramp and drain of each slice."""
        return self._replace(trials=[_whole(trial) for trial in self.trials])


class _Table(NamedTuple):
    """The slices of those cells of a group that came by in each turn, on logarithms."""

    round: int
    cells: tuple[str, ...]
    rows: Floats
    """By turn; nan if a slice is left out."""
    cell_of_row: Sequence[int]
    """The reference may come by several times a turn, and each time is a row."""
    totals: Floats
    """All slices together, by cell."""


class _Fitted(NamedTuple):
    """Of the cells of one block, on logarithms: the typical slices, and all slices together."""

    round: int
    cells: tuple[str, ...]
    typical: Floats
    totals: Floats

    @property
    def stalls(self) -> dict[str, float]:
        """By how much each cell's totals differ from its typical slices, beside its neighbours'."""
        gaps = self.totals - self.typical
        return dict(zip(self.cells, (gaps - np.median(gaps)).tolist(), strict=True))


def typical_slices(trials: Iterable[Trial]) -> Typical:
    """The metrics of each trial in its typical slices, if its block was measured that way.

    A block with a single cell has nothing to be compared with, and older runs, in which cells took
    turns by the length of their slices, have none.
    """
    groups = list(_groups([trial for trial in trials if _is_led_in(trial)]))
    alike: dict[tuple[int, frozenset[str]], list[_Group]] = {}
    for group in groups:
        alike.setdefault((group.block, group.loads), []).append(group)
    wholes = {key: [group.whole for group in members] for key, members in alike.items()}
    figures: dict[Place, float | None] = {}
    stalls: dict[tuple[str, int, str], float] = {}
    for metric in METRICS:
        if metric.of_slice is None or metric.of_trial is None:
            continue
        for key, members in alike.items():
            block, _ = key
            whole = _fits(wholes[key], metric)
            stalling = _stalling([fit.stalls for fit in whole], metric)
            stalls |= {(cell, block, metric.name): mean for cell, mean in stalling.items()}
            for fit, of_whole in zip(_fits(members, metric), whole, strict=True):
                figures |= _placed(fit, of_whole, metric, block, stalling.keys())
        figures |= {
            Place(metric.name, trial.cell, group.round, group.block): None
            for group in groups
            for trial in compress(group.trials, group.starved)
        }
    marks = [
        mark
        for group in groups
        if group.is_comparable
        for of_trial in group.disturbed
        for mark in of_trial
    ]
    return Typical(figures, stalls, sum(marks) / len(marks) if marks else None)


def _is_led_in(trial: Trial) -> bool:
    return trial.outcome == "ok" and trial.lead_in_s is not None


def _groups(trials: Sequence[Trial]) -> Iterator[_Group]:
    """The cells that took turns, block by block and round by round.

    If more than half of a block's trials would keep too few slices, nothing is left out of it: its
    findings say what happened.
    """
    usual = _usual_waits(trials)
    blocks: dict[int, dict[int, list[Trial]]] = {}
    for trial in trials:
        blocks.setdefault(trial.block, {}).setdefault(trial.round, []).append(trial)
    for block, rounds in blocks.items():
        groups = [
            _Group(
                round,
                block,
                frozenset(map(_load, members)),
                turns,
                members,
                [_disturbed(one, usual[one.cell]) for one in members],
            )
            for round, of_round in rounds.items()
            for turns, members in _in_turns(of_round)
        ]
        starved = sum(sum(group.starved) for group in groups)
        are_too_many = 2 * starved > sum(len(group.trials) for group in groups)
        yield from (group.undisturbed if are_too_many else group for group in groups)


class _Usual(NamedTuple):
    """How long undisturbed slices of a cell wait for a CPU."""

    of_slice: float
    """The load generator, as a share of the slice."""
    of_cpu: float
    """The server, as a share of the CPU time that it has: its threads wait for each other."""


def _generator_wait(piece: Slice) -> float:
    """How long the load generator waited for a CPU, as a share of the slice."""
    # A server that ends before its first answer leaves a slice without a length.
    return (piece.load_wait_s or 0.0) / piece.duration_s if piece.duration_s else 0.0


def _server_wait_s(piece: Slice) -> float:
    """How long all threads of the server together waited for a CPU."""
    return piece.meters.get("server_wait_s", 0.0)


def _taken_by_others(trial: Trial, piece: Slice, usual: float) -> float:
    """How much of the CPU time that a server wanted in a slice something else had, as a share.

    It wanted what it had, and what it waited for longer than its threads usually wait for each
    other. A server that stalls, asleep or at a disk, waits for no CPU.
    """
    left_s = max(0.0, piece.duration_s * max(1, len(trial.server_cpus)) - piece.server_cpu_s)
    others_s = min(max(0.0, _server_wait_s(piece) - usual * piece.server_cpu_s), left_s)
    wanted_s = max(piece.duration_s, piece.server_cpu_s + others_s)
    return others_s / wanted_s if wanted_s else 0.0


def _usual_waits(trials: Iterable[Trial]) -> dict[str, _Usual]:
    """What undisturbed slices wait, by cell."""
    pieces: dict[str, list[Slice]] = {}
    for trial in trials:
        pieces.setdefault(trial.cell, []).extend(trial.slices)
    return {
        cell: _Usual(
            _lower(_generator_wait(piece) for piece in of_cell),
            _lower(_server_wait_s(p) / p.server_cpu_s for p in of_cell if p.server_cpu_s > 0),
        )
        for cell, of_cell in pieces.items()
    }


def _lower(shares: Iterable[float]) -> float:
    """The lower quartile; 0 of none."""
    told = list(shares)
    return float(np.quantile(told, USUAL_WAIT)) if told else 0.0


def _disturbed(trial: Trial, usual: _Usual) -> list[bool]:
    """In which slices of a trial something else used the CPUs."""
    return [
        _generator_wait(piece) > usual.of_slice + MOST_TAKEN
        or _taken_by_others(trial, piece, usual.of_cpu) > MOST_TAKEN
        for piece in trial.slices
    ]


def _load(trial: Trial) -> str:
    """The last part of its cell's key."""
    return trial.cell.rpartition("/")[2]


def _in_turns(trials: Sequence[Trial]) -> Iterator[tuple[int, list[Trial]]]:
    """The number of turns of those cells of a block that took turns, and their trials.

    Those of one load do, and of two that came by equally often as well.
    """
    loads: dict[str, list[Trial]] = {}
    for trial in trials:
        loads.setdefault(_load(trial), []).append(trial)
    groups: dict[int, list[Trial]] = {}
    for members in loads.values():
        counts = [len(trial.slices) for trial in members]
        groups.setdefault(max(counts, key=counts.count), []).extend(members)
    yield from groups.items()


def _fits(groups: Iterable[_Group], metric: Metric) -> list[_Fitted]:
    """The typical slices of a block, group by group."""
    tables = [table for group in groups if (table := _table(group, metric)) is not None]
    if not tables:
        return []
    cut = _cut(np.concatenate([_scatter(table) for table in tables]), metric)
    return [_fit(table, cut) for table in tables]


def _scatter(table: _Table) -> Floats:
    """By how much the slices of a table differ from their cell and turn, fitted evenly.

    Without the turns, because a slow phase of all cells is theirs: it drops out of the ratios.
    """
    left = table.rows - fitted(table.rows)[:, np.newaxis]
    around: Floats = (left - _middle(left.T, EVEN)).ravel()
    return around[~np.isnan(around)]


def _cut(scatter: Floats, metric: Metric) -> Cut:
    """What is cut off at the slow end and at the other, from how a block's slices scatter."""
    slowed = slowed_share(scatter if metric.more_is_better else -scatter)
    of_others = (1 - slowed) * TRIMMED
    slow, fast = slowed + of_others, of_others
    return Cut(slow, fast) if metric.more_is_better else Cut(fast, slow)


def slowed_share(scatter: Floats) -> float:
    """The share of values that make the lower tail longer than the upper one, at most half.

    >>> slowed_share(np.linspace(-1, 1, 101))
    0.0
    >>> round(slowed_share(np.concatenate([np.linspace(-1, 1, 80), np.full(20, -3.0)])), 2)
    0.2
    """
    ordered = np.sort(scatter)
    for share in SLOWED_SHARES.tolist():
        low, middle, high = np.quantile(ordered[int(share * len(ordered)) :], EVEN_QUANTILES)
        if middle - low <= high - middle:
            return float(share)
    return float(SLOWED_SHARES[-1])


def fitted(table: Floats, cut: Cut = EVEN) -> Floats:
    """The value of each row of a table of logarithms, cells by turns, without the turns' effects.

    Turns are such that their trimmed mean is 0.
    """
    cells = _middle(table, cut)
    for _ in range(PASSES):
        turns = _middle((table - cells[:, np.newaxis]).T, cut)
        cells = _middle(table - (turns - _middle(turns, cut)), cut)
    return cells


def _middle(table: Floats, cut: Cut) -> Floats:
    """The trimmed mean of each row, or of a single one, over what is a number."""
    # What isn't comes last.
    ordered = np.sort(table, axis=-1)
    count = np.sum(~np.isnan(table), axis=-1, keepdims=True)
    first, end = (count * cut.lowest).astype(int), count - (count * cut.highest).astype(int)
    places = np.arange(table.shape[-1])
    kept = (places >= first) & (places < end)
    totals = np.where(kept, ordered, 0.0).sum(axis=-1)
    empty = np.full_like(totals, np.nan)
    means: Floats = np.divide(totals, kept.sum(axis=-1), out=empty, where=count[..., 0] > 0)
    return means


def _table(group: _Group, metric: Metric) -> _Table | None:
    """The slices of those cells that came by in each turn; None under two, or for few turns.

    A cell that keeps too few is left out.

    A cell that ended early, or had slices for its wrong answers, is out of step.
    """
    assert metric.of_slice is not None
    assert metric.of_trial is not None
    turns = group.turns
    if turns < FEWEST_TURNS:
        return None
    rows: list[Floats] = []
    cell_of_row: list[int] = []
    totals: dict[str, float] = {}
    fed = [not is_starved for is_starved in group.starved]
    for trial, disturbed in compress(zip(group.trials, group.disturbed, strict=True), fed):
        of_slices = [metric.of_slice(piece) for piece in trial.slices]
        total = metric.of_trial(_without(trial, disturbed))
        times, over = divmod(len(of_slices), turns)
        if times and not over and all(of_slices) and total:
            logs = np.where(disturbed, np.nan, np.log(np.array(of_slices, dtype=float)))
            rows += [logs[first::times] for first in range(times)]
            cell_of_row += [len(totals)] * times
            totals[trial.cell] = total
    if len(totals) < 2:
        return None
    logs_of_totals = np.log(np.array(list(totals.values())))
    return _Table(group.round, tuple(totals), np.array(rows), cell_of_row, logs_of_totals)


def _fit(table: _Table, cut: Cut) -> _Fitted:
    """The typical slice of each cell: a row counts by the slices that it keeps."""
    weights = np.sum(~np.isnan(table.rows), axis=-1)
    # One without any has no middle.
    by_row = np.where(weights, fitted(table.rows, cut), 0.0)
    typical = np.bincount(table.cell_of_row, by_row * weights) / np.bincount(
        table.cell_of_row, weights
    )
    return _Fitted(table.round, table.cells, typical, table.totals)


def _whole(trial: Trial) -> Trial:
    """The trial with slices whose throughput is over their whole length."""
    slices = [
        msgspec.structs.replace(piece, steady_requests=None, steady_s=None)
        for piece in trial.slices
    ]
    return msgspec.structs.replace(trial, slices=tuple(slices))


def _without(trial: Trial, disturbed: Sequence[bool]) -> Trial:
    """A trial without some of its slices, their responses and the CPU time spent in them."""
    if not any(disturbed):
        return trial
    left_out = tuple(compress(trial.slices, disturbed))
    return msgspec.structs.replace(
        trial,
        slices=tuple(compress(trial.slices, [not mark for mark in disturbed])),
        requests=trial.requests - sum(piece.requests for piece in left_out),
        server_cpu_s=trial.server_cpu_s - sum(piece.server_cpu_s for piece in left_out),
    )


def _stalling(stalls_of_rounds: Iterable[Mapping[str, float]], metric: Metric) -> dict[str, float]:
    """By how much those cells of a block stall that do so more than their neighbours, surely.

    Of two cells one stalls as much more as the other stalls less.
    """
    stalls: dict[str, list[float]] = {}
    for of_round in stalls_of_rounds:
        for cell, stall in of_round.items():
            stalls.setdefault(cell, []).append(stall)
    told = {cell: of for cell, of in stalls.items() if len(of) >= FEWEST_ROUNDS}
    usual = float(np.median([np.std(of, ddof=1) for of in told.values()])) if told else 0.0
    means = {cell: float(np.mean(of)) for cell, of in told.items()}
    return {
        cell: mean
        for cell, mean in means.items()
        if (len(stalls) == 2 or (mean < 0) == metric.more_is_better)
        and _is_sure(told[cell], usual, len(stalls))
    }


def _is_sure(stalls: Sequence[float], usual: float, tests: int) -> bool:
    """Whether a cell stalls more or less than others: two t tests, by two deviations of a round.

    That of its neighbours, adjusted for their number: what stalls as they do scatters as they do.
    A few rounds tell little of a cell's own, and a cell that stalls has the larger one: by that
    alone daphne, 7 % slower by stalls, was charged in runs of twelve rounds but not of seven.
    """
    rounds = len(stalls)
    mean = abs(float(np.mean(stalls)))
    if mean < LEAST_STALL:
        return False
    own = float(np.std(stalls, ddof=1))
    degrees = (rounds - 1, tests * (rounds - 1))
    most = (OWN_SIGNIFICANCE, SIGNIFICANCE / tests)
    return all(
        deviation == 0 or 2 * float(stdtr(of, -mean * rounds**0.5 / deviation)) < p
        for deviation, of, p in zip((own, usual), degrees, most, strict=True)
    )


def _placed(
    fit: _Fitted, whole: _Fitted, metric: Metric, block: int, stalling: Container[str]
) -> Iterator[tuple[Place, float]]:
    """The figures of a block's cells, of those that stall with what they stall more."""
    stalls = whole.stalls
    for cell, typical in zip(fit.cells, fit.typical.tolist(), strict=True):
        stall = stalls[cell] if cell in stalling else 0.0
        yield Place(metric.name, cell, fit.round, block), exp(typical + stall)
