"""A whole A/B, judged from its plan and its trials alone: while it runs, and from its folder."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from asgi_bench.analysis.ab.block_effects import (
    BlockEffect,
    block_effects,
    is_baseline_overloaded,
    usable_blocks,
)
from asgi_bench.analysis.ab.differences import pairs_of, side_differences
from asgi_bench.analysis.ab.interim import Look, look_at_end, looks_of
from asgi_bench.analysis.ab.rule import (
    RULE_VERSION,
    has_moved,
    judge_metrics,
    measured,
    verdict_on,
    worst,
)
from asgi_bench.analysis.ab.totals import measured_totals, stall_vetoes
from asgi_bench.analysis.ab.vetoes import (
    Blocks,
    Veto,
    few_blocks_veto,
    overload_veto,
    vetoed,
)
from asgi_bench.analysis.ab.wording import control_reason, verdict_line
from asgi_bench.analysis.cell_facts import merged
from asgi_bench.analysis.intervals import CONFIDENCE
from asgi_bench.analysis.pacing import round_ends_s
from asgi_bench.analysis.percentiles import Histogram, quantile_s
from asgi_bench.analysis.samples import judged
from asgi_bench.analysis.validity.cell import MIN_USABLE_SHARE, few_samples, judge_cell
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    RESPONSE_TIME,
    ROLES,
    AbReport,
    Cell,
    CellVerdict,
    Effect,
    Gate,
    MetricVerdict,
    Plan,
    Reason,
    Role,
    Run,
    Trial,
)
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import MEMORY, P99, gated_under

QUANTILE = 0.99
PLAIN_MEMORY = msgspec.structs.replace(MEMORY, gating=None)

# Findings on what the server did: it answered wrongly or not at all, or lost a worker.
SERVER_FAULTS = frozenset(("server-ended", "errors", "no-answers", "worker-died"))
# Answers of another program on the server's port are no fault of the server's.
NOT_ITS_OWN = "stranger"
# A side that was at fault in each of so many blocks and in no other one won't come right.
HOPELESS_BLOCKS = 3
SIDES: dict[Role, str] = {
    "baseline": "baseline",
    "control": "baseline (its second process)",
    "candidate": "candidate",
}

# What leaves nothing open: a run that comes to it has no need of further blocks.
SETTLED = frozenset(("regression", "improvement", "pass"))

# A metric of a cell, with its effects in blocks, of which there is one at least.
Tested: TypeAlias = tuple[Cell, Metric, tuple[BlockEffect, ...]]


class _Found(NamedTuple):
    """What the usable blocks of a cell say: its gated metrics, its totals.

    `typical` are the effects of blocks on what is gated.
    """

    verdicts: list[MetricVerdict]
    totals: list[MetricVerdict]
    typical: dict[str, tuple[BlockEffect, ...]]
    blocks: Blocks
    left_out: int


def is_settled(plan: Plan, rounds: int, trials: Sequence[Trial], *, spent_s: float = 0.0) -> bool:
    """Whether an A/B may end after this many rounds: a look leaves nothing open, or time is up.

    `spent_s` of its budget had gone by when it began.

    A cell in which a side fails in every block isn't open; if that is true of all cells, no look is
    needed, because chance plays no part.
    """
    gate = gate_of(plan)
    hopeless = _hopeless(plan, rounds, trials)
    if len(hopeless) == len({planned.cell.without_setup for planned in plan.cells}):
        return True
    ends_s = round_ends_s(trials, rounds)
    looks = looks_of(gate, ends_s, plan.rounds, spent_s=spent_s)
    if not looks or looks[-1].blocks != rounds:
        return False
    look = looks[-1]
    return look.is_last or all(
        cell.verdict in SETTLED or cell.cell in hopeless
        for cell in judge_cells(plan, trials, look.level)
    )


def _hopeless(plan: Plan, rounds: int, trials: Sequence[Trial]) -> set[str]:
    """The without_setup keys of cells of which a side fails in every block."""
    by_side: dict[str, list[Trial]] = {}
    for trial in trials:
        by_side.setdefault(trial.cell, []).append(trial)
    return {
        planned.cell.without_setup.key
        for planned in plan.cells
        if is_hopeless(rounds, by_side.get(planned.cell.key, ()))
    }


def ab_report(run: Run) -> AbReport:
    """The verdict on a stored A/B; the same as when it was measured, if by the same rule.

    Raises BenchError for a run that is no A/B, or a histogram that can't be read.
    """
    plan = run.header.plan
    if plan.gate is None or not plan.setups:
        raise BenchError(f"{run.folder}: not an A/B run, so there are no sides to compare")
    by_key = {planned.cell.key: planned.cell for planned in plan.cells}
    trials = [judged(t, by_key[t.cell], run.header) for t in run.trials if t.cell in by_key]
    rounds = 1 + max((trial.round for trial in trials), default=-1)
    ends_s = round_ends_s(trials, rounds)
    spent_s = run.header.preparation.spent_s
    look = look_at_end(plan.gate, ends_s, plan.rounds, spent_s=spent_s)
    looks = looks_of(plan.gate, ends_s, plan.rounds, spent_s=spent_s)
    taken = [one for one in looks if one != look]
    cells = judge_cells(plan, trials, look.level)
    report = _report(run, plan.gate, look, cells, len(taken) + 1)
    return with_shown(report, plan, trials)


def _report(
    run: Run, gate: Gate, look: Look, cells: tuple[CellVerdict, ...], taken: int
) -> AbReport:
    plan = run.header.plan
    sides = {side.name: side for side in plan.setups}
    report = AbReport(
        run=run.header.run_id,
        rule_version=RULE_VERSION,
        verdict=worst(cell.verdict for cell in cells),
        text="",
        min_change=gate.min_change,
        alpha=gate.alpha,
        is_aa=gate.is_aa,
        blocks=look.blocks,
        looks=len(gate.looks),
        looks_taken=taken,
        duration_s=round(max(round_ends_s(run.trials, look.blocks), default=0.0), 3),
        budget_s=gate.budget_s,
        baseline=sides["baseline"],
        candidate=sides["candidate"],
        differences=side_differences(
            sides["baseline"], sides["candidate"], pairs_of(run.header.plan, run.proofs)
        ),
        cells=cells,
    )
    return msgspec.structs.replace(report, text=verdict_line(report))


def judge_cells(plan: Plan, trials: Sequence[Trial], level: float) -> tuple[CellVerdict, ...]:
    """The verdict on each cell at one look; Holm's procedure covers all their gated metrics."""
    gate = gate_of(plan)
    cells = list(dict.fromkeys(planned.cell.without_setup for planned in plan.cells))
    parted = {cell: usable_blocks(trials, cell) for cell in cells}
    usable = {cell: blocks for cell, (blocks, _) in parted.items()}
    gated = _tested(usable, lambda cell: gated_under(cell.load, gate))
    summed = _tested(
        usable,
        lambda cell: [total for one in gated_under(cell.load, gate) if (total := one.total)],
    )
    verdicts = judge_metrics([(metric, effects) for _, metric, effects in gated], gate, level)
    totals = measured_totals([(metric, effects) for _, metric, effects in summed], gate, level)
    metrics_of, totals_of = _by_cell(gated, verdicts), _by_cell(summed, totals)
    return tuple(
        _cell(
            cell,
            trials,
            _Found(
                metrics_of.get(cell, []),
                totals_of.get(cell, []),
                {metric.name: effects for whose, metric, effects in gated if whose == cell},
                *parted[cell],
            ),
            gate,
        )
        for cell in cells
    )


