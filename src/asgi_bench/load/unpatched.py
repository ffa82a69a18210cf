"""The system's own sockets and epoll, as they were before gevent patched the modules.

Importing locust patches `socket` and removes `select.epoll`; gevent keeps what it replaced
(gevent.monkey.get_original). The engine must not switch greenlets on each `recv`.
"""

import select
import socket
from collections.abc import Callable
from typing import Any

from gevent.monkey import get_original

from asgi_bench.wire.channel import System

new_epoll: Any = get_original("select", "epoll")
# A greenlet's sleep ends up to some milliseconds late.
sleep: Callable[[float], None] = get_original("time", "sleep")
SYSTEM = System(get_original("socket", "socket"), get_original("ssl", "SSLContext"))

EPOLLIN: int = 0x001
EPOLLOUT: int = 0x004
EPOLLERR: int = 0x008
EPOLLHUP: int = 0x010
EPOLLRDHUP: int = 0x2000
EPOLLET: int = 1 << 31

AF_INET = socket.AF_INET
SOCK_STREAM = socket.SOCK_STREAM
NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
PENDING_ERROR = (socket.SOL_SOCKET, socket.SO_ERROR)

__all__ = [
    "AF_INET",
    "EPOLLERR",
    "EPOLLET",
    "EPOLLHUP",
    "EPOLLIN",
    "EPOLLOUT",
    "EPOLLRDHUP",
    "NODELAY",
    "PENDING_ERROR",
    "SOCK_STREAM",
    "SYSTEM",
    "new_epoll",
    "select",
    "sleep",
]
