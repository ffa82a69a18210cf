"""A run in which the order turns over: granian behind uvicorn over 64 connections, not over 256."""

import msgspec

from asgi_bench.model import ClosedLoop, Run, Trial
from tests.synthetic_run import CLOSED_64, planned_cells, synthetic_run

GRANIAN = "granian/default/w1/hello"
CLOSED_256 = ClosedLoop(256)
# Of what granian would do over 64 connections; over 256 it does all of it.
HELD_UP = 0.5


def turning_run(rounds: int = 6) -> Run:
    """Every variant over 64 connections, each `default` over 256 too; granian's threads meet."""
    cells = tuple(
        planned
        for planned in planned_cells((CLOSED_64, CLOSED_256), worker_counts=(1,))
        if planned.cell.variant == "default" or planned.cell.load == CLOSED_64
    )
    return synthetic_run(cells, rounds=rounds, edit=_held_up)


def _held_up(trial: Trial) -> Trial:
    """Of granian over 64 connections: half the answers for as much CPU time, and many switches."""
    if not (trial.cell.startswith("granian/") and trial.cell.endswith("/c64")):
        return trial
    replace = msgspec.structs.replace
    pieces = tuple(
        replace(piece, requests=int(piece.requests * HELD_UP), sent=int(piece.sent * HELD_UP))
        for piece in trial.slices
    )
    requests = sum(piece.requests for piece in pieces)
    return replace(
        trial,
        slices=pieces,
        requests=requests,
        voluntary_switches=requests // 2,
        involuntary_switches=requests // 4,
    )
