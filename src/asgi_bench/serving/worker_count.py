"""How many processes of a server take connections: that is how many workers it has."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence

from asgi_bench.machine.sockets import connection_owners, watchers
from asgi_bench.model import Endpoint
from asgi_bench.serving.process import ServerProcess
from asgi_bench.wire.client import Connection, NoAnswer

# Enough for some to be taken at once by whoever is awake.
CONNECTIONS = 8
_ACCEPT_TIMEOUT_S = 0.5
_POLL_S = 0.01
_START_TIMEOUT_S = 5.0
_START_POLL_S = 0.05
# A master, and the resource tracker of Python's multiprocessing.
_NO_WORKERS = 2


def serving_processes(endpoint: Endpoint, pids: Sequence[int], expected: int) -> int:
    """Return how many of a server's processes take connections; 0 if that can't be seen.

    Processes that wait at the listener are seen at once. If more than `expected`, they may be
    children that never use what they inherited, such as a process pool: connections are then opened
    to see who takes them.
    """
    waiting = watchers(endpoint, pids)
    if len(waiting) <= expected:
        return len(waiting)
    takers: set[int] = set()
    with contextlib.ExitStack() as stack:
        while len(takers) < len(waiting):
            found = _takers(endpoint, pids, CONNECTIONS) - takers
            if not found:
                break
            takers |= found
            # An idle listener may give all connections to whoever wakes first, again and again: 24
            # went to one of three workers. Those that are stopped leave the next to the others.
            stack.enter_context(_stopped(found))
    # One that got none of so many connections may still be a worker: who is asked for is.
    return max(len(takers), min(expected, len(waiting)))


@contextlib.contextmanager
def _stopped(pids: Iterable[int]) -> Iterator[None]:
    """Processes that stand still meanwhile: they keep what they hold, and take nothing."""
    try:
        _signal(pids, signal.SIGSTOP)
        yield
    finally:
        _signal(pids, signal.SIGCONT)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def await_more(process: ServerProcess, expected: int) -> None:
    """Give processes beyond those expected some time to take connections: they may be workers.

    A server is ready as soon as enough workers accept. Beside them it has at most a master and a
    resource tracker; anything else may still be starting.
    """
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        pids = process.pids
        likely = len(pids) - _NO_WORKERS
        if likely <= expected or len(watchers(process.endpoint, pids)) >= likely:
            return
        time.sleep(_START_POLL_S)


def _takers(endpoint: Endpoint, pids: Sequence[int], count: int) -> set[int]:
    """Who accepts so many connections that are open at the same time."""
    with _connections(endpoint, count) as client_ports:
        deadline_s = time.monotonic() + _ACCEPT_TIMEOUT_S
        while True:
            owners = connection_owners(endpoint, client_ports, pids)
            if not owners.unaccepted or time.monotonic() >= deadline_s:
                return set(owners.by_pid)
            time.sleep(_POLL_S)


@contextlib.contextmanager
def _connections(endpoint: Endpoint, count: int) -> Iterator[tuple[int, ...]]:
    """The client ports of connections that send nothing; those that are refused are left out."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            try:
                connection = stack.enter_context(Connection(endpoint))
                connection.open(_ACCEPT_TIMEOUT_S)
            except NoAnswer:
                break
            if connection.client_port is not None:
                ports.append(connection.client_port)
        yield tuple(ports)
