"""A run whose every text from outside tries to be more than text."""

import msgspec

from asgi_bench.model import PlannedCell, Run
from tests.synthetic_run import failed, make_trial, planned_cells, synthetic_run

replace = msgspec.structs.replace
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x1b[31m&amp;\u202egnp.exe"


def hostile_run() -> Run:
    """Servers, variants, commands, labels, reasons, packages: all of them hostile.

    A cell is measured, one has failed, one is skipped.
    """
    clean = synthetic_run(planned_cells()[:3], rounds=1)
    header = clean.header
    measured, broken, skipped = (_hostile(planned) for planned in header.plan.cells)
    skipped = replace(skipped, skip_reason=HOSTILE)
    scenario = replace(header.plan.scenarios[0], headers={HOSTILE: HOSTILE}, description=HOSTILE)
    plan = replace(header.plan, cells=(measured, broken, skipped), scenarios=(scenario,))
    trial = replace(make_trial(measured.cell, 0, 0), log=f"../{HOSTILE}")
    return replace(
        clean,
        header=replace(
            header,
            label=HOSTILE,
            plan=plan,
            machine=replace(header.machine, cpu_model=HOSTILE, details={HOSTILE: HOSTILE}),
            packages={HOSTILE: HOSTILE},
            command_line=(HOSTILE,),
        ),
        trials=(trial, failed(make_trial(broken.cell, 0, 0), HOSTILE)),
    )


def _hostile(planned: PlannedCell) -> PlannedCell:
    """A planned cell with hostile names."""
    cell = planned.cell
    return replace(
        planned,
        cell=replace(cell, server=f"{cell.server}{HOSTILE}", variant=f"{cell.variant}{HOSTILE}"),
        command=(HOSTILE,),
        env={HOSTILE: HOSTILE},
        server_version=HOSTILE,
    )
