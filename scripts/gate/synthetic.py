"""Synthetic A/Bs in which everything goes wrong that does on shared machines, but for the truth.

Each case makes the slices of one block: logarithms of how slow the sides were, an array each. What
is put in beside noise is the candidate's true effect.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from math import log, log1p

import msgspec
import numpy as np
from scipy.signal import lfilter

from asgi_bench.analysis.ab.block_effects import BlockEffect, Floats, effect_of_slices
from asgi_bench.analysis.ab.interim import Look, spent_by
from asgi_bench.analysis.ab.report import SETTLED
from asgi_bench.model import Gate, Verdict
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, THROUGHPUT, metric_of
from gate.verdicts import GATED, verdict_of

Random = np.random.Generator
# Slices of three sides in the order they were sent: rows are triples, columns sides.
Case = Callable[[Random, int], Floats]

SLICES = 24
BLOCKS = 28
START_SD = 0.01
SLICE_SD = 0.03
SIDES = 3


def calm(chance: Random, count: int) -> Floats:
    """Normal noise between starts and between slices."""
    return chance.normal(0, SLICE_SD, (count, SIDES)) + chance.normal(0, START_SD, SIDES)


def drift(chance: Random, count: int) -> Floats:
    """A machine that becomes slower or faster by a third over the block, in waves besides."""
    times = _times(chance, count)
    slope = chance.uniform(-0.3, 0.3)
    waves = 0.1 * np.sin(times * chance.uniform(0.1, 1.0) + chance.uniform(0, 7))
    moved: Floats = calm(chance, count) + slope * times / times.max() + waves
    return moved


def bimodal(chance: Random, count: int) -> Floats:
    """One start in six is slower by 5 %, and slices are fast or slow by 8 %."""
    starts = 0.05 * (chance.random(SIDES) < 1 / 6)
    slices = 0.08 * (chance.random((count, SIDES)) < 0.3)
    mixed: Floats = calm(chance, count) + starts + slices
    return mixed


def outliers(chance: Random, count: int) -> Floats:
    """One slice in ten meets a stall, and one side in thirty is disturbed for its whole block."""
    stalls = chance.exponential(0.4, (count, SIDES)) * (chance.random((count, SIDES)) < 0.1)
    disturbed = chance.exponential(0.1, SIDES) * (chance.random(SIDES) < 1 / 30)
    hit: Floats = calm(chance, count) + stalls + disturbed
    return hit


def autocorrelated(chance: Random, count: int) -> Floats:
    """The machine's speed wanders: each slice is 0.95 of the one before, and 3 % anew."""
    steps = chance.normal(0, 0.03, count * SIDES)
    steps[0] = chance.normal(0, 0.1)
    path = lfilter([1], [1, -0.95], steps)
    wandered: Floats = calm(chance, count) + path[_times(chance, count).astype(int)]
    return wandered


def heavy_tails(chance: Random, count: int) -> Floats:
    """Slices and starts whose noise has no variance worth the name (Student's t, 2 degrees)."""
    slices = SLICE_SD * chance.standard_t(2, (count, SIDES))
    heavy: Floats = slices + START_SD * chance.standard_t(2, SIDES)
    return heavy


def lost(chance: Random, count: int) -> Floats:
    """One slice in ten is lost, and now and then all of a side."""
    table = calm(chance, count)
    table[chance.random(table.shape) < 0.1] = np.nan
    if chance.random() < 0.05:
        table[:, chance.integers(SIDES)] = np.nan
    return table


