"""So many load processes under one master on this machine: what the master costs, and what is lost.

All of them are on loopback, so that the network adds nothing.
"""

import multiprocessing
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from asgi_bench import __version__
from asgi_bench.load.generator import (
    FAR_MASTER,
    FAR_WORKER,
    LoadProcess,
    LoadSession,
    far_arguments,
    slice_arguments,
)
from asgi_bench.load.messages import Load
from asgi_bench.machine.affinity import allowed_cpus, move
from asgi_bench.machine.clocks import process_cpu_s
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.memory import pss_bytes
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.measurement.schedule import HOSTS
from asgi_bench.model import HOST, Endpoint, Scenario
from asgi_bench.model.endpoint import TOKEN_VARIABLE
from asgi_bench.serving.null_server import answer_forever, listen

SCENARIO = Scenario(name="constant", app="", expect_body="Hello, world!")
START_S = 90.0
SLICE_S = HOSTS.shortest_s
LEAD_IN_S = 0.05
# Of all load processes together: little, so that none waits for a CPU.
PACED_RPS = 200.0
CONNECTIONS = 64


class Part(msgspec.Struct, frozen=True):
    """What so many load processes cost their master, in an open loop that leaves CPUs idle."""

    load_processes: int
    start_s: float
    """Until all were let in."""
    survey_s: float
    """To see all clocks, round trips and bandwidths."""
    idle_cpu_share: float
    """The master's CPU time over time while nothing is loaded: heartbeats and reports."""
    slice_cpu_s: tuple[float, ...]
    """The master's CPU time for each slice."""
    overhead_s: tuple[float, ...]
    """The time that each slice took beside its own length, from its order to its reply."""
    late_s: tuple[float, ...]
    """How late the last load process began each slice."""
    pss_bytes: int
    """The master's memory."""


class Scaling(msgspec.Struct, frozen=True):
    """Load processes at their limit, in slices that took turns: throughput and overhead."""

    server_processes: int
    alone_rps: tuple[float, ...]
    """One load process of this machine, without a master."""
    one_rps: tuple[float, ...]
    two_rps: tuple[float, ...]
    alone_overhead_s: tuple[float, ...]
    two_overhead_s: tuple[float, ...]


class Record(msgspec.Struct, frozen=True):
    """One part, and where and when it was measured."""

    measured_at: str
    cpu_model: str
    cpus: int
    fingerprint: str
    tool_version: str
    slice_s: float
    part: Part | None = None
    scaling: Scaling | None = None


def record(*, part: Part | None = None, scaling: Scaling | None = None) -> Record:
    """A part with its circumstances."""
    machine = describe_machine()
    return Record(
        measured_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        cpu_model=machine.cpu_model,
        cpus=len(allowed_cpus()),
        fingerprint=machine.fingerprint,
        tool_version=__version__,
        slice_s=SLICE_S,
        part=part,
        scaling=scaling,
    )


def measure_part(count: int, *, slices: int, idle_s: float) -> Part:
    """Start so many load processes, watch their master idle, and load slices."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(null_servers(1, allowed_cpus()[:1]))
        began_s = time.perf_counter()
        process = stack.enter_context(hosts(count))
        start_s = time.perf_counter() - began_s
        (master,) = process.group_pids
        began_s = time.perf_counter()
        process.survey()
        survey_s = time.perf_counter() - began_s
        before_s = process_cpu_s(master)
        time.sleep(idle_s)
        idle_cpu_share = (process_cpu_s(master) - before_s) / idle_s
        session = opened(process, endpoint, count)
        found = [paced(session, master, number) for number in range(slices)]
        session.close()
        return Part(
            load_processes=count,
            start_s=round(start_s, 3),
            survey_s=round(survey_s, 3),
            idle_cpu_share=round(idle_cpu_share, 5),
            slice_cpu_s=tuple(cpu_s for cpu_s, _, _ in found),
            overhead_s=tuple(overhead_s for _, overhead_s, _ in found),
            late_s=tuple(late_s for _, _, late_s in found),
            pss_bytes=pss_bytes([master]) or 0,
        )


def paced(session: LoadSession, master: int, seed: int) -> tuple[float, float, float]:
    """A slice of an open loop: the master's CPU time, the overhead, and how late it began."""
    before_s, began_s = process_cpu_s(master), time.perf_counter()
    loaded = session.load(Load(session.name, SLICE_S, rate_rps=PACED_RPS, seed=seed))
    took_s = time.perf_counter() - began_s
    late_s = max(host.late_s for host in loaded.by_host)
    length_s = max(SLICE_S, loaded.duration_s)
    return round(process_cpu_s(master) - before_s, 6), round(took_s - length_s, 6), late_s


