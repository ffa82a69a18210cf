"""HTTP/2's frames: one request as bytes, and a bounded reader of the response on one stream.

After RFC 9113 and RFC 7541. The frames of a request, and of a response, have 0 in place of their
stream's id: so one request is the same bytes each time, and so is its response. The connection
(`http2.py`) inserts and removes the ids.
"""

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import NamedTuple

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple, OversizedHeaderListError

from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.http1 import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    OURS,
    LimitError,
    Response,
    WireError,
)

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
_NAMES = (
    *("DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS"),
    *("PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"),
)
_CODES = (
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT"),
    *("STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR"),
    *("CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)
# Flags; the first of a SETTINGS or PING says that it acknowledges.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20
# What both sides may send, unless SETTINGS allow more: ours don't.
MAX_FRAME_BYTES = 16 * 1024
HEAD_BYTES = 9
# In the place of a stream's id.
NO_ID = bytes(4)

_PRIORITY_BYTES = 5
_WORD = Struct(">I")
# Statuses whose answers have no body (RFC 9110, 6.4.1).
_BODILESS = (204, 304)
# A length is said where the method means a body, as in HTTP/1.1.
_WITH_BODY = ("POST", "PUT", "PATCH")
# What says something about one HTTP/1.1 connection has no place here (RFC 9113, 8.2.2).
_OF_CONNECTIONS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)


class Frame(NamedTuple):
    """A frame without its stream."""

    kind: int
    flags: int
    payload: bytes


def frame(kind: int, flags: int, payload: bytes, stream: bytes = NO_ID) -> bytes:
    """Return the bytes of a frame."""
    return _WORD.pack(len(payload) << 8 | kind) + bytes((flags,)) + stream + payload


def frames_in(data: bytes) -> Iterator[Frame]:
    """Yield the whole frames from the start of some bytes."""
    start = 0
    while (body := start + HEAD_BYTES) <= len(data):
        length = int.from_bytes(data[start : start + 3])
        if body + length > len(data):
            return
        yield Frame(data[start + 3], data[start + 4], data[body : body + length])
        start = body + length


def encode_request(
    method: str,
    path: str,
    *,
    scheme: str,
    authority: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    has_length: bool = True,
) -> bytes:
    """Return the frames of one request; a body gets its content-length, unless told otherwise.

    A `Host` among the headers replaces `authority`; fields about an HTTP/1.1 connection are left
    out. No field is indexed: the block means the same whatever came before it on a connection.
    """
    own = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    ]
    host = next((value for name, value in own if name == b"host"), authority.encode())
    fields = [
        (b":method", method.encode()),
        (b":scheme", scheme.encode()),
        (b":authority", host),
        (b":path", path.encode("latin-1")),
        *((name, value) for name, value in own if name not in {b"host"} | _OF_CONNECTIONS),
    ]
    if has_length and (body or method in _WITH_BODY):
        fields.append((b"content-length", b"%d" % len(body)))
    block = Encoder().encode([NeverIndexedHeaderTuple(*field) for field in fields])
    return _head_frames(block, ends=not body) + _body_frames(body)


def _head_frames(block: bytes, *, ends: bool) -> bytes:
    pieces = _cut(block)
    kinds = [HEADERS] + [CONTINUATION] * (len(pieces) - 1)
    flags = [0] * len(pieces)
    flags[0] |= END_STREAM if ends else 0
    flags[-1] |= END_HEADERS
    return b"".join(map(frame, kinds, flags, pieces))


def _body_frames(body: bytes) -> bytes:
    pieces = _cut(body)
    flags = [0] * (len(pieces) - 1) + [END_STREAM]
    return b"".join(map(frame, [DATA] * len(pieces), flags, pieces)) if body else b""


def _cut(data: bytes) -> list[bytes]:
    starts = range(0, max(len(data), 1), MAX_FRAME_BYTES)
    return [data[start : start + MAX_FRAME_BYTES] for start in starts]


def is_framed(request: bytes) -> bool:
    """Whether a request is frames: these begin with a length, and no method does."""
    return request.startswith(b"\0")


