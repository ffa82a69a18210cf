"""Ports for servers: free now, and not taken by an outgoing connection a moment later."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from asgi_bench.errors import BenchError
from asgi_bench.machine.processes import PROC
from asgi_bench.machine.sockets import listening_inodes
from asgi_bench.model import HOST, Endpoint

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

    Outside it, because the generator's own connections use it: a port that is free when drawn
    could be in use when the server binds it. Machines that are tuned to use every port for outgoing
    connections leave no choice but to draw from the range.
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


def is_free(endpoint: Endpoint) -> bool:
    """Whether nothing listens on its port at any address, and its own can be bound."""
    if listening_inodes(endpoint):
        return False
    with socket.socket() as probe:
        try:
            # Without SO_REUSEADDR: connections of an earlier server that still linger count too.
            probe.bind(endpoint.address)
        except OSError:
            return False
    return True


def free_endpoint(rng: random.Random, host: str = HOST) -> Endpoint:
    """A port of an address of this machine that is free now and was never returned before.

    Raises BenchError if none is found.
    """
    choices = candidates(*ephemeral_range())
    for _ in range(_ATTEMPTS):
        port = rng.choice(choices)
        endpoint = Endpoint((host, port))
        if port not in _handed_out and is_free(endpoint):
            _handed_out.add(port)
            return endpoint
    raise BenchError(
        f"no free port: {_ATTEMPTS} tries between {choices[0]} and {choices[-1]} were all in use"
    )