def _tested(
    usable: Mapping[Cell, Blocks], metrics_of: Callable[[Cell], Iterable[Metric]]
) -> list[Tested]:
    return [
        (cell, metric, effects)
        for cell, blocks in usable.items()
        for metric in metrics_of(cell)
        if (effects := block_effects(blocks, metric))
    ]


def _by_cell(
    tested: Sequence[Tested], found: Sequence[MetricVerdict]
) -> dict[Cell, list[MetricVerdict]]:
    by_cell: dict[Cell, list[MetricVerdict]] = {}
    for (cell, _, _), one in zip(tested, found, strict=True):
        by_cell.setdefault(cell, []).append(one)
    return by_cell


def _cell(cell: Cell, trials: Sequence[Trial], found: _Found, gate: Gate) -> CellVerdict:
    """One cell: failed by what a side did, invalid by what the machine did, or judged."""
    failures, faults = _faults(cell, trials)
    vetoes = _vetoes(cell, found, gate)
    metrics = vetoed(found.verdicts, vetoes)
    verdict = "failed" if failures else "invalid" if faults else verdict_on(metrics)
    if verdict not in ("failed", "invalid"):
        verdict = worst((verdict, *(veto.verdict for veto in vetoes)))
    faults += [control_reason(one) for one in metrics if has_moved(one)]
    reasons = (*failures, *faults, *(veto.reason for veto in vetoes))
    told = (*metrics, *vetoed(found.totals, vetoes))
    return CellVerdict(cell.key, verdict, len(found.blocks), found.left_out, told, reasons)