def around_ids(data: bytes) -> tuple[bytes, ...]:
    """Return whole frames as the bytes before, between and after their streams' ids.

    Joining these with a stream's id makes them frames of that stream.
    """
    pieces, since, start = [], 0, 0
    while start < len(data):
        pieces.append(data[since : start + 5])
        since = start + HEAD_BYTES
        start = since + int.from_bytes(data[start : start + 3])
    return (*pieces, data[since:])


def unpadded(frame: Frame) -> bytes:
    """Return what a DATA, HEADERS or CONTINUATION frame carries; raises WireError."""
    start, pad, payload = 0, 0, frame.payload
    if frame.flags & PADDED and frame.kind != CONTINUATION:
        if not payload:
            raise WireError(f"{frame_name(frame.kind)} frame without the length of its padding")
        start, pad = 1, payload[0]
    if frame.kind == HEADERS and frame.flags & WITH_PRIORITY:
        start += _PRIORITY_BYTES
    if start + pad > len(payload):
        raise WireError(
            f"{frame_name(frame.kind)} frame of {len(payload)} bytes with {pad} of padding"
        )
    return payload[start : len(payload) - pad]


class Framed:
    """A request or a response in a form that is the same on any stream."""

    __slots__ = ("around", "body", "head", "size", "whole")

    def __init__(self, frames: bytes) -> None:
        self.whole = frames
        self.size = len(frames)
        # Of all frames, and of those before the body.
        self.around = around_ids(frames)
        heads = sum(
            HEAD_BYTES + len(each.payload) for each in frames_in(frames) if each.kind != DATA
        )
        self.head = around_ids(frames[:heads])
        self.body = b"".join(each.payload for each in frames_in(frames) if each.kind == DATA)


def frame_name(kind: int) -> str:
    """Return a frame's name in words."""
    return _NAMES[kind] if kind < len(_NAMES) else f"type {kind}"


def code_name(code: int) -> str:
    """Return an error code's name in words."""
    return _CODES[code] if code < len(_CODES) else f"code {code}"


