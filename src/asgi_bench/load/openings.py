"""Connections on their way: begun without waiting, refused, tried again."""

import errno
import os
from collections import deque
from time import perf_counter_ns as clock_ns
from typing import Any

from asgi_bench.load.originals import (
    AF_INET,
    EPOLLERR,
    EPOLLHUP,
    EPOLLOUT,
    NODELAY,
    PENDING_ERROR,
    SOCK_STREAM,
    new_socket,
)
from asgi_bench.load.target import Target
from asgi_bench.load.wrong_answers import Evidence, WrongAnswers

# A refused connection is tried again after this long: a dead server must not be hammered.
RETRY_NS = 10_000_000


class Openings:
    """The connections of a target that are not there yet; refusals count in `errors`."""

    def __init__(
        self, target: Target, epoll: Any, errors: dict[str, int], wrong: WrongAnswers
    ) -> None:
        self._target = target
        self._wrong = wrong
        self._epoll = epoll
        self._errors = errors
        # How long those took that came about.
        self.connect_ns = 0
        self._sockets: dict[int, Any] = {}
        self._since_ns: dict[int, int] = {}
        self._retry_at_ns: deque[int] = deque()

    def __contains__(self, fd: int) -> bool:
        return fd in self._sockets

    def __len__(self) -> int:
        return len(self._sockets) + len(self._retry_at_ns)

    def begin(self) -> None:
        """Begin to open one connection; the epoll tells when it is there or refused."""
        sock = new_socket(AF_INET, SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(*NODELAY)
        code = sock.connect_ex(self._target.endpoint.address)
        if code not in (0, errno.EINPROGRESS):
            self._refuse(sock, code)
            return
        fd = sock.fileno()
        self._sockets[fd] = sock
        self._since_ns[fd] = clock_ns()
        self._epoll.register(fd, EPOLLOUT)

    def settle(self, fd: int, event: int) -> Any:
        """Hand over the connection that an event was for, or None where it was refused."""
        sock = self._sockets.pop(fd)
        since_ns = self._since_ns.pop(fd)
        if event & (EPOLLERR | EPOLLHUP):
            self._refuse(sock, sock.getsockopt(*PENDING_ERROR))
            return None
        self.connect_ns += clock_ns() - since_ns
        return sock

    def sweep(self, now_ns: int) -> None:
        """Give up what took longer than the target's time-out; try refused ones again."""
        limit_ns = now_ns - int(self._target.timeout_s * 1e9)
        for fd in [fd for fd, since_ns in self._since_ns.items() if since_ns < limit_ns]:
            self.settle(fd, EPOLLERR)
        while self._retry_at_ns and self._retry_at_ns[0] <= now_ns:
            self._retry_at_ns.popleft()
            self.begin()

    def close(self) -> None:
        """Abandon them all."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._since_ns.clear()
        self._retry_at_ns.clear()

    def _refuse(self, sock: Any, code: int) -> None:
        sock.close()
        self._errors["connect"] += 1
        within = f"no connection within {self._target.timeout_s:g} s"
        text = f"no connection: {os.strerror(code)}" if code else within
        self._wrong.note("connect", None, Evidence(text))
        self._retry_at_ns.append(clock_ns() + RETRY_NS)