def unequal(chance: Random, count: int) -> Floats:
    """The sides have different numbers of slices."""
    table = outliers(chance, count)
    for side in range(SIDES):
        table[count - chance.integers(count // 2) :, side] = np.nan
    return table


def machine_stalls(chance: Random, count: int) -> Floats:
    """The machine stops now and then: one slice in a hundred, of any side, takes twenty times."""
    table = calm(chance, count)
    table += log(20) * (chance.random((count, SIDES)) < 1 / 100)
    return table


def machine_stops(chance: Random, count: int) -> Floats:
    """One block in ten is stopped for as long as all of its slices, during one slice of a side."""
    table = calm(chance, count)
    if chance.random() < 1 / 10:
        table[chance.integers(count), chance.integers(SIDES)] += log(count * SIDES)
    return table


def stalls(chance: Random, count: int) -> Floats:
    """The candidate alone stalls in one slice of twenty, which then takes three times as long."""
    table = calm(chance, count)
    table[:, -1] += log(3) * (chance.random(count) < 1 / 20)
    return table


def rare_stalls(chance: Random, count: int) -> Floats:
    """The candidate alone stalls in one slice of a hundred, which then takes twenty times."""
    table = calm(chance, count)
    table[:, -1] += log(20) * (chance.random(count) < 1 / 100)
    return table


def regular_stalls(chance: Random, count: int) -> Floats:
    """The candidate alone stalls for ten slices' time once or twice in each block."""
    table = calm(chance, count)
    table[chance.integers(count, size=2), -1] += log(10)
    return table


def slow_beginning(chance: Random, count: int) -> Floats:
    """The candidate alone is slow in the first eighth of each block: three times as long."""
    table = calm(chance, count)
    table[: count // 8, -1] += log(3)
    return table


def slow_starts(chance: Random, count: int) -> Floats:
    """One start in five of the candidate alone is slower by half."""
    table = calm(chance, count)
    table[:, -1] += log(1.5) * (chance.random() < 1 / 5)
    return table


CASES: Mapping[str, Case] = {
    "calm": calm,
    "drift": drift,
    "bimodal": bimodal,
    "outliers": outliers,
    "autocorrelated": autocorrelated,
    "heavy tails": heavy_tails,
    "lost slices": lost,
    "unequal counts": unequal,
    "machine stalls": machine_stalls,
    "machine stops": machine_stops,
}
# What the candidate does and not the machine, though its middle is as fast: no A/A.
STALLS: Mapping[str, Case] = {
    "stalls": stalls,
    "rare stalls": rare_stalls,
    "regular stalls": regular_stalls,
    "slow beginning": slow_beginning,
    "slow starts": slow_starts,
}


class Outcome(msgspec.Struct, frozen=True):
    """How many of so many synthetic runs came to each verdict.

    `held_up` are undecided for their totals alone.
    """

    runs: int
    verdicts: dict[Verdict, int]
    held_up: int

    def count(self, *verdicts: Verdict) -> int:
        """How many came to any of these."""
        return sum(self.verdicts.get(verdict, 0) for verdict in verdicts)


def simulate(
    case: Case, effect: float, gate: Gate, runs: int, seed: int, *, with_totals: bool = True
) -> Outcome:
    """Judge so many runs, each look by look, of a candidate that is slower by `effect`."""
    verdicts: dict[Verdict, int] = {}
    held_up = 0
    for run in range(runs):
        chance = np.random.default_rng((seed, run))
        blocks = (
            _block(case, chance, number, effect, with_totals=with_totals)
            for number in range(BLOCKS)
        )
        verdict, is_held_up = _verdict(blocks, gate)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        held_up += is_held_up
    return Outcome(runs, verdicts, held_up)


def looks(gate: Gate) -> list[Look]:
    """The looks of a run whose blocks all take as long."""
    spent = 0.0
    found = []
    for share in gate.looks:
        level = spent_by(gate, share)
        found.append(Look(round(BLOCKS * share), level - spent, share >= 1))
        spent = level
    return found


# The metrics of a block.
Block = dict[Metric, BlockEffect | None]


def _block(case: Case, chance: Random, number: int, effect: float, *, with_totals: bool) -> Block:
    """Both metrics of a block and their totals; the CPU shares half of the throughput's fate."""
    slowness = case(chance, SLICES) + np.array([0, 0, log1p(effect)])
    cpu = 0.5 * (slowness + case(chance, SLICES) + np.array([0, 0, log1p(effect)]))
    logs: dict[Metric, Floats] = {
        THROUGHPUT: -slowness,
        CPU: cpu,
    }
    if with_totals:
        logs[metric_of("total_throughput_rps")] = -_of_all(slowness)
        logs[metric_of("total_server_cpu_s_per_request")] = _of_all(cpu)
    return {
        metric: effect_of_slices(number, list(table.T), metric) for metric, table in logs.items()
    }


def _of_all(slowness: Floats) -> Floats:
    """How slow each side was over all slices that were not lost, with as many requests in each."""
    is_kept = np.isfinite(slowness)
    kept = is_kept.sum(axis=0)
    times = np.exp(slowness, out=np.zeros_like(slowness), where=is_kept)
    total: Floats = times.sum(axis=0) / np.where(kept, kept, np.nan)
    return np.log(total)[np.newaxis]


def _verdict(blocks: Iterator[Block], gate: Gate) -> tuple[Verdict, bool]:
    """Look by look, and whether totals alone held it up.

    No block is made for a look that isn't needed.
    """
    verdict: Verdict = "undecided"
    is_held_up = False
    seen: list[Block] = []
    for look in looks(gate):
        seen += islice(blocks, look.blocks - len(seen))
        effects = {
            metric: [found for block in seen if (found := block[metric])] for metric in seen[0]
        }
        verdict = verdict_of(effects, gate, look.level)
        if verdict in SETTLED:
            return verdict, False
        gated = {metric: effects[metric] for metric in GATED}
        is_held_up = verdict == "undecided" and verdict_of(gated, gate, look.level) in SETTLED
    return verdict, is_held_up


def _times(chance: Random, count: int) -> Floats:
    """When each slice was sent: the sides of a triple one after another, in random order."""
    order = np.stack([chance.permutation(SIDES) for _ in range(count)])
    times: Floats = np.arange(count)[:, np.newaxis] * SIDES + order.astype(float)
    return times
