"""From a selection and two sides to the plan of an A/B: every cell once for each side."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from asgi_bench.definitions.app_import import AppFault
from asgi_bench.definitions.plan import draw_seed, load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.errors import BenchError
from asgi_bench.model import ROLES, Cell, Gate, Plan, PlannedCell, Role, Setup

# What is compared unless the user says more: one cell.
DEFAULT_SERVERS = ("uvicorn",)
DEFAULT_VARIANTS = ("default",)
DEFAULT_WORKERS = (1,)
# Evens out the size of argv and environment, which shift a process' stack and with it its speed
# (Mytkowicz et al., ASPLOS 2009).
PADDING = "ASGI_BENCH_PADDING"


def load_ab_plan(selection: Selection, baseline: Setup, candidate: Setup, gate: Gate) -> Plan:
    """Return the plan of an A/B; `selection` holds what is the same on both sides.

    The control is a second process of the baseline. Cells that can be measured on neither side
    are left out.

    Raises:
        UsageError: as `load_plan`.
        BenchError: a cell can be measured on one side alone, or none on any; or the app can't be
            imported on a side that is not the plain baseline.
    """
    chosen = _with_defaults(selection)
    of_baseline, of_candidate = (_plan_of(chosen, side) for side in (baseline, candidate))
    baseline = _named(baseline, chosen, of_baseline)
    candidate = _named(candidate, chosen, of_candidate)
    pairs = _measurable(of_baseline.cells, of_candidate.cells)
    cells: list[PlannedCell] = []
    for ours, theirs in pairs:
        both = {"baseline": ours, "control": ours, "candidate": theirs}
        cells += _padded([_as(role, both[role], ours.cell) for role in ROLES])
    return msgspec.structs.replace(
        of_baseline,
        cells=tuple(cells),
        reference=cells[0].cell.setting,
        setups=(baseline, msgspec.structs.replace(baseline, name="control"), candidate),
        gate=gate,
    )


def _named(side: Setup, selection: Selection, plan: Plan) -> Setup:
    """The side with its app and folder by name, where they are the same on both sides too."""
    own = selection.own_app
    shared = ", ".join(dict.fromkeys(scenario.app for scenario in plan.scenarios))
    folder = str(own.app_dir) if own is not None else plan.cells[0].working_dir
    return msgspec.structs.replace(
        side,
        app=side.app or (shared if own is None else own.target),
        app_dir=side.app_dir or folder,
    )


def _plan_of(selection: Selection, side: Setup) -> Plan:
    """The plan of one side.

    An app that the plain baseline can't import was named wrongly; on any other side it's broken.
    """
    try:
        return load_plan(_on_side(selection, side))
    except AppFault as fault:
        if side.name == "baseline" and side.commit is None:
            raise
        told = BenchError(f"{side.name} ({side.description}): {fault}")
        told.account = fault.account
        raise told from None


def _with_defaults(selection: Selection) -> Selection:
    return msgspec.structs.replace(
        selection,
        servers=selection.servers or DEFAULT_SERVERS,
        variants=selection.variants or DEFAULT_VARIANTS,
        workers=selection.workers or DEFAULT_WORKERS,
        seed=draw_seed() if selection.seed is None else selection.seed,
    )


def _on_side(selection: Selection, side: Setup) -> Selection:
    """The selection with what one side adds to it."""
    own, stand_in = selection.own_app, None
    app_dir = Path.cwd() if side.app_dir is None else Path(side.app_dir)
    working_dir = app_dir if side.working_dir is None else Path(side.working_dir)
    if own is not None:
        own = msgspec.structs.replace(
            own,
            target=side.app or own.target,
            app_dir=own.app_dir if side.app_dir is None else app_dir,
            working_dir=own.working_dir if side.app_dir is None else working_dir,
        )
    elif side.app is not None:
        stand_in = (side.app, app_dir, working_dir)
    return msgspec.structs.replace(
        selection,
        python=side.python,
        server_args=(*selection.server_args, *side.server_args),
        env={**selection.env, **side.env},
        own_app=own,
        stand_in=stand_in,
    )


def _measurable(
    ours: Sequence[PlannedCell], theirs: Sequence[PlannedCell]
) -> list[tuple[PlannedCell, PlannedCell]]:
    pairs = []
    reasons = []
    for baseline, candidate in zip(ours, theirs, strict=True):
        skipped = {"baseline": baseline.skip_reason, "candidate": candidate.skip_reason}
        told = [f"{side}: {reason}" for side, reason in skipped.items() if reason is not None]
        if not told:
            pairs.append((baseline, candidate))
        elif len(told) == 1:
            raise BenchError(f"{baseline.cell.key} can't be measured on both sides: {told[0]}")
        else:
            reasons.append(f"{baseline.cell.key}: {baseline.skip_reason}")
    if not pairs:
        raise BenchError(f"nothing can be measured: {'; '.join(reasons)}")
    return pairs


def _as(role: Role, planned: PlannedCell, cell: Cell) -> PlannedCell:
    """A cell of one side: all are up in one block, and bear the baseline's name."""
    return msgspec.structs.replace(
        planned, cell=msgspec.structs.replace(cell, setup=role), blocks=planned.blocks[:1]
    )


def _padded(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """The cells with environments that make argv and environment as long on every side."""
    sizes = [_size(planned) for planned in cells]
    return [
        msgspec.structs.replace(planned, env={**planned.env, PADDING: "x" * (max(sizes) - size)})
        for planned, size in zip(cells, sizes, strict=True)
    ]


def _size(planned: PlannedCell) -> int:
    # The program's path is there once more, in the auxiliary vector.
    words = (*planned.command, planned.command[0], planned.working_dir)
    return sum(len(os.fsencode(word)) for word in (*words, *planned.env, *planned.env.values()))
