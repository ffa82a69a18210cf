"""Held streams: what they take while they are open, and what is left when all clients have gone."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from asgi_bench.load.generator import Look
from asgi_bench.machine.clocks import cpu_s_by_process
from asgi_bench.machine.sockets import descriptors, held_connections
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Leftovers, OpenStreams, Request
from asgi_bench.serving.asking import ask_each, distinct
from asgi_bench.serving.faults import ServerFault

# So long servers have to notice that clients have gone, and apps to end.
AFTER_S = 5.0
# The last part of it, in which CPU time is read: who has noticed is idle by then.
IDLE_S = 1.0
# From the beginning of a stretch on, in which each stream lasts a second, say.
LOOK_EVERY_S = 0.2
LOOKS = 3


class Running(msgspec.Struct, frozen=True):
    """How many streams the app runs in the process that responds."""

    pid: int
    streams: int


def look_at_open(server: RunningServer, trial: TrialBuilder) -> Look | None:
    """What to do in a stretch of load that isn't measured, if it is of held streams.

    Records the moment with the most streams at once; among equals, the last.
    """
    if not server.holds_streams:
        return None

    def act() -> None:
        pids = server.process.pids
        connections = held_connections(server.process.endpoint, pids)
        now_bytes = server.memory.read(pids)
        if connections is None or now_bytes is None:
            return
        trial.note_open_streams(OpenStreams(connections, now_bytes))

    return Look(act, LOOK_EVERY_S, LOOKS)


def look_for_leftovers(
    servers: Sequence[RunningServer], timeout_s: float, after_s: float = AFTER_S
) -> None:
    """Wait once for all servers that held streams, and record what each of them has left.

    All their clients have just gone.
    """
    gone_s = time.monotonic()
    held = [server for server in servers if server.is_ready and server.holds_streams]
    if not held:
        return
    time.sleep(max(0.0, after_s - IDLE_S))
    before = [_used(server) for server in held]
    time.sleep(max(0.0, gone_s + after_s - time.monotonic()))
    # Who is asked opens connections: of all servers everything else is read before.
    for server, earlier in zip(held, before, strict=True):
        if server.process.pids:
            server.leftovers = _leftovers(server, earlier, gone_s)
    for server in held:
        if server.leftovers is not None:
            streams = _running(server, timeout_s)
            server.leftovers = msgspec.structs.replace(server.leftovers, streams=streams)


class _Used(NamedTuple):
    """CPU time of each process, and when that was read."""

    at_s: float
    cpu_s: dict[int, float]


def _used(server: RunningServer) -> _Used:
    return _Used(time.monotonic(), cpu_s_by_process(server.process.pids))


def _leftovers(server: RunningServer, earlier: _Used, gone_s: float) -> Leftovers:
    now, pids = _used(server), server.process.pids
    common = now.cpu_s.keys() & earlier.cpu_s.keys()
    used_s = sum(now.cpu_s[pid] - earlier.cpu_s[pid] for pid in common)
    pss_bytes, idle_bytes = server.memory.read(pids), server.pss_idle_bytes
    return Leftovers(
        after_s=round(now.at_s - gone_s, 3),
        connections=held_connections(server.process.endpoint, pids),
        descriptors=_more_descriptors(server, pids),
        pss_kept_bytes=None if pss_bytes is None or idle_bytes is None else pss_bytes - idle_bytes,
        cpu_share=round(used_s / (now.at_s - earlier.at_s), 6),
    )


def _more_descriptors(server: RunningServer, pids: Sequence[int]) -> int | None:
    """How many have come since it was ready, in the processes that stood then."""
    now, idle = descriptors(set(pids) & set(server.pids)), server.descriptors_idle
    return None if now is None or idle is None else (now - idle).total()


def _running(server: RunningServer, timeout_s: float) -> int | None:
    """How many streams the app runs in all processes that answer; None where it can't tell."""
    stream = server.scenario.stream
    if stream is None or stream.running_at is None:
        return None
    asked = Request("running", path=stream.running_at)
    workers = server.cells[0].cell.workers
    try:
        told = ask_each(server.process.endpoint, workers, lambda _: asked, Running, timeout_s)
    except ServerFault:
        return None
    return sum(one.streams for one in distinct(told))
