"""Plans over setups: every cell once for each; an A/B is one with a gate."""

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import msgspec

from asgi_bench.definitions.app_import import AppFault
from asgi_bench.definitions.blocks import in_blocks
from asgi_bench.definitions.folders import runner_folders
from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.definitions.servers import by_reference, load_servers
from asgi_bench.errors import BenchError
from asgi_bench.model import Gate, Plan, PlannedCell, Setup

SelectionT = TypeVar("SelectionT", bound=Selection)

# Evens out the size of argv and environment, which shift a process' stack and with it its speed
# (Mytkowicz et al., ASPLOS 2009).
PADDING = "ASGI_BENCH_PADDING"
# Of each word beside its letters: the byte that ends it, and the address of it.
_WORD_BYTES = 1 + 8
# What is compared unless the user says more: one cell, of the server that is the reference.
DEFAULT_VARIANTS = ("default",)
DEFAULT_WORKERS = (1,)


def plan_over(selection: Selection, setups: Sequence[Setup]) -> Plan:
    """Return the plan of a selection over setups, in their order; `selection` is common to all.

    The setups of a cell are up in one block, and it has the names that the first one gives it.
    With a block size, that many servers are up at once, whatever their setup.

    Raises:
        UsageError: as `load_plan`.
        BenchError: the app can be imported under the first setup, and not under another.
    """
    found: list[Plan] = []
    for place, setup in enumerate(setups):
        # A control is planned as what it controls: an app is imported once.
        alike = (
            plan
            for other, plan in zip(setups, found, strict=False)
            if msgspec.structs.replace(other, name=setup.name) == setup
        )
        found.append(next(alike, None) or _plan_of(selection, setup, is_first=place == 0))
    cells = [
        planned
        for same in zip(*(plan.cells for plan in found), strict=True)
        for planned in _named_cells(setups, same)
    ]
    # The first that bears it is the first setup's.
    settings = (
        planned.cell.setting
        for planned in cells
        if planned.cell.without_setup.setting == found[0].reference
    )
    reference = next(settings, None)
    return msgspec.structs.replace(
        found[0],
        cells=in_blocks(cells, reference, selection.block_size),
        reference=reference,
        setups=tuple(
            _with_app(setup, selection, plan) for setup, plan in zip(setups, found, strict=True)
        ),
    )


def plan_over_interpreters(selection: Selection, setups: Sequence[Setup]) -> Plan:
    """Return the plan of a selection over interpreters; each server has to prove which it runs.

    Raises as `plan_over`.
    """
    plan = plan_over(selection, setups)
    version_of = {setup.name: setup.python_version for setup in setups}
    cells = (
        msgspec.structs.replace(
            planned, proves={**planned.proves, "python": version_of[planned.cell.setup or ""]}
        )
        for planned in plan.cells
    )
    return msgspec.structs.replace(plan, cells=tuple(cells))


def _plan_of(selection: Selection, setup: Setup, *, is_first: bool) -> Plan:
    """The plan under one setup.

    An app that the first setup can't import as it is was named wrongly; under any other it's
    broken.
    """
    try:
        return load_plan(_under(selection, setup))
    except AppFault as fault:
        if is_first and setup.commit is None:
            raise
        told = BenchError(f"{setup.name} ({setup.description}): {fault}")
        told.account = fault.account
        raise told from None


def _under(selection: Selection, setup: Setup) -> Selection:
    """The selection with what a setup adds to it."""
    own, stand_in = selection.own_app, None
    app_dir = Path.cwd() if setup.app_dir is None else Path(setup.app_dir)
    working_dir = app_dir if setup.working_dir is None else Path(setup.working_dir)
    if own is not None:
        own = msgspec.structs.replace(
            own,
            target=setup.app or own.target,
            app_dir=own.app_dir if setup.app_dir is None else app_dir,
            working_dir=own.working_dir if setup.app_dir is None else working_dir,
        )
    elif setup.app is not None:
        stand_in = (setup.app, app_dir, working_dir)
    return msgspec.structs.replace(
        selection,
        interpreters=(setup.python,),
        server_args=(*selection.server_args, *setup.server_args),
        env={**selection.env, **setup.env},
        own_app=own,
        stand_in=stand_in,
    )


def _with_app(setup: Setup, selection: Selection, plan: Plan) -> Setup:
    """The setup with its app and folder by name, where they are the same under all setups too."""
    own = selection.own_app
    shared = ", ".join(dict.fromkeys(scenario.app for scenario in plan.scenarios))
    folder = str(own.app_dir) if own is not None else plan.cells[0].working_dir
    return msgspec.structs.replace(
        setup,
        app=setup.app or (shared if own is None else own.target),
        app_dir=setup.app_dir or folder,
    )


def _named_cells(setups: Sequence[Setup], same: Sequence[PlannedCell]) -> list[PlannedCell]:
    """One cell under each setup, with environments that make argv and environment as long."""
    first = same[0]
    sizes = [_size(planned) for planned in same]
    return [
        msgspec.structs.replace(
            planned,
            cell=msgspec.structs.replace(first.cell, setup=setup.name),
            env={**planned.env, PADDING: "x" * (max(sizes) - size)},
        )
        for setup, planned, size in zip(setups, same, sizes, strict=True)
    ]


def _size(planned: PlannedCell) -> int:
    # The program's path is there once more, in the auxiliary vector.
    words = (*planned.command, planned.command[0], planned.working_dir)
    letters = sum(len(os.fsencode(word)) for word in (*words, *planned.env, *planned.env.values()))
    return letters + _WORD_BYTES * (len(planned.command) + len(planned.env))


def load_ab_plan(selection: Selection, baseline: Setup, candidate: Setup, gate: Gate) -> Plan:
    """Return the plan of an A/B; `selection` is what both sides share.

    The control is a second process of the baseline. Cells that can be measured on neither side
    are left out.

    Raises:
        UsageError: as `plan_over`.
        BenchError: as `plan_over`; or a cell can only be measured on one side, or none on any.
    """
    chosen = compared_by_default(selection)
    control = msgspec.structs.replace(baseline, name="control")
    plan = plan_over(chosen, (baseline, control, candidate))
    # Neither side is in other blocks than its own.
    cells = in_blocks(_measurable(plan.cells), None, selection.block_size)
    return msgspec.structs.replace(plan, cells=cells, reference=cells[0].cell.setting, gate=gate)


def compared_by_default(selection: SelectionT) -> SelectionT:
    """A selection that compares one cell, unless the user chose more."""
    return msgspec.structs.replace(
        selection,
        servers=selection.servers or _reference_server(selection.runner_folders),
        variants=selection.variants or DEFAULT_VARIANTS,
        workers=selection.workers or DEFAULT_WORKERS,
    )


def _reference_server(folders: Sequence[Path]) -> tuple[str, ...]:
    """The server that others are compared with; none where no runner file says so."""
    return tuple(by_reference(load_servers(runner_folders(folders)).values())[:1])


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
