"""False alarms in pseudo A/As: blocks of real ones, drawn anew and their sides relabelled."""

from collections.abc import Sequence
from itertools import permutations
from math import sqrt

import msgspec
import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.ab.block_effects import BlockEffect, block_effects, usable_blocks
from asgi_bench.analysis.ab.interim import Look, looks_of
from asgi_bench.analysis.ab.report import SETTLED
from asgi_bench.analysis.pacing import round_ends_s
from asgi_bench.model import ROLES, Gate, Role, Trial, Verdict
from asgi_bench.model.metric import Metric
from gate.records import Record, run_of
from gate.verdicts import GATED, verdict_of

# One metric's effects of one block, under each relabelling of its sides.
Relabelled = tuple[BlockEffect, ...]
Numbers = npt.NDArray[np.int64]
ORDERS: tuple[tuple[Role, ...], ...] = tuple(permutations(ROLES))
METRICS: tuple[Metric, ...] = (*GATED, *(total for one in GATED if (total := one.total)))


class Pseudo(msgspec.Struct, frozen=True):
    """How pseudo A/As came out.

    `without` has for each repetition how many of them drew none of its blocks, and how many of
    those were false alarms.
    """

    verdicts: dict[Verdict, int]
    runs: int
    blocks: int
    pool: int
    without: tuple[tuple[int, int], ...]

    @property
    def alarms(self) -> int:
        """False alarms: regressions where there is none."""
        return self.verdicts.get("regression", 0)

    def standard_error(self) -> float | None:
        """That of the rate of alarms, the repetitions being what chance has drawn.

        The jackknife over repetitions, each left out in turn, from the runs that did without it
        anyway (jackknife after bootstrap: Efron, J. R. Stat. Soc. B 1992). None where there are
        too few: without a repetition each run has to do now and then.
        """
        rates = [alarms / runs for runs, alarms in self.without if runs]
        count = len(rates)
        if count < 2 or count < len(self.without):
            return None
        return sqrt((count - 1) ** 2 / count * float(np.var(rates, ddof=1)))


class Pool(msgspec.Struct, frozen=True):
    """Blocks to draw from: their effects relabelled, and which repetition each is of."""

    effects: dict[Metric, list[Relabelled]]
    repetitions: Numbers

    def verdict(
        self, drawn: Numbers, orders: Numbers, looks: Sequence[Look], gate: Gate
    ) -> Verdict:
        """The verdict on these blocks, their sides in these orders."""
        found: Verdict = "undecided"
        for look in looks:
            picked = {
                metric: [
                    effects[block][order]
                    for block, order in zip(drawn[: look.blocks], orders, strict=False)
                ]
                for metric, effects in self.effects.items()
            }
            found = verdict_of(picked, gate, look.level)
            if found in SETTLED:
                break
        return found


def pseudo_aas(records: Sequence[Record], gate: Gate, runs: int, seed: int) -> Pseudo:
    """Judge so many runs of blocks drawn with replacement from all A/As, labels drawn too.

    Each is as long as those that were measured, and is looked at where they would have been.
    """
    pool = _pool(records)
    ends_s = _typical_ends_s(records)
    recorded = records[0].gate
    planned = msgspec.structs.replace(gate, budget_s=recorded.budget_s)
    looks = looks_of(planned, ends_s, 10 * len(ends_s), spent_s=recorded.spent_s or 0.0)
    chance = np.random.default_rng(seed)
    verdicts: dict[Verdict, int] = {}
    without = np.zeros((len(records), 2), dtype=int)
    for _ in range(runs):
        drawn = chance.integers(len(pool.repetitions), size=len(ends_s))
        orders = chance.integers(len(ORDERS), size=len(ends_s))
        verdict = pool.verdict(drawn, orders, looks, planned)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        absent = np.setdiff1d(np.arange(len(records)), pool.repetitions[drawn])
        without[absent] += (1, int(verdict == "regression"))
    counts = tuple((int(every), int(alarms)) for every, alarms in without)
    return Pseudo(verdicts, runs, len(ends_s), len(pool.repetitions), counts)


def _pool(records: Sequence[Record]) -> Pool:
    blocks = [_blocks(record) for record in records]
    return Pool(
        effects={
            metric: [_relabelled(sides, metric) for own in blocks for sides in own]
            for metric in METRICS
        },
        repetitions=np.repeat(np.arange(len(blocks)), [len(own) for own in blocks]),
    )


def _blocks(record: Record) -> list[dict[Role, Trial]]:
    run = run_of(record, record.gate)
    return list(usable_blocks(run.trials, record.cell)[0].values())


def _relabelled(sides: dict[Role, Trial], metric: Metric) -> Relabelled:
    found: list[BlockEffect] = []
    for order in ORDERS:
        named = {role: sides[whose] for role, whose in zip(ROLES, order, strict=True)}
        found += block_effects({0: named}, metric)
    return tuple(found)


def _typical_ends_s(records: Sequence[Record]) -> list[float]:
    """When blocks end in a repetition with the median number of them."""
    each = []
    for record in records:
        run = run_of(record, record.gate)
        each.append(round_ends_s(run.trials, 1 + max(trial.round for trial in run.trials)))
    return sorted(each, key=len)[len(each) // 2]
