"""The verdict on an A/B by counts: the rule of the gate by time, with layouts in place of blocks.

A layout is the same on both sides, and both are counted in it side by side. So the effect of a
layout is the candidate's estimate against the baseline's, and no control is needed: the same server
counts the same again, whatever the machine does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

import msgspec
import numpy as np

from asgi_bench.analysis.ab.differences import pairs_of, side_differences
from asgi_bench.analysis.ab.report import SIDES
from asgi_bench.analysis.ab.rule import (
    RULE_VERSION,
    Estimate,
    detectable,
    effect_of,
    estimate,
    holm_levels,
    judge_effect,
    worst,
)
from asgi_bench.analysis.ab.wording import verdict_line
from asgi_bench.analysis.counts import layout_estimates
from asgi_bench.analysis.explanation import explanations
from asgi_bench.analysis.pairs import holm
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    AbReport,
    Cell,
    CellVerdict,
    Gate,
    MetricVerdict,
    Reason,
    Role,
    RunHeader,
    Verdict,
)
from asgi_bench.model.counts import Explanation, Life
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import COUNTED, least_change

ROLES: tuple[Role, ...] = ("baseline", "candidate")


class _Tested(NamedTuple):
    """One metric of one cell: both sides' estimates by layout, those that both have."""

    cell: Cell
    metric: Metric
    sides: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def effects(self) -> list[float]:
        """The effect of each layout, as the rule takes it."""
        pairs = zip(*self.sides, strict=True)
        if self.metric.is_linear:
            return [candidate - baseline for baseline, candidate in pairs]
        return [log(candidate / baseline) for baseline, candidate in pairs]


def counts_verdict(header: RunHeader, lives: Sequence[Life]) -> AbReport:
    """Judge an A/B by counts from its plan and its lives; raises BenchError if it is none."""
    plan = header.plan
    if plan.gate is None or not plan.setups:
        raise BenchError(f"{header.run_id}: not an A/B run, so there are no sides to compare")
    cells = list(dict.fromkeys(planned.cell.without_setup for planned in plan.cells))
    verdicts = judged_cells(cells, lives, plan.gate)
    sides = {side.name: side for side in plan.setups}
    report = AbReport(
        run=header.run_id,
        rule_version=RULE_VERSION,
        verdict=worst(cell.verdict for cell in verdicts),
        text="",
        min_change=plan.gate.min_change,
        alpha=plan.gate.alpha,
        is_aa=plan.gate.is_aa,
        blocks=len({life.layout for life in lives if life.counter in COUNTED}),
        looks=1,
        looks_taken=1,
        duration_s=max((life.ended_s for life in lives), default=0.0),
        budget_s=plan.gate.budget_s,
        baseline=sides["baseline"],
        candidate=sides["candidate"],
        differences=side_differences(sides["baseline"], sides["candidate"], pairs_of(plan, ())),
        cells=verdicts,
        explanations=tuple(one for cell in cells for one in _explained(cell, lives)),
    )
    return msgspec.structs.replace(report, text=verdict_line(report))


def judged_cells(
    cells: Sequence[Cell], lives: Sequence[Life], gate: Gate
) -> tuple[CellVerdict, ...]:
    """Judge cells, given without their sides, by the lives of both sides of each."""
    tested = [one for cell in cells for one in _tested(cell, lives)]
    judged = _judged(tested, gate)
    return tuple(_cell(cell, tested, judged, lives) for cell in cells)


def _tested(cell: Cell, lives: Iterable[Life]) -> Iterator[_Tested]:
    by_side: dict[tuple[str, str], list[Life]] = {}
    for life in lives:
        by_side.setdefault((life.counter, life.cell), []).append(life)
    for counter, metric in COUNTED.items():
        found: list[Mapping[int, float]] = [
            layout_estimates(by_side.get((counter, _key(cell, role)), ())) for role in ROLES
        ]
        layouts = [layout for layout in found[0] if layout in found[1]]
        if not metric.is_linear:
            layouts = [one for one in layouts if min(side[one] for side in found) > 0]
        if layouts:
            baseline, candidate = (tuple(side[one] for one in layouts) for side in found)
            yield _Tested(cell, metric, (baseline, candidate))