def measure_scaling(*, slices: int) -> Scaling:
    """One load process without a master, one and two under a master, in turns.

    Where there are CPUs for it, each load process has one and so has each of two servers.
    """
    cpus = allowed_cpus()
    has_room = len(cpus) >= 4
    server_cpus, load_cpus = (cpus[:2], cpus[2:4]) if has_room else (cpus[:1], cpus[1:2] or cpus)
    with ExitStack() as stack:
        endpoint = stack.enter_context(null_servers(len(server_cpus), server_cpus))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        alone = stack.enter_context(LoadProcess(slice_arguments(), log=scratch / "alone.log"))
        alone.greet()
        move(alone.pids, load_cpus[:1])
        processes = {
            "alone": alone,
            "one": stack.enter_context(hosts(1, load_cpus)),
            "two": stack.enter_context(hosts(2, load_cpus)),
        }
        sessions = {
            name: opened(process, endpoint, CONNECTIONS) for name, process in processes.items()
        }
        rates: dict[str, list[float]] = {name: [] for name in sessions}
        overheads: dict[str, list[float]] = {name: [] for name in sessions}
        chance = random.Random(1)
        for _ in range(slices):
            for name in chance.sample(list(sessions), len(sessions)):
                session = sessions[name]
                began_s = time.perf_counter()
                # As a run has it: each slice of a closed loop follows a lead-in.
                led_in = session.load(Load(session.name, LEAD_IN_S, is_lead_in=True))
                loaded = session.load(Load(session.name, SLICE_S))
                took_s = time.perf_counter() - began_s
                rates[name].append(round(loaded.throughput_rps, 1))
                overheads[name].append(round(took_s - led_in.duration_s - loaded.duration_s, 6))
        return Scaling(
            server_processes=len(server_cpus),
            alone_rps=tuple(rates["alone"]),
            one_rps=tuple(rates["one"]),
            two_rps=tuple(rates["two"]),
            alone_overhead_s=tuple(overheads["alone"]),
            two_overhead_s=tuple(overheads["two"]),
        )


def opened(process: LoadProcess, endpoint: Endpoint, connections: int) -> LoadSession:
    """A session whose connections are open, one by one, so that servers share them."""
    session = LoadSession(process, "null", 5.0)
    session.open(SCENARIO, endpoint, connections, warmup_s=0.1)
    return session


@contextmanager
def hosts(count: int, cpus: Sequence[int] = ()) -> Iterator[LoadProcess]:
    """A master with so many load processes, as `run --load-hosts` and `load-worker` start them."""
    port = free_endpoint(random.Random()).port
    variables = {TOKEN_VARIABLE: secrets.token_urlsafe()}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        master = LoadProcess(
            far_arguments(HOST, port, count),
            log=scratch / "master.log",
            env=variables,
            module=FAR_MASTER,
        )
        process = stack.enter_context(master)
        for place in range(count):
            argv = [sys.executable, "-m", FAR_WORKER, HOST, str(port)]
            worker = stack.enter_context(
                subprocess.Popen(argv, env=os.environ | variables, stdout=subprocess.DEVNULL)
            )
            stack.callback(worker.kill)
            if cpus:
                move([worker.pid], [cpus[place % len(cpus)]])
        process.greet(START_S)
        yield process


@contextmanager
def null_servers(count: int, cpus: Sequence[int]) -> Iterator[Endpoint]:
    """So many processes that answer a constant on one listening socket, each on a CPU."""
    endpoint = free_endpoint(random.Random())
    listener = listen(HOST, endpoint.port)
    context = multiprocessing.get_context("fork")
    servers = [
        context.Process(target=answer_forever, args=(listener,), daemon=True) for _ in range(count)
    ]
    try:
        for server, cpu in zip(servers, cpus, strict=False):
            server.start()
            move([server.pid or 0], [cpu])
        yield endpoint
    finally:
        for server in servers:
            server.terminate()
            server.join()
        listener.close()


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)
