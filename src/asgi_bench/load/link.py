"""The way between a load host and its master, measured at both ends: round trip and bandwidth.

The master listens while it is measured, and at no other time. A load host times TCP handshakes,
which the master's kernel answers by itself, then has as much sent as goes through, each way.
Whoever receives looks at the clock, and hangs up: what is still under way is nobody's business.
"""

import secrets
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import gevent
import gevent.pool

from asgi_bench.load.messages import LinkSeen, MeasureLink, read_exactly
from asgi_bench.load.unpatched import SYSTEM
from asgi_bench.model import Link

# The shortest counts: an idle network has it at once, a busy one now and then.
HANDSHAKES = 8
# Each way; of a far host longer, since TCP speeds up by round trips.
LEAST_S = 0.1
MOST_S = 1.0
ROUND_TRIPS = 12
WORD_BYTES = 16
# A lost handshake is repeated after a second.
PATIENCE_S = 3.0
_CHUNK_BYTES = 64 * 1024
_TO_HOST, _FROM_HOST = b"<", b">"
_RATE = struct.Struct("!d")


def link_duration_s(round_trip_s: float) -> float:
    """How long to measure each way to a host that is so far away."""
    return min(max(LEAST_S, ROUND_TRIPS * round_trip_s), MOST_S)


def bytes_per_s(
    receive: Callable[[], int], duration_s: float, clock: Callable[[], float] = time.perf_counter
) -> float | None:
    """What `receive` brings in for so long from its first bytes on, of the second half of it.

    A connection begins slowly, and buffers on the way fill faster than the way carries. None where
    nothing came then, or the sender ended.
    """
    if not receive():
        return None
    began_s = clock()
    half_s, half_bytes, total = began_s, 0, 0
    while (now_s := clock()) < began_s + duration_s:
        if now_s <= began_s + duration_s / 2:
            half_s, half_bytes = now_s, total
        received = receive()
        if not received:
            return None
        total += received
    return (total - half_bytes) / (now_s - half_s) if total > half_bytes else None


class LinkListener:
    """The master's end, in a `with` block: it serves load hosts that know the `word`."""

    def __init__(self, address: str) -> None:
        self.word = secrets.token_bytes(WORD_BYTES)
        self._listener = socket.create_server((address, 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        self._greenlets: Any = gevent.pool.Group()

    def __enter__(self) -> Self:
        self._greenlets.spawn(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._greenlets.kill()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                self._greenlets.spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_S)
        with connection, suppress(OSError, EOFError):
            asked = read_exactly(connection.recv, WORD_BYTES + 1 + _RATE.size)
            if not secrets.compare_digest(asked[:WORD_BYTES], self.word):
                return
            (duration_s,) = _RATE.unpack(asked[WORD_BYTES + 1 :])
            duration_s = min(max(duration_s, 0.0), MOST_S)
            if asked[WORD_BYTES : WORD_BYTES + 1] == _TO_HOST:
                _send(connection, 2 * duration_s + PATIENCE_S)
                return
            buffer = bytearray(_CHUNK_BYTES)

            def receive() -> int:
                # Data that is there already is read without a switch: others have their turn, too.
                gevent.sleep(0)
                return connection.recv_into(buffer)

            rate = bytes_per_s(receive, duration_s)
            connection.sendall(_RATE.pack(rate or 0.0))
            # Closing with unread data would be a reset, which may overtake the answer.
            while receive():
                pass


def _send(connection: socket.socket, most_s: float) -> None:
    """Send until the other end has had enough."""
    chunk = secrets.token_bytes(_CHUNK_BYTES)
    deadline_s = time.monotonic() + most_s
    while time.monotonic() < deadline_s:
        connection.sendall(chunk)
        gevent.sleep(0)


def measure_link(host: str, asked: MeasureLink) -> LinkSeen:
    """A load host's end; raises OSError where the master's can't be reached.

    The process does nothing else meanwhile: it is to look at the clock at the right moment.
    """
    trips_s: list[float] = []
    deadline_s = time.monotonic() + PATIENCE_S
    address = ""
    while len(trips_s) < HANDSHAKES and time.monotonic() < deadline_s:
        sent_s = time.perf_counter()
        with _connected(host, asked.port) as connection:
            trips_s.append(time.perf_counter() - sent_s)
            address = connection.getsockname()[0]
    return LinkSeen(
        address,
        Link(
            round_trip_s=round(min(trips_s), 6),
            to_host_bytes_per_s=_rounded(_to_host(host, asked)),
            from_host_bytes_per_s=_rounded(_from_host(host, asked)),
        ),
    )


def _to_host(host: str, asked: MeasureLink) -> float | None:
    buffer = bytearray(_CHUNK_BYTES)
    with _connected(host, asked.port) as connection, suppress(OSError):
        connection.sendall(_order(asked, _TO_HOST))
        return bytes_per_s(lambda: connection.recv_into(buffer), asked.duration_s)
    return None


def _from_host(host: str, asked: MeasureLink) -> float | None:
    chunk = secrets.token_bytes(_CHUNK_BYTES)
    deadline_s = time.monotonic() + asked.duration_s + PATIENCE_S
    with _connected(host, asked.port) as connection, suppress(OSError, EOFError):
        connection.sendall(_order(asked, _FROM_HOST))
        # What is under way when the master has seen enough needn't arrive.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.setblocking(False)
        while time.monotonic() < deadline_s:
            with suppress(BlockingIOError):
                told: bytes = connection.recv(_RATE.size)
                return _RATE.unpack(told)[0] if len(told) == _RATE.size else None
            try:
                connection.send(chunk)
            except BlockingIOError:
                time.sleep(0.0005)
    return None


def _order(asked: MeasureLink, way: bytes) -> bytes:
    return asked.word + way + _RATE.pack(asked.duration_s)


def _connected(host: str, port: int) -> Any:
    connection = SYSTEM.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_S)
    try:
        connection.connect((host, port))
    except OSError:
        connection.close()
        raise
    return connection


def _rounded(rate: float | None) -> float | None:
    return round(rate) if rate else None
