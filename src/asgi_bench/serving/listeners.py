"""The listening sockets of a server: ours to pass on, and whose they are."""

from __future__ import annotations

import socket
import time

from asgi_bench.machine.processes import process_name
from asgi_bench.machine.sockets import holder, listening_inodes
from asgi_bench.model import Endpoint
from asgi_bench.serving.faults import ServerFault

# What uvicorn and gunicorn listen with; it decides for servers that inherit our socket.
BACKLOG = 2048

_POLL_S = 0.01
_PORT_TIMEOUT_S = 1.0


def listening_socket(endpoint: Endpoint) -> socket.socket:
    """A socket that listens there, for servers to inherit; raises ServerFault."""
    listener = socket.socket(socket.AF_INET if endpoint.path is None else socket.AF_UNIX)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(endpoint.address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ServerFault(f"can't listen on {endpoint.label}: {error.strerror}") from error
    return listener


def describe_holder(inodes: set[int]) -> str:
    """Who has one of these sockets, for a message: `nginx (pid 123)`."""
    pid = holder_of(inodes)
    return "a process of another user" if pid is None else f"{process_name(pid)} (pid {pid})"


def holder_of(inodes: set[int]) -> int | None:
    """A process that has one of these sockets; None if none is seen."""
    return next((pid for inode in sorted(inodes) if (pid := holder(inode)) is not None), None)


def listeners_left(endpoint: Endpoint) -> set[int]:
    """Sockets that go on listening for some time, whoever has them.

    The kernel lists a socket for a moment after the last process that had it has ended.
    """
    deadline_s = time.monotonic() + _PORT_TIMEOUT_S
    while left := listening_inodes(endpoint):
        if time.monotonic() >= deadline_s:
            break
        time.sleep(_POLL_S)
    return left
