"""A run with all kinds of cells: usable, invalid, failed, skipped, and one with a hostile name."""

import pytest

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.model import Cell, OpenLoop, PlannedCell, Run, Trial
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    failed,
    planned_cells,
    synthetic_run,
    with_errors,
)

HOSTILE = "evil\"\\\n<b>&'{},\x1b[31m;\uffff=\u2028"
ROUNDS = 3


@pytest.fixture(scope="session")
def exported_run() -> Run:
    """What is exported: closed and open loops and sweeps of five servers."""
    loads = (CLOSED_64, OpenLoop(500), OPEN_AND_SWEEP[-1])
    wanted = ("uvicorn", "granian", "daphne", "gunicorn-asgi")
    cells = [
        cell
        for cell in planned_cells(loads, worker_counts=(1,))
        if cell.cell.server in wanted and cell.cell.variant == "default"
    ]
    hostile = PlannedCell(Cell(HOSTILE, "default", 1, "hello", CLOSED_64), command=("x",))
    return synthetic_run((*map(_planned, cells), hostile), rounds=ROUNDS, edit=_spoil)


def _planned(cell: PlannedCell) -> PlannedCell:
    if cell.cell.server != "gunicorn-asgi":
        return cell
    return PlannedCell(cell.cell, skip_reason="not installed: pip install 'gunicorn'")


def _spoil(trial: Trial) -> Trial:
    match trial.cell.split("/")[0]:
        case "granian":
            return with_errors(trial, 0.02)
        case "daphne":
            return failed(trial, "exited with 1: \x1b[31m<OSError> & more\x1b[0m")
    return trial


@pytest.fixture(scope="session")
def subject(exported_run: Run) -> Survey:
    """The run with its report."""
    return survey(exported_run)