def _faults(cell: Cell, trials: Sequence[Trial]) -> tuple[list[Reason], list[Reason]]:
    """Why sides failed, and why what was measured of them can't be believed."""
    failures: list[Reason] = []
    faults: list[Reason] = []
    for role in ROLES:
        key = msgspec.structs.replace(cell, setup=role).key
        own = [trial for trial in trials if trial.cell == key]
        failure = side_failure(role, own)
        found = judge_cell(own, len(own))
        if failure is not None:
            failures.append(failure)
        elif found.validity == "invalid":
            faults += [_of(role, one) for one in found.validity_reasons if one.level == "invalid"]
    return failures, faults


def _vetoes(cell: Cell, found: _Found, gate: Gate) -> list[Veto]:
    """What keeps a cell from passing though its effects don't, the reason that tells most first."""
    overload = overload_veto(cell, found.blocks)
    known = {one.metric: one.blocks for one in found.verdicts}
    few = [
        few_blocks_veto(metric, known.get(metric.name, 0), len(found.blocks))
        for metric in gated_under(cell.load, gate)
        # Where the rate was too much, that is why: more requests won't help.
        if overload is None or metric.name != overload.metric
    ]
    stalls = stall_vetoes(found.verdicts, found.totals, gate, found.blocks, found.typical)
    return [veto for veto in (overload, *few, *stalls) if veto is not None]


def gate_of(plan: Plan) -> Gate:
    """The gate of a plan that has one."""
    assert plan.gate is not None
    return plan.gate


def _of(role: Role, reason: Reason) -> Reason:
    return msgspec.structs.replace(reason, text=f"{SIDES[role]}: {reason.text}")


def is_at_fault(trial: Trial) -> bool:
    """Whether a judged trial failed, or is invalid because of what its server did."""
    if trial.outcome == "failed":
        return True
    codes = {reason.code for reason in trial.validity_reasons if reason.level == "invalid"}
    return bool(codes & SERVER_FAULTS) and NOT_ITS_OWN not in codes


def side_failure(role: Role, trials: Sequence[Trial]) -> Reason | None:
    """Why a side failed, from its judged trials, one per block; None if it did not.

    It failed if it was at fault in more than a third of its blocks, as many as make a cell
    invalid; `value` is that share.
    """
    tried = [trial for trial in trials if trial.outcome != "skipped"]
    at_fault = [trial for trial in tried if is_at_fault(trial)]
    limit = 1 - MIN_USABLE_SHARE
    found = judge_cell(trials, len(trials))
    if found.outcome != "ok":
        return _failed(role, None, found.reason or found.outcome)
    if len(at_fault) <= limit * len(tried):
        return None
    told = [
        *(reason.text for reason in found.validity_reasons if reason.code in SERVER_FAULTS),
        *(trial.reason for trial in at_fault if trial.reason),
    ]
    return _failed(role, len(at_fault) / len(tried), told[0] if told else "no reason was recorded")


