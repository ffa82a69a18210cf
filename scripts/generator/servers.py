"""Servers that load generators are compared on, each on one CPU, its files in a folder."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.machine.affinity import move
from asgi_bench.machine.ports import free_endpoint, is_free
from asgi_bench.machine.processes import tree_pids
from asgi_bench.model import HOST, Cell, ClosedLoop, Endpoint, Scenario
from asgi_bench.model.endpoint import HttpVersion, Protocol, Transport
from asgi_bench.serving.expectation import answer_of
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess
from generator.slices import CONNECTIONS, REQUEST_TIMEOUT_S

PEERS = Path(__file__).parent.parent / "peers"
START_S = 20.0
# nginx is three processes: the script that holds its files, its master, and the worker.
NGINX_PROCESSES = 3
SCENARIO = Scenario(name="constant", app="", expect_body="Hello, world!")
TLS_CELL = Cell("nginx", "default", 1, "constant", ClosedLoop(CONNECTIONS), transport="tls")

Server = tuple[Endpoint, tuple[int, ...]]


@contextmanager
def nginx(folder: Path, cpu: int, chance: random.Random, protocol: Protocol) -> Iterator[Server]:
    """Run an nginx of one worker that answers a constant."""
    endpoint = msgspec.structs.replace(free_endpoint(chance), protocol=protocol)
    with _nginx(folder, cpu, endpoint, *(["http2"] if protocol == "http2" else [])) as server:
        yield server


@contextmanager
def nginx_over_tls(folder: Path, cpu: int, chance: random.Random) -> Iterator[Server]:
    """Run the same over TLS, with a certificate of its own."""
    with Places() as places:
        place = places.place(TLS_CELL, chance)
        files = [place.fill["{cert}"], place.fill["{key}"]]
        with _nginx(folder, cpu, place.endpoint, "tls", *files) as server:
            yield server


@contextmanager
def null_echo(folder: Path, cpu: int, chance: random.Random, answer_bytes: int) -> Iterator[Server]:
    """Run the server that answers over HTTP/1.1 and WebSocket with as many bytes."""
    endpoint = free_endpoint(chance)
    argv = [sys.executable, "-I", "-S", str(PEERS / "null_echo.py"), HOST, str(endpoint.port)]
    with _started([*argv, str(answer_bytes)], folder, endpoint, cpu) as pids:
        yield endpoint, pids


@contextmanager
def shipped(
    folder: Path,
    cpu: int,
    chance: random.Random,
    name: str,
    http: HttpVersion = "1",
    transport: Transport = "tcp",
) -> Iterator[Server]:
    """Run a shipped server's `default` variant, HTTP/2 over TCP being by prior knowledge."""
    selection = Selection(
        servers=(name,),
        variants=("default",),
        workers=(1,),
        http=(http,),
        transports=(transport,),
    )
    (planned,) = load_plan(selection).cells
    if planned.skip_reason is not None:
        sys.exit(f"{name}: {planned.skip_reason}")
    # It is started from here and inherits this.
    os.sched_setaffinity(0, {cpu})
    with Places() as places:
        place = places.place(planned.cell, chance)
        log_path = folder / f"{name}.log"
        process = ServerProcess(
            planned, endpoint=place.endpoint, log_path=log_path, fill=place.fill
        )
        with process as server:
            _await_answer(name, place.endpoint)
            yield place.endpoint, tuple(server.pids)


def _await_answer(name: str, endpoint: Endpoint) -> None:
    """Return when a server answers rightly; exit where it doesn't in time."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            answer_of(endpoint, SCENARIO, REQUEST_TIMEOUT_S)
            return
        except ServerFault as fault:
            if time.monotonic() > deadline:
                sys.exit(f"{name} did not start: {fault}")
            time.sleep(0.05)


@contextmanager
def _nginx(folder: Path, cpu: int, endpoint: Endpoint, *others: str) -> Iterator[Server]:
    argv = [sys.executable, str(PEERS / "nginx.py"), HOST, str(endpoint.port), "1", *others]
    with _started(argv, folder, endpoint, cpu, NGINX_PROCESSES) as pids:
        yield endpoint, pids


@contextmanager
def _started(
    argv: list[str], folder: Path, endpoint: Endpoint, cpu: int, processes: int = 1
) -> Iterator[tuple[int, ...]]:
    """Run a program until it listens with as many processes, on one CPU; give their pids."""
    file = folder / "server.log"
    with file.open("w") as log:
        process = subprocess.Popen(
            argv,
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_S
        while is_free(endpoint) or len(pids := tree_pids((process.pid,))) < processes:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{argv[1]} did not start: {file.read_text().strip()}")
            time.sleep(0.01)
        move(pids, (cpu,))
        yield pids
    finally:
        process.terminate()
        process.wait(START_S)
