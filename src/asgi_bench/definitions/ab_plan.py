"""From a selection and two setups to the plan of an A/B."""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.setups import plan_over
from asgi_bench.errors import BenchError
from asgi_bench.model import Gate, Plan, PlannedCell, Setup

# What is compared unless the user says more: one cell.
DEFAULT_SERVERS = ("uvicorn",)
DEFAULT_VARIANTS = ("default",)
DEFAULT_WORKERS = (1,)


def load_ab_plan(selection: Selection, baseline: Setup, candidate: Setup, gate: Gate) -> Plan:
    """Return the plan of an A/B; `selection` holds what is the same on both sides.

    The control is a second process of the baseline. Cells that can be measured on neither side
    are left out.

    Raises:
        UsageError: as `plan_over`.
        BenchError: as `plan_over`; or a cell can be measured on one side alone, or none on any.
    """
    chosen = msgspec.structs.replace(
        selection,
        servers=selection.servers or DEFAULT_SERVERS,
        variants=selection.variants or DEFAULT_VARIANTS,
        workers=selection.workers or DEFAULT_WORKERS,
    )
    control = msgspec.structs.replace(baseline, name="control")
    plan = plan_over(chosen, (baseline, control, candidate))
    cells = _measurable(plan.cells)
    return msgspec.structs.replace(plan, cells=cells, reference=cells[0].cell.setting, gate=gate)


def _measurable(cells: Sequence[PlannedCell]) -> tuple[PlannedCell, ...]:
    found: list[PlannedCell] = []
    reasons: list[str] = []
    for cell, group in groupby(cells, key=lambda planned: planned.cell.without_setup):
        baseline, control, candidate = group
        told = [
            f"{side.cell.setup}: {side.skip_reason}"
            for side in (baseline, candidate)
            if side.skip_reason is not None
        ]
        if not told:
            found += (baseline, control, candidate)
        elif len(told) == 1:
            raise BenchError(f"{cell.key} can't be measured on both sides: {told[0]}")
        else:
            reasons.append(f"{cell.key}: {baseline.skip_reason}")
    if not found:
        raise BenchError(f"nothing can be measured: {'; '.join(reasons)}")
    return tuple(found)
