"""The memory of both sides of an A/B, which is shown and never gated, and told where it grew."""

from collections.abc import Sequence

import msgspec

from asgi_bench.analysis.ab_wording import effect_words
from asgi_bench.analysis.block_effects import block_effects, usable_blocks
from asgi_bench.analysis.intervals import CONFIDENCE
from asgi_bench.analysis.regression import measured
from asgi_bench.model import AbReport, Cell, CellVerdict, MetricVerdict, Plan, Reason, Trial

# Two starts of the same differ by a few per cent of a small server; who adds a cache adds more.
MEMORY_MATTERS = 0.1


def with_memory(report: AbReport, plan: Plan, trials: Sequence[Trial]) -> AbReport:
    """The report with the memory of each cell after the load, where it is known."""
    cells = {planned.cell.without_setup.key: planned.cell.without_setup for planned in plan.cells}
    return msgspec.structs.replace(
        report,
        cells=tuple(_with_memory(verdict, cells[verdict.cell], trials) for verdict in report.cells),
    )


def _with_memory(verdict: CellVerdict, cell: Cell, trials: Sequence[Trial]) -> CellVerdict:
    usable, _ = usable_blocks(trials, cell)
    effects = block_effects(usable, "server_pss_bytes")
    if not effects:
        return verdict
    found = measured("server_pss_bytes", effects, CONFIDENCE)
    reasons = (_reason(found),) if _matters(found) else ()
    return msgspec.structs.replace(
        verdict, metrics=(*verdict.metrics, found), reasons=(*verdict.reasons, *reasons)
    )


def _matters(found: MetricVerdict) -> bool:
    """Whether all of the interval matters, and the baseline's two processes differ by less."""
    lo, control = found.effect.lo, found.control
    size = 0.0 if control is None else abs(control.d)
    return lo is not None and lo > MEMORY_MATTERS and size < lo


def _reason(found: MetricVerdict) -> Reason:
    text = (
        f"the candidate takes {effect_words(found)}, {found.candidate / 2**20:.1f} MiB where the "
        f"baseline takes {found.baseline / 2**20:.1f} MiB: memory is not gated"
    )
    return Reason("more-memory", "valid", found.effect.d, MEMORY_MATTERS, text)
