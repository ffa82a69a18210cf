"""False alarms in pseudo A/As: blocks of real ones, drawn anew and their sides relabelled."""

from collections.abc import Sequence
from itertools import permutations

import msgspec
import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.ab_report import SETTLED
from asgi_bench.analysis.block_effects import BlockEffect, block_effects, usable_blocks
from asgi_bench.analysis.looks import looks_of
from asgi_bench.analysis.pacing import round_ends_s
from asgi_bench.analysis.regression import judge_metrics, verdict_on
from asgi_bench.model import ROLES, Gate, GateMetric, Role, Trial, Verdict
from gate.records import Record, run_of
from gate.table import GATED

# One metric's effects of one block, under each relabelling of its sides.
Relabelled = tuple[BlockEffect, ...]
ORDERS: tuple[tuple[Role, ...], ...] = tuple(permutations(ROLES))


class Pseudo(msgspec.Struct, frozen=True):
    """How pseudo A/As came out."""

    verdicts: dict[Verdict, int]
    runs: int
    blocks: int
    pool: int


def pseudo_aas(records: Sequence[Record], gate: Gate, runs: int, seed: int) -> Pseudo:
    """Judge so many runs of blocks drawn with replacement from all A/As, labels drawn too.

    Each is as long as those that were measured, and is looked at where they would have been.
    """
    pool = [sides for record in records for sides in _blocks(record)]
    effects = {metric: [_relabelled(sides, metric) for sides in pool] for metric in GATED}
    ends_s = _typical_ends_s(records)
    planned = msgspec.structs.replace(
        gate, budget_s=records[0].gate.budget_s, spent_s=records[0].gate.spent_s
    )
    looks = looks_of(planned, ends_s, 10 * len(ends_s))
    chance = np.random.default_rng(seed)
    verdicts: dict[Verdict, int] = {}
    for _ in range(runs):
        drawn = chance.integers(len(pool), size=len(ends_s))
        orders = chance.integers(len(ORDERS), size=len(ends_s))
        verdict: Verdict = "undecided"
        for look in looks:
            metrics = [
                (metric, _picked(effects[metric], drawn[: look.blocks], orders)) for metric in GATED
            ]
            verdict = verdict_on(judge_metrics(metrics, planned, look.level), planned)
            if verdict in SETTLED:
                break
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return Pseudo(verdicts, runs, len(ends_s), len(pool))


def _picked(
    effects: Sequence[Relabelled], drawn: npt.NDArray[np.int64], orders: npt.NDArray[np.int64]
) -> list[BlockEffect]:
    return [effects[block][order] for block, order in zip(drawn, orders, strict=False)]


def _blocks(record: Record) -> list[dict[Role, Trial]]:
    run = run_of(record, record.gate)
    return list(usable_blocks(run.trials, record.cell)[0].values())


def _relabelled(sides: dict[Role, Trial], metric: GateMetric) -> Relabelled:
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