def _key(cell: Cell, role: Role) -> str:
    return msgspec.structs.replace(cell, setup=role).key


def _judged(tested: Sequence[_Tested], gate: Gate) -> list[MetricVerdict]:
    """Judge all metrics of all cells together, by Holm's procedure."""
    # Nothing is trimmed: no neighbour disturbs a count.
    found = [estimate(one.effects, trimmed=0.0) for one in tested]
    ps = [one.p for one in found]
    return [
        _metric(one, of_it, adjusted, level, gate)
        for one, of_it, adjusted, level in zip(
            tested, found, holm(ps), holm_levels(ps, gate.alpha), strict=True
        )
    ]


def _metric(
    one: _Tested, found: Estimate, adjusted: float, level: float, gate: Gate
) -> MetricVerdict:
    metric = one.metric
    baseline, candidate = (_mean(side, metric) for side in one.sides)
    least = least_change(metric, gate) or 0.0
    if metric.is_linear and metric.name in gate.min_changes:
        least *= baseline
    effect = effect_of(found, 1 - level, is_linear=metric.is_linear)
    return MetricVerdict(
        metric=metric.name,
        verdict=judge_effect(effect, least),
        effect=effect,
        blocks=len(one.effects),
        baseline=baseline,
        candidate=candidate,
        p_adjusted=adjusted,
        confidence=1 - level,
        standard_error=found.standard_error,
        # Of a linear metric it's no share, as which the verdict's line would tell it.
        detectable=None if metric.is_linear else detectable(found, 1 - level, least),
        min_change=least,
    )


def _mean(values: Sequence[float], metric: Metric) -> float:
    if metric.is_linear:
        return float(np.mean(values))
    return exp(float(np.mean(np.log(values))))


def _cell(
    cell: Cell, tested: Sequence[_Tested], judged: Sequence[MetricVerdict], lives: Sequence[Life]
) -> CellVerdict:
    metrics = tuple(found for one, found in zip(tested, judged, strict=True) if one.cell == cell)
    failures = tuple(
        Reason("side-failed", "invalid", None, None, f"{SIDES[role]}: {life.reason}")
        for role in ROLES
        if (life := _failed(cell, role, lives)) is not None
    )
    verdict = "failed" if failures else worst(one.verdict for one in metrics if one.verdict)
    return CellVerdict(
        cell=cell.key,
        verdict=verdict,
        blocks=max((one.blocks for one in metrics), default=0),
        blocks_left_out=0,
        metrics=metrics,
        reasons=failures,
    )


def _explained(cell: Cell, lives: Sequence[Life]) -> tuple[Explanation, ...]:
    """Where the sides of a cell differ, if that was asked for."""
    keys = [_key(cell, role) for role in ROLES]
    baseline, candidate = ([life for life in lives if life.cell == key] for key in keys)
    return explanations(cell.key, baseline, candidate)


def _failed(cell: Cell, role: Role, lives: Iterable[Life]) -> Life | None:
    key = _key(cell, role)
    return next(
        (
            life
            for life in lives
            if life.cell == key and life.reason is not None and life.counter in COUNTED
        ),
        None,
    )


def agreement_words(by_counts: Verdict, by_time: Verdict) -> str:
    """What two verdicts on the same two sides mean together."""
    if by_counts == by_time:
        return f"Counts and times agree: {by_counts}."
    told = f"Counts say {by_counts}; times say {by_time}."
    bad = ("regression",)
    if by_counts in bad and by_time in ("pass", "improvement", "undecided"):
        return (
            f"{told} Each request does more work, but either too little to show in time on this "
            "machine today, or something that counts don't see makes up for it."
        )
    if by_time in bad and by_counts in ("pass", "improvement", "undecided"):
        return (
            f"{told} Requests do no more work, so look for what counts don't see: waiting, "
            "locks, work in the kernel, caches and memory."
        )
    return f"{told} The worse verdict stands."
