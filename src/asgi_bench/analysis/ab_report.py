"""A whole A/B, judged from its plan and its trials alone: while it runs, and from its folder."""

from collections.abc import Sequence

import msgspec

from asgi_bench.analysis.ab_wording import control_reason, verdict_line
from asgi_bench.analysis.block_effects import (
    BlockEffect,
    block_effects,
    gated_metrics,
    usable_blocks,
)
from asgi_bench.analysis.cell_validity import judge_cell
from asgi_bench.analysis.intervals import CONFIDENCE
from asgi_bench.analysis.looks import Look, look_at_end, looks_of
from asgi_bench.analysis.pacing import round_ends_s
from asgi_bench.analysis.regression import (
    RULE_VERSION,
    control_moved,
    judge_metrics,
    measured,
    verdict_on,
    worst,
)
from asgi_bench.analysis.samples import judged
from asgi_bench.analysis.side_differences import side_differences
from asgi_bench.analysis.side_faults import SIDES, is_hopeless, side_failure
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    ROLES,
    AbReport,
    Cell,
    CellVerdict,
    Gate,
    GateMetric,
    MetricVerdict,
    Plan,
    Reason,
    Role,
    Run,
    Trial,
)

# What leaves nothing open: a run that comes to it has no need of further blocks.
SETTLED = frozenset(("regression", "improvement", "pass"))


def is_settled(plan: Plan, rounds: int, trials: Sequence[Trial]) -> bool:
    """Whether an A/B may end after so many rounds: nothing is open at a look, or time is up.

    A cell of which a side fails in every block isn't open; where that are all, no look is needed,
    for nothing is found by chance there.
    """
    gate = gate_of(plan)
    hopeless = _hopeless(plan, rounds, trials)
    if len(hopeless) == len({planned.cell.sideless for planned in plan.cells}):
        return True
    ends_s = round_ends_s(trials, rounds)
    looks = looks_of(gate, ends_s, plan.rounds)
    if not looks or looks[-1].blocks != rounds:
        return False
    look = looks[-1]
    return look.is_last or all(
        cell.verdict in SETTLED or cell.cell in hopeless
        for cell in judge_cells(plan, trials, look.level)
    )


def _hopeless(plan: Plan, rounds: int, trials: Sequence[Trial]) -> set[str]:
    """The sideless keys of cells of which a side fails in every block."""
    by_side: dict[str, list[Trial]] = {}
    for trial in trials:
        by_side.setdefault(trial.cell, []).append(trial)
    return {
        planned.cell.sideless.key
        for planned in plan.cells
        if is_hopeless(rounds, by_side.get(planned.cell.key, ()))
    }


def ab_report(run: Run) -> AbReport:
    """The verdict on a stored A/B; the same as when it was measured, if by the same rule.

    Raises BenchError for a run that is no A/B, or a histogram that can't be read.
    """
    plan = run.header.plan
    if plan.gate is None or not plan.sides:
        raise BenchError(f"{run.folder}: is no A/B: it has no sides to compare")
    by_key = {planned.cell.key: planned.cell for planned in plan.cells}
    trials = [judged(t, by_key[t.cell], run.header) for t in run.trials if t.cell in by_key]
    rounds = 1 + max((trial.round for trial in trials), default=-1)
    ends_s = round_ends_s(trials, rounds)
    look = look_at_end(plan.gate, ends_s, plan.rounds)
    taken = [one for one in looks_of(plan.gate, ends_s, plan.rounds) if one != look]
    cells = judge_cells(plan, trials, look.level)
    report = _report(run, plan.gate, look, cells, len(taken) + 1)
    return with_p99(report, plan, trials)


def _report(
    run: Run, gate: Gate, look: Look, cells: tuple[CellVerdict, ...], taken: int
) -> AbReport:
    plan = run.header.plan
    sides = {side.role: side for side in plan.sides}
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
        differences=side_differences(sides["baseline"], sides["candidate"]),
        cells=cells,
    )
    return msgspec.structs.replace(report, text=verdict_line(report))


def judge_cells(plan: Plan, trials: Sequence[Trial], level: float) -> tuple[CellVerdict, ...]:
    """The verdict on each cell at one look; Holm goes over the gated metrics of all of them."""
    gate = gate_of(plan)
    cells = list(dict.fromkeys(planned.cell.sideless for planned in plan.cells))
    blocks = {cell: usable_blocks(trials, cell) for cell in cells}
    tested: list[tuple[Cell, GateMetric, tuple[BlockEffect, ...]]] = [
        (cell, metric, effects)
        for cell in cells
        for metric in gated_metrics(cell)
        if (effects := block_effects(blocks[cell][0], metric))
    ]
    verdicts = judge_metrics([(metric, effects) for _, metric, effects in tested], gate, level)
    by_cell: dict[Cell, list[MetricVerdict]] = {cell: [] for cell in cells}
    for (cell, _, _), verdict in zip(tested, verdicts, strict=True):
        by_cell[cell].append(verdict)
    return tuple(
        _cell(cell, trials, by_cell[cell], len(blocks[cell][0]), blocks[cell][1], gate)
        for cell in cells
    )


def _cell(
    cell: Cell,
    trials: Sequence[Trial],
    metrics: list[MetricVerdict],
    blocks: int,
    left_out: int,
    gate: Gate,
) -> CellVerdict:
    """One cell: failed by what a side did, invalid by what the machine did, or judged."""
    failures: list[Reason] = []
    doubts: list[Reason] = []
    for role in ROLES:
        key = msgspec.structs.replace(cell, side=role).key
        own = [trial for trial in trials if trial.cell == key]
        failure = side_failure(role, own)
        found = judge_cell(own, len(own))
        if failure is not None:
            failures.append(failure)
        elif found.validity == "invalid":
            doubts += [_of(role, one) for one in found.validity_reasons if one.level == "invalid"]
    verdict = "failed" if failures else "invalid" if doubts else verdict_on(metrics, gate)
    doubts += [
        control_reason(one, gate) for one in metrics if control_moved(one.control, gate.min_change)
    ]
    reasons = (*failures, *doubts)
    return CellVerdict(cell.key, verdict, blocks, left_out, tuple(metrics), reasons)


def with_p99(report: AbReport, plan: Plan, trials: Sequence[Trial]) -> AbReport:
    """The report with the p99 of each cell, which is shown and never gated: tails are too noisy."""
    cells = {planned.cell.sideless.key: planned.cell.sideless for planned in plan.cells}
    return msgspec.structs.replace(
        report,
        cells=tuple(_with_p99(verdict, cells[verdict.cell], trials) for verdict in report.cells),
    )


def _with_p99(verdict: CellVerdict, cell: Cell, trials: Sequence[Trial]) -> CellVerdict:
    effects = block_effects(usable_blocks(trials, cell)[0], "response_time_p99_s")
    if not effects:
        return verdict
    shown = measured("response_time_p99_s", effects, CONFIDENCE)
    return msgspec.structs.replace(verdict, metrics=(*verdict.metrics, shown))


def gate_of(plan: Plan) -> Gate:
    """The gate of a plan that has one."""
    assert plan.gate is not None
    return plan.gate


def _of(role: Role, reason: Reason) -> Reason:
    return msgspec.structs.replace(reason, text=f"{SIDES[role]}: {reason.text}")
