"""Ports for servers: free now, and not taken by an outgoing connection a moment later."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from asgi_bench.errors import BenchError
from asgi_bench.machine.processes import PROC
from asgi_bench.machine.sockets import listening_inodes

HOST = "127.0.0.1"

_EPHEMERAL_RANGE = PROC / "sys/net/ipv4/ip_local_port_range"
# Below 10000 live most well-known services; one of them may start while a run lasts.
_LOWEST_PREFERRED = 10_000
_LOWEST_UNPRIVILEGED = 1024
_HIGHEST = 65_535
_ATTEMPTS = 200

_handed_out: set[int] = set()


def ephemeral_range(source: Path = _EPHEMERAL_RANGE) -> tuple[int, int]:
    """First and last port that the kernel gives to outgoing connections by itself."""
    low, high = source.read_text().split()
    return int(low), int(high)


def candidates(low: int, high: int) -> tuple[int, ...]:
    """The ports to draw from, given the ephemeral range.

    Outside it, since the generator's own connections take theirs from it: a port that is free
    when drawn would be in use when the server binds it. Machines tuned to use every port for
    outgoing connections leave no other choice than to draw from the range.
    """
    preferred = tuple(
        port for port in range(_LOWEST_PREFERRED, _HIGHEST + 1) if not low <= port <= high
    )
    if len(preferred) >= _ATTEMPTS:
        return preferred
    outside = tuple(
        port for port in range(_LOWEST_UNPRIVILEGED, _HIGHEST + 1) if not low <= port <= high
    )
    if len(outside) >= _ATTEMPTS:
        return outside
    return tuple(range(_LOWEST_PREFERRED, _HIGHEST + 1))


def is_free(port: int) -> bool:
    """Whether nothing listens on the port at any address and 127.0.0.1 can be bound to it."""
    if listening_inodes(port):
        return False
    with socket.socket() as probe:
        try:
            # Without SO_REUSEADDR: connections of an earlier server that still linger count too.
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(rng: random.Random) -> int:
    """A port that is free on 127.0.0.1 now and that this process was never given before.

    Raises BenchError if none is found.
    """
    choices = candidates(*ephemeral_range())
    for _ in range(_ATTEMPTS):
        port = rng.choice(choices)
        if port not in _handed_out and is_free(port):
            _handed_out.add(port)
            return port
    raise BenchError(
        f"no free port: {_ATTEMPTS} drawn between {choices[0]} and {choices[-1]}, all in use"
    )
