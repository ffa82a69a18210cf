"""A client's end of a connection, as plain as a socket: every wait has a limit."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from asgi_bench.conformance.findings import Unanswered, quoted
from asgi_bench.model import Endpoint

_READ_BYTES = 65536


class Open:
    """Something open, closed at the end of the `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it, whatever it still waits for."""
        raise NotImplementedError


class Peer(Open):
    """An open connection, closed at the end of the `with` block.

    `came` is what has arrived and was not taken yet. Raises Unanswered if the server can't be
    reached, or something doesn't arrive within `patience_s`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        patience_s: float,
        *,
        alpn: Sequence[str] = (),
        receive_buffer: int | None = None,
    ) -> None:
        self.patience_s = patience_s
        self.came = bytearray()
        self.is_ended = False
        self.reset: str | None = None
        self.socket = _opened(endpoint, patience_s, alpn, receive_buffer)

    @property
    def name(self) -> tuple[str, int]:
        """Our own address and port."""
        found: tuple[str, int] = self.socket.getsockname()
        return found

    @property
    def agreed(self) -> str | None:
        """What ALPN agreed on."""
        return (
            self.socket.selected_alpn_protocol() if isinstance(self.socket, ssl.SSLSocket) else None
        )

    def send(self, data: bytes) -> None:
        """Send all of it; whatever the server no longer accepts shows in its response."""
        self.socket.settimeout(self.patience_s)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise Unanswered(f"{len(data)} bytes were not taken in {self.patience_s:g} s") from None
        except OSError as fault:
            self.reset = fault.strerror

    def send_until_held(self, data: bytes, held_s: float) -> int:
        """Send as much as the server accepts, until it pauses; returns how much."""
        self.socket.setblocking(False)
        sent, view = 0, memoryview(data)
        end_s = time.monotonic() + self.patience_s
        while sent < len(data) and time.monotonic() < end_s:
            if not select.select([], [self.socket], [], held_s)[1]:
                break
            try:
                sent += self.socket.send(view[sent : sent + _READ_BYTES])
            except BlockingIOError:
                continue
            except OSError as fault:
                self.reset = fault.strerror
                break
        return sent

    def end_sending(self) -> None:
        """Close the sending side, and continue to read."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Close at once, with a reset: nothing that arrives is read."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            self.socket.close()

    def take(self, size: int) -> bytes:
        """The next bytes, this many."""
        self._wait(lambda: len(self.came) >= size, f"{size} bytes")
        return self._taken(size)

    def take_until(self, end: bytes) -> bytes:
        """Everything up to an end mark, and the mark."""
        self._wait(lambda: end in self.came, repr(end))
        return self._taken(self.came.index(end) + len(end))

    def take_all(self) -> bytes:
        """Everything until the server closes."""
        self._wait(lambda: self.is_ended, "end of the connection")
        return self._taken(len(self.came))

    def is_closed_within(self, seconds: float) -> bool:
        """Whether the server closes within this time; anything else that arrives is kept."""
        end_s = time.monotonic() + seconds
        while not self.is_ended and self._read(end_s):
            pass
        return self.is_ended

    def more_within(self, seconds: float) -> bytes:
        """What has arrived and what still arrives within this time, or until the end."""
        self.is_closed_within(seconds)
        return bytes(self.came)

    def read_some(self) -> bool:
        """Read what arrives next; False at the end. Raises Unanswered if nothing arrives."""
        if self.is_ended:
            return False
        if not self._read(time.monotonic() + self.patience_s):
            raise Unanswered(f"nothing came within {self.patience_s:g} s")
        return not self.is_ended

    def _taken(self, size: int) -> bytes:
        taken = bytes(self.came[:size])
        del self.came[:size]
        return taken

    def _wait(self, is_there: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + self.patience_s
        while not is_there():
            if self.is_ended:
                how = "the connection was reset" if self.reset else "the connection was closed"
                raise Unanswered(f"{how} after {quoted(bytes(self.came))}, before {what}")
            if not self._read(end_s):
                came = quoted(bytes(self.came)) if self.came else "nothing"
                raise Unanswered(f"{came} came within {self.patience_s:g} s, and no {what}")

    def _read(self, end_s: float) -> bool:
        """Read once; False where nothing came until then. At the latest moment it looks too."""
        self.socket.settimeout(max(0.001, end_s - time.monotonic()))
        try:
            new = self.socket.recv(_READ_BYTES)
        except TimeoutError:
            return False
        except OSError as fault:
            self.reset, new = fault.strerror, b""
        self.is_ended = not new
        self.came += new
        return True


def _opened(
    endpoint: Endpoint, patience_s: float, alpn: Sequence[str], receive_buffer: int | None
) -> socket.socket:
    """A connected socket, shaken hands over TLS."""
    family = socket.AF_UNIX if isinstance(endpoint.address, str) else socket.AF_INET
    plain = socket.socket(family)
    plain.settimeout(patience_s)
    try:
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(endpoint.address)
        if family == socket.AF_INET:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if endpoint.transport != "tls":
            return plain
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        context.set_alpn_protocols(list(alpn) or ["http/1.1"])
        return context.wrap_socket(plain, server_hostname=str(endpoint.address[0]))
    except OSError as fault:
        plain.close()
        raise Unanswered(f"no connection: {fault}") from None
