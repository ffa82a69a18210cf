"""The bytes of one connection that never blocks, whatever carries them."""

import errno
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from asgi_bench.model import Endpoint
from asgi_bench.model.endpoint import Protocol as ProtocolName
from asgi_bench.model.endpoint import Transport

# What an opening may wait for, as epoll numbers it. Readable is EPOLLRDNORM: a loop that takes
# EPOLLIN for an answer leaves it alone.
READABLE = 0x040
WRITABLE = 0x004

# What a client offers by ALPN, and the server has to choose. A WebSocket begins as HTTP/1.1.
ALPN: Final[Mapping[ProtocolName, str]] = {
    "http1": "http/1.1",
    "http2": "h2",
    "websocket": "http/1.1",
}


class System(NamedTuple):
    """Makes sockets and TLS contexts: code that patched these modules passes the originals."""

    socket: Callable[..., Any] = socket.socket
    tls_context: Callable[..., Any] = ssl.SSLContext


SYSTEM = System()


class Channel(Protocol):
    """One connection of a transport."""

    is_plain: ClassVar[bool]
    """Whether `os.read` and `os.write` on the descriptor move its bytes: a loop may call them."""

    def __init__(self, endpoint: Endpoint, system: System) -> None:
        """Begin to connect; raises OSError where that is refused at once."""

    @property
    def fd(self) -> int:
        """The descriptor that signals when there is something to do."""

    @property
    def has_unsent(self) -> bool:
        """Whether it keeps written bytes until the descriptor takes them, at the next call."""

    @property
    def client_port(self) -> int | None:
        """Our end of the connection, which identifies the server's; None if it has none."""

    def open(self) -> Iterator[int]:
        """Advance the opening; yields what it waits for until bytes may flow.

        Raises OSError if there is no connection.
        """

    def read(self, size: int) -> bytes:
        """The bytes that arrived, b"" at the end of the stream; raises BlockingIOError without any.

        It may be more than `size`: the descriptor must signal any rest.
        """

    def write(self, data: bytes | memoryview) -> int:
        """How much was sent; raises BlockingIOError if nothing was."""

    def close(self) -> None:
        """Close it."""


class _SocketChannel:
    """Plain bytes over a stream socket of the system."""

    is_plain: ClassVar[bool] = True
    _sock: Any

    @property
    def fd(self) -> int:
        """The socket's descriptor, -1 once it is closed."""
        return int(self._sock.fileno())

    @property
    def has_unsent(self) -> bool:
        """Nothing is kept."""
        return False

    def read(self, size: int) -> bytes:
        """Read from the socket."""
        return bytes(self._sock.recv(size))

    def write(self, data: bytes | memoryview) -> int:
        """Write to the socket."""
        return int(self._sock.send(data))

    def close(self) -> None:
        """Close the socket; an epoll forgets it."""
        self._sock.close()


class TcpChannel(_SocketChannel):
    """Plain bytes over TCP."""

    def __init__(self, endpoint: Endpoint, system: System) -> None:
        self._sock = system.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self._sock.connect_ex(endpoint.address)
        if code not in (0, errno.EINPROGRESS):
            self._sock.close()
            raise OSError(code, os.strerror(code))

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