class StreamReader:
    """Reads the response on one stream from its frames; raises WireError as soon as it knows.

    A header block is decoded by itself: we announce a table of size 0, so none depends on another.
    """

    def __init__(self, method: str = "GET") -> None:
        self._method = method
        self._rest = b""
        self._size = 0
        self._block: list[bytes] = []
        self._is_in_block = self._ends = False
        self._status = 0
        self._length: int | None = None
        self._head = b""
        self._pieces: list[bytes] = []
        self._body_bytes = 0
        self._response: Response | None = None

    @property
    def missing(self) -> int:
        """How many bytes are still missing at least: only frames know."""
        return 0

    @property
    def beyond(self) -> bytes:
        """The bytes beyond the end of the response."""
        return self._rest if self._response else b""

    @property
    def so_far(self) -> str:
        """What arrived of an incomplete response, in words."""
        if self._is_in_block:
            return f"its head broke off after {sum(map(len, self._block))} bytes"
        if self._status:
            length = "" if self._length is None else f" of the {self._length}"
            return f"{self._body_bytes}{length} bytes of its body came, and no end of the stream"
        return "a piece of a frame came" if self._rest else "nothing came"

    def feed(self, data: bytes) -> Response | None:
        """Take more bytes; return the response once its stream has ended."""
        self._rest += data
        for each in frames_in(self._rest):
            size = HEAD_BYTES + len(each.payload)
            self._rest = self._rest[size:]
            self._size += size
            self._take(each)
            if self._response:
                break
        return self._response

    def finish(self) -> Response | None:
        """Take the end of the connection, which completes nothing."""
        return self._response

    def _take(self, each: Frame) -> None:
        payload = unpadded(each)
        if (each.kind == CONTINUATION) != self._is_in_block:
            raise WireError(
                f"{frame_name(each.kind)} frame where a header block is to go on or begin"
            )
        if each.kind == DATA:
            self._take_body(payload, ends=bool(each.flags & END_STREAM))
            return
        if each.kind == HEADERS:
            self._ends = bool(each.flags & END_STREAM)
        self._block.append(payload)
        if sum(map(len, self._block)) > MAX_HEAD_BYTES:
            raise LimitError(f"head over {MAX_HEAD_BYTES // 1024} KiB, {OURS}")
        self._is_in_block = not each.flags & END_HEADERS
        if not self._is_in_block:
            block, self._block = b"".join(self._block), []
            self._take_fields(decode_block(block))

    def _take_fields(self, fields: list[tuple[bytes, bytes]]) -> None:
        if self._status and not self._ends:
            raise WireError("a second head on the stream")
        _check(fields, is_head=not self._status)
        if self._status:
            self._complete()
            return
        status = _status(fields)
        if status < 200:
            if self._ends:
                raise WireError(f"the stream ends with an interim status {status}")
            return
        self._status = status
        self._length = _content_length(fields)
        lines = (b"%s: %s\r\n" % field for field in fields[1:])
        self._head = b"HTTP/2 %d\r\n" % status + b"".join(lines)
        if self._ends:
            self._complete()

    def _take_body(self, payload: bytes, *, ends: bool) -> None:
        if not self._status:
            raise WireError(f"a body before its head: {excerpt(payload)}")
        if payload and self._is_bodiless:
            what = "an answer to HEAD" if self._method == "HEAD" else f"a {self._status}"
            raise WireError(f"{what} has no body, but this came: {excerpt(payload)}")
        self._body_bytes += len(payload)
        if self._body_bytes > MAX_BODY_BYTES:
            raise LimitError(f"body over {MAX_BODY_BYTES // 1024**2} MiB, {OURS}")
        self._pieces.append(payload)
        if ends:
            self._complete()

    @property
    def _is_bodiless(self) -> bool:
        return self._method == "HEAD" or self._status in _BODILESS

    def _complete(self) -> None:
        if self._length not in (None, self._body_bytes) and not self._is_bodiless:
            raise WireError(
                f"a body of {self._body_bytes} bytes, and a content-length of {self._length}"
            )
        body = b"".join(self._pieces)
        self._response = Response(self._status, body, self._size, closes=False, head=self._head)


def decode_block(block: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a header block that depends on no other; raises WireError."""
    decoder = Decoder(MAX_HEAD_BYTES)
    decoder.max_allowed_table_size = decoder.header_table_size = 0
    try:
        return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
    except OversizedHeaderListError:
        raise LimitError(f"head over {MAX_HEAD_BYTES // 1024} KiB, {OURS}") from None
    except HPACKError as fault:
        raise WireError(f"header block that is no HPACK ({fault}): {excerpt(block)}") from None


def _check(fields: list[tuple[bytes, bytes]], *, is_head: bool) -> None:
    """Raise WireError where fields are malformed (RFC 9113, 8.2 and 8.3)."""
    for name, value in fields[1:] if is_head else fields:
        if name.startswith(b":"):
            raise WireError(f"pseudo-header {excerpt(name)} out of its place")
        if not name or name != name.lower():
            raise WireError(f"header name {excerpt(name)} is not in lower case")
        if name in _OF_CONNECTIONS:
            raise WireError(f"header {excerpt(name)}, which HTTP/2 forbids")
        if any(letter in value for letter in b"\r\n\0"):
            raise WireError(f"malformed value of {excerpt(name)}: {excerpt(value)}")


def _status(fields: list[tuple[bytes, bytes]]) -> int:
    name, value = fields[0] if fields else (b"", b"")
    if name != b":status":
        raise WireError("a head without its status")
    if not (len(value) == 3 and value.isdigit() and value >= b"100" and value != b"101"):
        raise WireError(f"malformed status {excerpt(value)}")
    return int(value)


def _content_length(fields: list[tuple[bytes, bytes]]) -> int | None:
    lengths = {value for name, value in fields if name == b"content-length"}
    if not lengths:
        return None
    if len(lengths) > 1 or not all(value.isdigit() and len(value) < 19 for value in lengths):
        raise WireError(f"malformed content-length {excerpt(b', '.join(sorted(lengths)))}")
    return int(lengths.pop())
