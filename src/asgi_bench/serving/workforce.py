"""How many processes of a server take connections: that is how many workers it has."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence

from asgi_bench.machine.ports import HOST
from asgi_bench.machine.sockets import connection_owners, watchers
from asgi_bench.serving.process import ServerProcess

# An idle listener hands a burst to whoever wakes first: with so many connections for each
# process, and so often, nearly all show.
CONNECTIONS_PER_PROCESS = 8
ASKINGS = 3
_ACCEPT_TIMEOUT_S = 0.5
_POLL_S = 0.01
_START_TIMEOUT_S = 5.0
_START_POLL_S = 0.05
# A master, and the resource tracker of Python's multiprocessing.
_NO_WORKERS = 2


def serving_processes(port: int, pids: Sequence[int], expected: int) -> int:
    """Return how many of a server's processes take connections; 0 where that can't be seen.

    Who waits at the listener is seen at once. More than `expected` may be children that inherited
    what they never use, as of a process pool: then connections are opened to see who takes them.
    """
    waiting = watchers(port, pids)
    if len(waiting) <= expected:
        return len(waiting)
    takers: set[int] = set()
    for _ in range(ASKINGS):
        takers |= _takers(port, pids, CONNECTIONS_PER_PROCESS * len(waiting))
        if len(takers) >= len(waiting):
            break
    # One that got none of so many connections may still be a worker: who is asked for is.
    return max(len(takers), min(expected, len(waiting)))


def await_more(process: ServerProcess, expected: int) -> None:
    """Give processes beyond those expected some time to take connections: they may be workers.

    A server is ready as soon as enough workers accept. Beside them it has a master and a resource
    tracker at most; what else there is may still be starting.
    """
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        pids = process.pids
        likely = len(pids) - _NO_WORKERS
        if likely <= expected or len(watchers(process.port, pids)) >= likely:
            return
        time.sleep(_START_POLL_S)


def _takers(port: int, pids: Sequence[int], count: int) -> set[int]:
    """Who accepts so many connections that are open at the same time."""
    with _connections(port, count) as client_ports:
        deadline_s = time.monotonic() + _ACCEPT_TIMEOUT_S
        while True:
            owners = connection_owners(port, client_ports, pids)
            if not owners.unaccepted or time.monotonic() >= deadline_s:
                return set(owners.by_pid)
            time.sleep(_POLL_S)


@contextlib.contextmanager
def _connections(port: int, count: int) -> Iterator[tuple[int, ...]]:
    """The client ports of connections that send nothing; those that are refused are left out."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            try:
                connection = socket.create_connection((HOST, port), _ACCEPT_TIMEOUT_S)
            except OSError:
                break
            ports.append(stack.enter_context(connection).getsockname()[1])
        yield tuple(ports)
