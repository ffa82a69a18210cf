"""How many processes serve: seen in real ones."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asgi_bench.machine.sockets import watchers
from asgi_bench.model import Scenario
from asgi_bench.serving import worker_count
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.readiness import wait_until_ready
from asgi_bench.serving.worker_count import await_more, serving_processes

TINY = str(Path(__file__).resolve().parents[1] / "servers" / "server.py")
# Its children have the listener and the epoll that it made before it forked, and use neither.
POOL = """
import os, select, socket, sys, time

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
epoll = select.epoll()
epoll.register(listener.fileno(), select.EPOLLIN)
for _ in range(2):
    if not os.fork():
        while True:
            time.sleep(60)
kept = []
while True:
    kept.append(listener.accept()[0])
"""


@pytest.mark.parametrize("count", [1, 3])
def test_every_worker_that_takes_connections_counts(
    make_server: Callable[..., ServerProcess], scenario: Scenario, count: int
) -> None:
    """However many were asked for: more are found, fewer are what they are."""
    command = (sys.executable, "-I", "-S", TINY, "{port}", "--workers", str(count))
    server = make_server(command=command, workers=count)
    server.start()
    wait_until_ready(server, scenario, count, 20)
    for expected in (1, 2, 3):
        assert serving_processes(server.endpoint, server.pids, expected) == count


def test_children_that_inherit_a_listener_are_no_workers(
    make_server: Callable[..., ServerProcess],
) -> None:
    """A process pool has its parent's epoll and listener, and takes no connection."""
    server = make_server(command=(sys.executable, "-I", "-S", "-c", POOL, "{port}"))
    server.start()
    deadline_s = time.monotonic() + 20
    while len(server.pids) < 3:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert len(watchers(server.endpoint, server.pids)) == 3
    assert serving_processes(server.endpoint, server.pids, 1) == 1


def test_a_process_beyond_those_expected_is_given_time(
    make_server: Callable[..., ServerProcess],
    scenario: Scenario,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until it takes connections or time is up; where there is none, nothing is waited for."""
    monkeypatch.setattr(worker_count, "_NO_WORKERS", 1)
    command = (sys.executable, "-I", "-S", TINY, "{port}", "--workers", "3")
    server = make_server(command=command)
    server.start()
    wait_until_ready(server, scenario, 1, 20)
    await_more(server, 1)
    assert len(watchers(server.endpoint, server.pids)) == 3
