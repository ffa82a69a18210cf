"""The bytes of one connection that never waits, whatever carries them."""

import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Protocol

from asgi_bench.model import Endpoint
from asgi_bench.model.endpoint import Transport

# What an opening may wait for, as epoll numbers it. Readable is EPOLLRDNORM: a loop that takes
# EPOLLIN for an answer leaves it alone.
READABLE = 0x040
WRITABLE = 0x004

# Makes a socket: who has patched `socket` hands over the system's own.
NewSocket = Callable[..., Any]


class Channel(Protocol):
    """One connection of a transport."""

    is_plain: ClassVar[bool]
    """Whether `os.read` and `os.write` on the descriptor move its bytes: a loop may call them."""

    def __init__(self, endpoint: Endpoint, new_socket: NewSocket) -> None:
        """Begin to connect; raises OSError where that is refused at once."""

    @property
    def fd(self) -> int:
        """The descriptor that tells when there is something to do."""

    @property
    def has_unsent(self) -> bool:
        """Whether it keeps what was written until the descriptor takes it, at the next call."""

    @property
    def client_port(self) -> int | None:
        """Our end of the connection, by which the server's can be found; None where it has none."""

    def open(self) -> Iterator[int]:
        """Take the opening as far as it goes; yields what it waits for until bytes may flow.

        Raises OSError where there is no connection.
        """

    def read(self, size: int) -> bytes:
        """What has come, b"" at the end of the stream; raises BlockingIOError where nothing has.

        It may be more than `size`: what is left must be signalled by the descriptor.
        """

    def write(self, data: bytes | memoryview) -> int:
        """How much went out; raises BlockingIOError where nothing did."""

    def close(self) -> None:
        """Close it."""


class TcpChannel:
    """Plain bytes over TCP."""

    is_plain: ClassVar[bool] = True

    def __init__(self, endpoint: Endpoint, new_socket: NewSocket) -> None:
        self._sock = new_socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self._sock.connect_ex(endpoint.address)
        if code not in (0, errno.EINPROGRESS):
            self._sock.close()
            raise OSError(code, os.strerror(code))

    @property
    def fd(self) -> int:
        """The socket's descriptor, -1 once it is closed."""
        return int(self._sock.fileno())

    @property
    def has_unsent(self) -> bool:
        """Nothing is kept."""
        return False

    @property
    def client_port(self) -> int | None:
        """The port that the system gave to our end."""
        return int(self._sock.getsockname()[1])

    def open(self) -> Iterator[int]:
        """Wait until it is connected."""
        yield WRITABLE
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def read(self, size: int) -> bytes:
        """Read from the socket."""
        return bytes(self._sock.recv(size))

    def write(self, data: bytes | memoryview) -> int:
        """Write to the socket."""
        return int(self._sock.send(data))

    def close(self) -> None:
        """Close the socket; an epoll forgets it."""
        self._sock.close()


CHANNELS: Mapping[Transport, type[Channel]] = {"tcp": TcpChannel}


def dial(endpoint: Endpoint, new_socket: NewSocket = socket.socket) -> Channel:
    """Begin to connect to an endpoint; raises OSError where that is refused at once."""
    return CHANNELS[endpoint.transport](endpoint, new_socket)
