"""What became of a server's workers under load: recycled ones have others in their place."""

import time
from collections.abc import Collection
from typing import NamedTuple

from asgi_bench.machine.sockets import watchers
from asgi_bench.serving.process import ServerProcess

# Masters look for workers that ended every half second (uvicorn) or second (gunicorn); then the
# new one has to import the app.
REPLACEMENT_S = 3.0
POLL_S = 0.05


class WorkerFate(NamedTuple):
    """Of the workers that stood before the load: how many were lost, how many replaced."""

    lost: int = 0
    replaced: int = 0


def worker_fate(
    process: ServerProcess, worker_pids: Collection[int], ready_pids: Collection[int]
) -> WorkerFate:
    """Look which workers are gone, and whether others accept in their place.

    One that is about to be recycled itself accepts no more: as many processes as stood when the
    server was ready (`ready_pids`) will do.

    One that takes the place of another just now is waited for, as long as the server's own first
    process lives.
    """
    deadline_s = time.monotonic() + REPLACEMENT_S
    while True:
        live = set(process.pids)
        gone = set(worker_pids) - live
        if not gone:
            return WorkerFate()
        accepting = watchers(process.endpoint, live) | (set(worker_pids) & live)
        fewer = min(len(worker_pids) - len(accepting), len(ready_pids) - len(live))
        lost = min(len(gone), max(0, fewer))
        if not lost or not process.is_alive or time.monotonic() >= deadline_s:
            return WorkerFate(lost, len(gone) - lost)
        time.sleep(POLL_S)
