"""One answer as it comes in: compared with a known one while equal to it, parsed from then on."""

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
    """What became of the bytes or the event of a connection."""

    WAITING = auto()
    CORRECT = auto()
    WRONG = auto()
    LOST = auto()


class Answer:
    """The answer to one request; `known` is an answer that was parsed and found right before.

    Whole when `is_known` says so or `response` is there.
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
        """Whether anything of it came."""
        return bool(self._equal_bytes or self._pieces)

    @property
    def is_known(self) -> bool:
        """Whether all of it came and is equal to the known one: it needs no parsing."""
        return self._reader is None and 0 < self._equal_bytes == len(self._known)

    @property
    def is_whole(self) -> bool:
        """Whether its end has come."""
        return self.response is not None or self.is_known

    @property
    def beyond(self) -> bytes:
        """What came beyond its end."""
        return self._reader.beyond if self._reader else b""

    @property
    def so_far(self) -> str:
        """What came of an answer that isn't whole, in words."""
        return self._parser().so_far

    @property
    def raw(self) -> bytes:
        """All that came, to be compared with later; nothing where that is too large."""
        return b"".join(self._pieces) if sum(map(len, self._pieces)) <= KNOWN_BYTES else b""

    def feed(self, data: bytes, read: Callable[[int], bytes | None]) -> None:
        """Take bytes; no bytes mean the end of the stream.

        Of a large answer `read(size)` gets what has come meanwhile, None where nothing has.
        Raises WireError where it is no answer, EOFError where it was cut off.
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
