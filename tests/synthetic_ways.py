"""A run in which each `default` was asked by HTTP/1.1 and HTTP/2, over TCP, TLS and a path."""

from itertools import product

import msgspec

from asgi_bench.model import PlannedCell, Run, Trial
from tests.synthetic_run import planned_cells, synthetic_run

# Answers over those by HTTP/1.1 over TCP.
RATIOS = {"hello+tls": 0.8, "hello+unix": 1.1, "hello+h2": 0.6, "hello+h2+tls": 0.5}
NO_HTTP2 = "does not speak HTTP/2"


def ways_run(rounds: int = 6) -> Run:
    """Uvicorn speaks no HTTP/2; the others get slower and faster by `RATIOS`."""
    cells = [
        _asked_by(planned, http, transport)
        for planned in planned_cells(worker_counts=(1,))
        for http, transport in product(("1", "2"), ("tcp", "tls", "unix"))
        if planned.cell.variant == "default" and (http, transport) != ("2", "unix")
    ]
    return synthetic_run(tuple(cells), rounds=rounds, edit=_as_fast)


def _asked_by(planned: PlannedCell, http: str, transport: str) -> PlannedCell:
    replace = msgspec.structs.replace
    cell = replace(planned.cell, http=http, transport=transport)
    is_skipped = http == "2" and cell.server == "uvicorn"
    return replace(planned, cell=cell, skip_reason=NO_HTTP2 if is_skipped else None)


def _as_fast(trial: Trial) -> Trial:
    """For as much CPU time so many answers as the way has it."""
    ratio = RATIOS.get(trial.cell.split("/")[3], 1.0)
    replace = msgspec.structs.replace
    pieces = tuple(
        replace(piece, requests=int(piece.requests * ratio), sent=int(piece.sent * ratio))
        for piece in trial.slices
    )
    return replace(trial, slices=pieces, requests=sum(piece.requests for piece in pieces))
