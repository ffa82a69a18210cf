"""SIGKILL to a worker in the middle of load: is it replaced, and what does it cost?"""

import os
import signal
from contextlib import suppress

from asgi_bench.machine.sockets import watchers
from asgi_bench.measurement.behaviours.siege import Siege
from asgi_bench.measurement.standing import StandingServer
from asgi_bench.model import WorkerRestart

LIMIT_S = 10.0


class NotApplicable(Exception):
    """There is no worker whose restart could be watched; the text says why."""


def watch_restart(siege: Siege, server: StandingServer, connections: int) -> WorkerRestart:
    """Load a server, kill one of its workers in the middle of that, and tell what was lost.

    Raises NotApplicable for a server without a supervisor, LoadFault.
    """
    process = server.process
    if process.planned.socket_sharing == "inherited":
        raise NotApplicable("it has no supervisor of its own: asgi-bench starts its processes")
    before = watchers(process.endpoint, process.pids)
    workers = sorted(before - set(process.root_pids))
    if not workers:
        raise NotApplicable(
            "a single process serves, and nobody watches over it"
            if before
            else "its workers can't be told from its other processes"
        )
    siege.open(connections, warmup_s=0.0)

    def kill() -> None:
        with suppress(ProcessLookupError):
            os.kill(workers[0], signal.SIGKILL)

    def is_over() -> bool:
        accepting = watchers(process.endpoint, process.pids) - {workers[0]}
        return not process.is_alive or len(accepting) >= len(before)

    account = siege.endure(kill, is_over, LIMIT_S)
    survived = process.is_alive
    siege.close()
    return WorkerRestart(
        workers=len(workers),
        survived=survived,
        limit_s=LIMIT_S,
        sent=account.sent,
        answered=account.answered,
        losses=account.losses,
        replaced_after_s=account.over_s if survived else None,
    )