class TlsChannel(TcpChannel):
    """Bytes over TLS over TCP, from a server with the right certificate and ALPN choice.

    A read takes a record, which is at most 16 KiB, and all of it: no descriptor would signal what
    OpenSSL kept for the next read.
    """

    is_plain: ClassVar[bool] = False

    def __init__(self, endpoint: Endpoint, system: System) -> None:
        super().__init__(endpoint, system)
        self._endpoint = endpoint
        self._context = _tls_context(
            endpoint.ca_file, endpoint.ca_pem, ALPN[endpoint.protocol], system.tls_context
        )
        self._engine: Any = None

    def open(self) -> Iterator[int]:
        """Wait until it is connected, and both sides agree on keys, names and protocol."""
        yield from super().open()
        host = self._endpoint.name or self._endpoint.address[0]
        # What is in an SSLSocket. The checks around it cost 1 us of the 10 that a request takes;
        # and where gevent has patched the module no original one can be made any more.
        session = _SESSIONS.get(self._endpoint) if self._endpoint.resumes else None
        engine = self._context._wrap_socket(
            self._sock, False, server_hostname=host, session=session
        )
        while True:
            try:
                engine.do_handshake()
                break
            except ssl.SSLWantReadError:
                yield READABLE
            except ssl.SSLWantWriteError:
                yield WRITABLE
            except ssl.SSLError as fault:
                raise OSError(errno.EPROTO, _tls_fault(fault)) from fault
        wanted, chosen = ALPN[self._endpoint.protocol], engine.selected_alpn_protocol()
        # A server that knows no ALPN speaks HTTP/1.1, as ever.
        if chosen != wanted and (chosen is not None or wanted != "http/1.1"):
            told = "chose none" if chosen is None else f"chose {chosen}"
            raise OSError(errno.EPROTO, f"TLS: ALPN offered {wanted}, but the server {told}")
        self._engine = engine
        self._read, self._write, self._pending = engine.read, engine.write, engine.pending

    def read(self, size: int) -> bytes:
        """Read what has arrived."""
        try:
            data: bytes = self._read(size)
            while len(data) >= size and (left := self._pending()):
                data += self._read(left)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        return data

    def write(self, data: bytes | memoryview) -> int:
        """Encrypt and write; a retry must begin with the same bytes."""
        try:
            return int(self._write(data))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def close(self) -> None:
        """Send the end of the stream, if that is possible at once, and close the socket."""
        if self._engine is not None:
            if self._endpoint.resumes and (session := self._engine.session) is not None:
                # Of TLS 1.3 it came after the handshake, with what was read.
                _SESSIONS[self._endpoint] = session
            with suppress(OSError):
                self._engine.shutdown()
        super().close()


# The last session of each endpoint whose connections are to resume one.
_SESSIONS: dict[Endpoint, Any] = {}


@lru_cache(maxsize=16)
def _tls_context(ca_file: str, ca_pem: str, alpn: str, new_context: Callable[..., Any]) -> Any:
    """What connections to servers of one authority share; without any the system's own."""
    context = new_context(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file or ca_pem:
        context.load_verify_locations(cafile=ca_file or None, cadata=ca_pem or None)
    else:
        context.load_default_certs()
    context.set_alpn_protocols([alpn])
    return context


def _tls_fault(fault: ssl.SSLError) -> str:
    """Why there is no agreement: `TLS: certificate has expired`."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"TLS: {fault.verify_message}"
    return f"TLS: {(fault.reason or 'the server ended the handshake').lower().replace('_', ' ')}"


class UnixChannel(_SocketChannel):
    """Plain bytes over a Unix socket with a path."""

    def __init__(self, endpoint: Endpoint, system: System) -> None:
        self._sock = system.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        self._path = endpoint.address
        self._code = self._sock.connect_ex(self._path)
        if self._code not in (0, errno.EAGAIN):
            self._sock.close()
            raise OSError(self._code, os.strerror(self._code))

    @property
    def client_port(self) -> int | None:
        """None: our end has no name."""
        return None

    def open(self) -> Iterator[int]:
        """Wait until it is connected: a full queue refuses for now, and signals nothing."""
        yield WRITABLE
        while self._code == errno.EAGAIN:
            self._code = self._sock.connect_ex(self._path)
            if self._code == errno.EAGAIN:
                yield WRITABLE
        if self._code:
            raise OSError(self._code, os.strerror(self._code))


CHANNELS: Mapping[Transport, type[Channel]] = {
    "tcp": TcpChannel,
    "tls": TlsChannel,
    "unix": UnixChannel,
}


def dial(endpoint: Endpoint, system: System = SYSTEM) -> Channel:
    """Begin to connect to an endpoint; raises OSError if that is refused at once."""
    return CHANNELS[endpoint.transport](endpoint, system)
