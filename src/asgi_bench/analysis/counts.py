"""What a request takes: a regression of counts on requests, over lives or windows of each layout.

Those of one layout last for the same time, so starting, stopping, importing and timers cost the
same in each; the slope over their requests is free of all these. Layouts are the unit of
repetition: the same server counts the same again, except for a few wake-ups, and a different amount
if its memory is laid out differently.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from asgi_bench.analysis.intervals import linear_interval
from asgi_bench.model import Plan, RunHeader
from asgi_bench.model.counts import (
    EXPLAINING,
    Breakdown,
    CellCounts,
    CountedCell,
    Counter,
    CountFigures,
    CountsReport,
    Life,
    PerRequest,
)

# Of the total: what is smaller isn't told by itself in a report.
LEAST_PART = 1e-4


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """The slope of the least-squares line through points; None if all have the same x."""
    places = np.array([place for place, _ in points], dtype=float)
    values = np.array([value for _, value in points], dtype=float)
    if len(points) < 2:
        return None
    away = places - places.mean()
    squares = float(away @ away)
    return float(away @ (values - values.mean())) / squares if squares else None


def by_layout(lives: Iterable[Life]) -> dict[int, list[Life]]:
    """The counted lives, by layout in order."""
    found: dict[int, list[Life]] = {}
    for life in lives:
        if life.tally is not None:
            found.setdefault(life.layout, []).append(life)
    return dict(sorted(found.items()))


def per_request(lives: Sequence[Life]) -> float | None:
    """What a request takes in one layout; None if its lives or windows have the same requests."""
    return slope([(life.requests, life.tally.total) for life in lives if life.tally is not None])


def layout_estimates(lives: Iterable[Life]) -> dict[int, float]:
    """The estimate of each layout that has one."""
    estimates = {layout: per_request(of_it) for layout, of_it in by_layout(lives).items()}
    return {layout: value for layout, value in estimates.items() if value is not None}


def parts_per_request(lives: Sequence[Life]) -> dict[Breakdown, dict[str, float]]:
    """What a request takes, broken down: the mean over layouts, the largest part first.

    A name that a life doesn't have counts as 0 there.
    """
    layouts = by_layout(lives)
    kinds = {kind for life in lives if life.tally is not None for kind in life.tally.parts}
    return {kind: _parts(layouts, kind) for kind in sorted(kinds)}


def _parts(layouts: Mapping[int, Sequence[Life]], kind: Breakdown) -> dict[str, float]:
    sums: dict[str, list[float]] = {}
    for lives in layouts.values():
        told = [
            (life.requests, life.tally.parts.get(kind, {}))
            for life in lives
            if life.tally is not None
        ]
        for name in dict.fromkeys(name for _, parts in told for name in parts):
            found = slope([(requests, parts.get(name, 0)) for requests, parts in told])
            sums.setdefault(name, []).append(found or 0.0)
    count = len(layouts)
    means = {name: sum(values) / count for name, values in sums.items()}
    return dict(sorted(means.items(), key=lambda item: -abs(item[1])))


def figures_of(lives: Sequence[Life]) -> CountFigures | None:
    """What one counter says about one cell; None if no layout has an estimate."""
    estimates = layout_estimates(lives)
    if not estimates:
        return None
    values = list(estimates.values())
    interval = linear_interval(values)
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else None
    assert interval.value is not None
    return CountFigures(
        counter=lives[0].counter,
        backend=lives[0].backend,
        per_request=PerRequest(interval.value, interval.lower, interval.upper, error),
        parts=_large(parts_per_request(lives), interval.value),
        by_layout=tuple(values),
    )


def _large(
    parts: Mapping[Breakdown, Mapping[str, float]], total: float
) -> dict[Breakdown, dict[str, float]]:
    return {
        kind: {name: value for name, value in named.items() if abs(value) >= LEAST_PART * total > 0}
        for kind, named in parts.items()
    }


def counted_cell(key: str, lives: Sequence[Life], server_version: str | None = None) -> CountedCell:
    """What all counters say about one cell; failed if one of its lives did."""
    mine = [life for life in lives if life.cell == key]
    judging = [life for life in mine if life.counter not in EXPLAINING]
    reason = next((life.reason for life in judging if life.reason is not None), None)
    counters: list[Counter] = list(dict.fromkeys(life.counter for life in mine))
    found = [
        figures
        for one in counters
        if (figures := figures_of([life for life in mine if life.counter == one])) is not None
        or one not in EXPLAINING
    ]
    told = tuple(one for one in found if one is not None)
    return CountedCell(
        cell=key,
        outcome="ok" if reason is None and all(found) and found else "failed",
        reason=reason or (None if found else "it was not counted"),
        server_version=server_version,
        counts=_cell_counts({one.counter: one for one in told}),
        figures=told,
    )


def _cell_counts(figures: Mapping[Counter, CountFigures]) -> CellCounts | None:
    instructions, calls = figures.get("instructions"), figures.get("syscalls")
    leading = instructions or calls
    if leading is None:
        return None
    return CellCounts(
        instructions=instructions.per_request if instructions else None,
        syscalls=calls.per_request if calls else None,
        by_object=instructions.parts.get("object", {}) if instructions else {},
        syscalls_by_name=calls.parts.get("name", {}) if calls else {},
        backend=leading.backend,
    )


NOTES = (
    "Counts never rank servers: fewer instructions do not mean proportionally more speed. "
    "Compare a count only with the same server and app before and after a change.",
    "Instructions are counted in user mode only. They miss work in the kernel, waiting, cache "
    "and branch misses, and threads that run in parallel or block each other. System calls are "
    "listed separately, without those in which a server waits.",
    "Per request: the difference of two counts that differ only in the number of requests, so "
    "start-up, imports, timers and shutdown are left out. Intervals are over memory layouts.",
)


def counts_report(header: RunHeader, lives: Sequence[Life]) -> CountsReport:
    """All that a run counted, by cell, in the plan's order."""
    cells = []
    for planned in header.plan.cells:
        if planned.skip_reason is not None:
            cells.append(CountedCell(planned.cell.key, "skipped", planned.skip_reason))
        elif planned.cell.setup != "control":
            cells.append(counted_cell(planned.cell.key, lives, planned.server_version))
    return CountsReport(
        run=header.run_id,
        label=header.label,
        started_at=header.started_at,
        tool_version=header.tool_version,
        machine=header.machine,
        cells=tuple(cells),
        notes=(*_added(header.plan), *NOTES),
    )


def _added(plan: Plan) -> Iterator[str]:
    """Which servers were started otherwise than where they are timed."""
    for planned in plan.cells:
        if planned.skip_reason is None and planned.added_to_count:
            yield (
                f"{planned.cell.key} was counted with {shlex.join(planned.added_to_count)}, as "
                "its runner file states."
            )
