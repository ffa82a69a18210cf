"""One response as it arrives: compared with a known one while equal to it, then parsed."""

from collections.abc import Callable
from enum import Enum, auto

from asgi_bench.wire.conversation import Reader
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import Response

READ_BYTES = 16 * 1024
# The rest of a large answer: 1 MiB takes a quarter less CPU than at 16 KiB a time.
LARGE_READ_BYTES = 64 * 1024
# A larger answer is parsed every time instead of being remembered.
KNOWN_BYTES = 4 * 1024 * 1024


class Taken(Enum):
    """What became of a connection's bytes or event."""

    WAITING = auto()
    CORRECT = auto()
    WRONG = auto()
    LOST = auto()


class Answer:
    """The response to one request; `known` is one that was parsed and found correct before.

    It is whole if `is_known` says so or `response` is there.
    """

    def __init__(
        self, known: bytes, new_reader: Callable[[Exchange], Reader], exchange: Exchange
    ) -> None:
        self._known = known
        self._new_reader = new_reader
        self._exchange = exchange
        self._equal_bytes = 0
        self._reader: Reader | None = None
        self._pieces: list[bytes] = []
        self.response: Response | None = None

    @property
    def has_begun(self) -> bool:
        """Whether any of it has arrived."""
        return bool(self._equal_bytes or self._pieces)

    @property
    def is_known(self) -> bool:
        """Whether all of it has arrived and equals the known one: it needs no parsing."""
        return self._reader is None and 0 < self._equal_bytes == len(self._known)

    @property
    def is_whole(self) -> bool:
        """Whether its end has arrived."""
        return self.response is not None or self.is_known

    @property
    def beyond(self) -> bytes:
        """What arrived beyond its end."""
        return self._reader.beyond if self._reader else b""

    @property
    def so_far(self) -> str:
        """What arrived of an incomplete response, in words."""
        return self._parser().so_far

    @property
    def raw(self) -> bytes:
        """All bytes that arrived, for later comparison; empty if that is too large."""
        return b"".join(self._pieces) if sum(map(len, self._pieces)) <= KNOWN_BYTES else b""

    def feed(self, data: bytes, read: Callable[[int], bytes | None]) -> None:
        """Take bytes; no bytes mean the end of the stream.

        For a large response `read(size)` gets what has arrived meanwhile, None if nothing has.
        Raises WireError if it is no response, EOFError if it was cut off.
        """
        self._take(data)
        while len(data) >= READ_BYTES and self._missing:
            more = read(min(self._missing, LARGE_READ_BYTES))
            if more is None:
                break
            data = more
            self._take(data)
        if not data and not self.is_whole:
            self.response = self._parser().finish()
            if self.response is None:
                raise EOFError

    @property
    def _missing(self) -> int:
        if self._reader is None:
            return len(self._known) - self._equal_bytes
        return self._reader.missing

    def _take(self, data: bytes) -> None:
        if self._reader is None and self._known.startswith(data, self._equal_bytes):
            self._equal_bytes += len(data)
            return
        parser = self._parser()
        self._pieces.append(data)
        self.response = parser.feed(data)

    def _parser(self) -> Reader:
        if self._reader is None:
            self._reader = self._new_reader(self._exchange)
            if self._equal_bytes:
                equal = self._known[: self._equal_bytes]
                self._pieces.append(equal)
                self._reader.feed(equal)
        return self._reader
