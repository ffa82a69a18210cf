"""What an A/B shows and doesn't judge: p99, for tails are too noisy, and memory of older runs."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from asgi_bench.analysis.ab.block_effects import (
    block_effects,
    is_baseline_overloaded,
    usable_blocks,
)
from asgi_bench.analysis.ab.rule import measured
from asgi_bench.analysis.intervals import CONFIDENCE
from asgi_bench.analysis.percentiles import Histogram, quantile_s
from asgi_bench.analysis.pooling import merged
from asgi_bench.analysis.sample_sizes import few_samples
from asgi_bench.analysis.validity.cell import MIN_USABLE_SHARE
from asgi_bench.model import (
    RESPONSE_TIME,
    AbReport,
    Cell,
    CellVerdict,
    Effect,
    MetricVerdict,
    Plan,
    Reason,
    Role,
    Trial,
)
from asgi_bench.model.metrics import MEMORY, P99

QUANTILE = 0.99
PLAIN_MEMORY = msgspec.structs.replace(MEMORY, gating=None)


def with_shown(report: AbReport, plan: Plan, trials: Sequence[Trial]) -> AbReport:
    """The report with the p99 of each cell, or why there is none, and memory that isn't judged.

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
