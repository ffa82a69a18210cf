"""A response that is read part by part: events in an event stream, otherwise chunks.

It may have no end: the reader then leaves it after a number of parts.
"""

import re
from bisect import bisect_left

from asgi_bench.model import Stream
from asgi_bench.wire.http1 import Response, ResponseReader, field_value

EVENT_STREAM = "text/event-stream"
# An event ends with an empty line; a line ends in any of three ways (HTML, 9.2.5).
_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
# Of an end that is cut in two, so much is in the piece before.
_CUT_BYTES = 3


class PartReader:
    """Reads one response, and counts how many of its parts are whole.

    `part_ends` are the places in the body at which they ended.
    """

    def __init__(self, method: str, stream: Stream) -> None:
        self._reader = ResponseReader(method)
        self._leave_after = None if stream.leave_after is None else max(1, stream.leave_after)
        self._is_left = False
        self._has_events: bool | None = None
        self._read_pieces = 0
        self._chunks = 0
        self._body = bytearray()
        self._scanned = 0
        self.part_ends: list[int] = []

    @property
    def body_bytes(self) -> int:
        """How much of the body arrived."""
        return len(self._body)

    @property
    def missing(self) -> int:
        """How many bytes are still missing at least; 0 once the response is left."""
        return 0 if self._is_left else self._reader.missing

    @property
    def beyond(self) -> bytes:
        """The bytes beyond the end; after leaving a response, more was to come."""
        return b"" if self._is_left else self._reader.beyond

    @property
    def so_far(self) -> str:
        """What arrived of an incomplete response, in words."""
        parts = len(self.part_ends)
        return f"{self._reader.so_far}, {parts} whole part{'' if parts == 1 else 's'}"

    def feed(self, data: bytes) -> Response | None:
        """Take more bytes; the response once it is whole, or left."""
        response = self._reader.feed(data)
        self._note_parts()
        if response is not None or self._leave_after is None:
            return response
        if len(self.part_ends) < self._leave_after:
            return None
        self._is_left = True
        return self._reader.left(self.body_of(self._leave_after))

    def finish(self) -> Response | None:
        """The response that the peer's close completes, or None if it was cut off."""
        return self._reader.finish()

    def cut_short(self) -> Response:
        """What has arrived, as a response that ends here."""
        return self._reader.left(bytes(self._body))

    def body_of(self, parts: int) -> bytes:
        """The body of the first parts."""
        return bytes(self._body[: self.part_ends[parts - 1]]) if parts else b""

    def offsets(self) -> list[int]:
        """Where each part ended, of all that was fed.

        To the byte if everything was fed at once: a piece of a body is then a chunk, or all of it.
        """
        ends, found, total = [], [], 0
        pieces = self._reader.body_pieces()
        for piece, _ in pieces:
            total += len(piece)
            ends.append(total)
        for part_end in self.part_ends:
            place = bisect_left(ends, part_end)
            found.append(pieces[place][1] - (ends[place] - part_end))
        return found

    def body_begin(self) -> int:
        """Where the body's first byte is, of all that was fed; 0 if none arrived."""
        pieces = self._reader.body_pieces()
        return pieces[0][1] - len(pieces[0][0]) if pieces else 0

    def _note_parts(self) -> None:
        pieces = self._reader.body_pieces(self._read_pieces)
        if not pieces:
            return
        if self._has_events is None:
            kind = field_value(self._reader.head, "content-type") or ""
            self._has_events = kind.partition(";")[0].strip().lower() == EVENT_STREAM
        self._read_pieces += len(pieces)
        chunk_ends = self._reader.chunk_ends(self._chunks)
        self._chunks += len(chunk_ends)
        for piece, end in pieces:
            self._body += piece
            if end in chunk_ends and not self._has_events:
                self.part_ends.append(len(self._body))
        if self._has_events:
            for match in _EVENT_END.finditer(self._body, self._scanned):
                self.part_ends.append(match.end())
            last = self.part_ends[-1] if self.part_ends else 0
            self._scanned = max(last, len(self._body) - _CUT_BYTES, self._scanned)