def is_hopeless(rounds: int, trials: Sequence[Trial]) -> bool:
    """Whether a side was at fault in all of its blocks, and in enough: more won't change it.

    A side that was refused before the first round has no blocks.
    """
    return rounds >= HOPELESS_BLOCKS and all(map(is_at_fault, trials))


def _failed(role: Role, share: float | None, text: str) -> Reason:
    limit = None if share is None else float(1 - MIN_USABLE_SHARE)
    return Reason("side-failed", "invalid", share, limit, f"{SIDES[role]}: {text}")


def with_shown(report: AbReport, plan: Plan, trials: Sequence[Trial]) -> AbReport:
    """The report with each cell's p99, or why there is none, and memory that isn't judged.

    Raises BenchError for a stored histogram that can't be read.
    """
    cells = {planned.cell.without_setup.key: planned.cell.without_setup for planned in plan.cells}
    return msgspec.structs.replace(
        report,
        cells=tuple(
            _with_memory(_with_p99(verdict, cell, trials), cell, trials)
            for verdict in report.cells
            for cell in (cells[verdict.cell],)
        ),
    )


def _with_p99(verdict: CellVerdict, cell: Cell, trials: Sequence[Trial]) -> CellVerdict:
    """From blocks where they have samples enough, else from all of them together."""
    usable, _ = usable_blocks(trials, cell)
    blocks = [sides for sides in usable.values() if not is_baseline_overloaded(sides)]
    effects = block_effects(usable, P99)
    if effects and len(effects) >= MIN_USABLE_SHARE * len(blocks):
        found: MetricVerdict | Reason | None = measured(P99, effects, CONFIDENCE)
    else:
        found = _of_all_blocks(cell, blocks)
    if isinstance(found, Reason):
        return msgspec.structs.replace(verdict, reasons=(*verdict.reasons, found))
    if found is None:
        return verdict
    return msgspec.structs.replace(verdict, metrics=(*verdict.metrics, found))


def _with_memory(verdict: CellVerdict, cell: Cell, trials: Sequence[Trial]) -> CellVerdict:
    """The memory that a run tells, where it doesn't tell the part that can be compared."""
    if any(one.metric == MEMORY.name for one in verdict.metrics):
        return verdict
    usable, _ = usable_blocks(trials, cell)
    effects = block_effects(usable, PLAIN_MEMORY)
    if not effects:
        return verdict
    found = measured(PLAIN_MEMORY, effects, CONFIDENCE)
    return msgspec.structs.replace(verdict, metrics=(*verdict.metrics, found))


def _of_all_blocks(
    cell: Cell, blocks: Sequence[Mapping[Role, Trial]]
) -> MetricVerdict | Reason | None:
    """The p99 of each side over all blocks, without an interval: a figure, and nothing to test."""
    pooled = _pooled(cell, blocks, ("baseline", "control"))
    candidate = _pooled(cell, blocks, ("candidate",))
    if pooled is None or candidate is None:
        return None
    theirs_s, ours_s = quantile_s(pooled, QUANTILE), quantile_s(candidate, QUANTILE)
    if theirs_s is None or ours_s is None:
        samples = min(pooled.total, candidate.total)
        return few_samples(samples, QUANTILE, "of a side in all blocks together")
    first_s, second_s = (
        quantile_s(alone, QUANTILE) if alone is not None else None
        for alone in (_pooled(cell, blocks, (role,)) for role in ("baseline", "control"))
    )
    return MetricVerdict(
        metric=P99.name,
        verdict=None,
        effect=Effect(ours_s / theirs_s - 1),
        blocks=len(blocks),
        baseline=theirs_s,
        candidate=ours_s,
        control=Effect(second_s / first_s - 1) if first_s and second_s else None,
    )


def _pooled(
    cell: Cell, blocks: Iterable[Mapping[Role, Trial]], roles: Iterable[Role]
) -> Histogram | None:
    blobs = [sides[role].times_hdr.get(RESPONSE_TIME) for role in roles for sides in blocks]
    return merged(cell.key, RESPONSE_TIME, blobs)
