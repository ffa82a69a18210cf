"""SIGTERM in the middle of load: what becomes of the requests, and how the server ends."""

import time

from asgi_bench.measurement.behaviours.siege import Siege
from asgi_bench.measurement.standing import StandingServer
from asgi_bench.model import GracefulStop

# Orchestrators kill after 10 s (docker) to 30 s (Kubernetes); the shipped runners set 3 s at most.
LIMIT_S = 10.0


def watch_stop(siege: Siege, server: StandingServer, connections: int) -> GracefulStop:
    """Load a server, stop it in the middle of that, and tell what was lost.

    The signal goes to the processes that were started, and to no worker: so does that of whoever
    supervises a container. Raises LoadFault.
    """
    process = server.process
    siege.open(connections, warmup_s=0.0)
    account = siege.endure(
        lambda: process.request_stop(roots_only=True), process.poll_stop, LIMIT_S
    )
    report = process.finish_stop(time.monotonic())
    siege.close()
    return GracefulStop(
        connections=connections,
        # In a closed loop every connection has a request under way at any moment.
        in_flight=connections,
        in_flight_lost=account.in_flight_lost,
        sent=account.sent,
        answered=account.answered,
        losses=account.losses,
        losses_before=account.before,
        stop_s=report.duration_s if account.over_s is None else account.over_s,
        limit_s=LIMIT_S,
        was_killed=report.was_killed,
        exit_code=None if report.was_killed else report.exit_code,
    )
