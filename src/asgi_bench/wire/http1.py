"""HTTP/1.1 on the wire: one request as bytes, and a bounded reader of one response.

After RFC 9112, on bytes alone. The engine feeds the reader only with responses it has not seen byte
for byte before, so clarity comes before speed here; but each byte is looked at once however the
response was split, or a large body in small fragments would cost the square of its size.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping

import msgspec

from asgi_bench.model import Coding, Request
from asgi_bench.wire.excerpts import excerpt

# All heads of one answer together, interim ones included; a chunked body's trailers likewise. Apps
# set a hundred cookies or send a policy of 70 kB; browsers give up at 256 KiB too.
MAX_HEAD_BYTES = 256 * 1024
# The body as it travels: of a chunked one the framing counts too.
MAX_BODY_BYTES = 64 * 1024 * 1024
# A chunk-size line needs 16 hex digits at most; extensions beyond this are an attack or a fault.
MAX_CHUNK_LINE_BYTES = 1024
# What a client reads of a file and sends on at once: curl's read buffer.
CHUNK_BYTES = 16 * 1024
OURS = "a limit of asgi-bench's own"

_LIMITS = {
    "head": MAX_HEAD_BYTES,
    "trailers": MAX_HEAD_BYTES,
    "chunk-size line": MAX_CHUNK_LINE_BYTES,
}
_START = b"HTTP/1."
_BARE_LINE_FEED = re.compile(rb"[^\r]\n")
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\Z")
# Of a higher minor version everything else is as in 1.1 (RFC 9110, 2.5). What is beyond 599 is no
# status of HTTP's, and yet a whole answer: wrong as a 5xx is (RFC 9110, 15).
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\r\n]*+)?+\r\n")
# All header lines in one match; nothing in it can be matched in two ways, so nothing is retried.
_FIELD_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\r\n\0]*+\r\n)*+")
# A line that goes on in the next one; who reads it puts spaces in its place (RFC 9112, 5.2).
_FOLD = re.compile(rb"\r\n[ \t]+")
# More is beyond every bound, and beyond what Python likes to read.
_MOST_DIGITS = 18
# Answers without a body whatever their head says, the interim ones among them (RFC 9112, 6.3).
_BODILESS = frozenset((*range(100, 200), 204, 304))


class WireError(Exception):
    """The bytes are not an HTTP/1.1 response; the connection's state is lost.

    The text says what is wrong with them and quotes it.
    """


class LimitError(WireError):
    """The bytes may well be a response, but a larger one than asgi-bench reads."""


class Head(msgspec.Struct, frozen=True):
    """What a head says about the response and its body; `closes`: no other response follows.

    `is_bodiless`: there is no body, whatever the framing says.
    """

    status: int
    content_length: int | None = None
    is_chunked: bool = False
    closes: bool = False
    is_bodiless: bool = False


class Response(msgspec.Struct, frozen=True):
    """One final response: `size` is its number of bytes, including interim responses.

    `head` has its status line and header lines as they arrived.
    """

    status: int
    body: bytes
    size: int
    closes: bool
    head: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, None if there is none."""
        return field_value(self.head, name)

    def body_without(self, coding: Coding | None) -> bytes | None:
        """The body without its content coding; None unless it has exactly that one."""
        if coding is None:
            return self.body
        if self.header("content-encoding") != coding:
            return None
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError, zlib.error):
            return None


def beyond_its_end(response: Response, method: str, beyond: bytes) -> WireError:
    """Return the fault of bytes that follow a response and belong to none."""
    head = parse_head(response.head, method)
    if method == "HEAD":
        why = "an answer to HEAD has no body"
    elif head.is_bodiless:
        why = f"a {head.status} has no body"
    elif head.is_chunked:
        why = "its last chunk had come"
    else:
        why = f"its content-length is {head.content_length}"
    return WireError(f"{len(beyond)} bytes beyond the end of the answer ({why}): {excerpt(beyond)}")


def encode_request(
    method: str,
    path: str,
    host: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    chunked: bool = False,
) -> bytes:
    """Return the bytes of one keep-alive request; a body gets its content-length.

    A `Host` among the headers replaces `host`. An empty body has a length too if the method gives
    it a meaning (RFC 9110, 8.6). `chunked`: the body is sent in chunks instead, each of
    `CHUNK_BYTES` except the last.
    """
    lines = [f"{method} {path} HTTP/1.1"]
    if not any(name.lower() == "host" for name in headers):
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        body = _in_chunks(body)
    elif body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def bytes_of(request: Request, authority: str) -> bytes:
    """Return the bytes of a request to `host:port`."""
    return encode_request(
        request.method,
        request.path,
        authority,
        request.headers,
        request.content,
        chunked=request.chunked,
    )


def _in_chunks(body: bytes) -> bytes:
    pieces = (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def read_at_once(buffer: bytes, method: str = "GET") -> Response | None:
    """Read the usual response, one head and all of a body of known length.

    None if it is anything else, or incomplete: it then needs a reader. Raises WireError on a
    malformed head.
    """
    end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 4
    if end < 4 or method == "HEAD":
        return None
    lines = buffer[: end - 2]
    head = parse_head(lines)
    if head.content_length is None:
        return None
    size = end + head.content_length
    if len(buffer) < size or head.content_length > MAX_BODY_BYTES:
        return None
    return Response(head.status, buffer[end:size], size, head.closes, lines)


def read_response(buffer: bytes, *, method: str = "GET", at_eof: bool = False) -> Response | None:
    """Read one response from the start of `buffer`; None while it is incomplete.

    `at_eof` says that the peer has closed: it completes a body that has no other length.
    Interim (1xx) responses are passed over. Raises WireError on malformed or oversized input.
    """
    reader = ResponseReader(method)
    response = reader.feed(buffer)
    return reader.finish() if response is None and at_eof else response


class ResponseReader:
    """Reads one response from bytes as they arrive; raises WireError as soon as it knows."""

    def __init__(self, method: str = "GET") -> None:
        self._method = method
        self._response: Response | None = None
        # What was fed and not yet used up, and how much was used up before it.
        self._buffer = bytearray()
        self._used = 0
        self._scanned = 0
        self._head = Head(0)
        self._head_lines = b""
        self._pieces: list[bytes] = []
        # Where each piece of the body ended, of all that was fed; and which of them ended a chunk.
        self._piece_ends: list[int] = []
        self._chunk_ends: list[int] = []
        self._body_bytes = 0
        self._missing = 0
        self._step: Callable[[], bool] = self._read_head

    @property
    def missing(self) -> int:
        """How many bytes of the body, or of its current chunk, are still missing at least."""
        return self._missing

    @property
    def beyond(self) -> bytes:
        """The bytes beyond the end of the response."""
        return bytes(self._buffer) if self._response else b""

    @property
    def head(self) -> bytes:
        """Status line and headers of the final response, once they are there."""
        return self._head_lines if self._head.status >= 200 else b""

    def body_pieces(self, since: int = 0) -> list[tuple[bytes, int]]:
        """The body's pieces from a given one on, each with where it ended, of all that was fed."""
        return list(zip(self._pieces[since:], self._piece_ends[since:], strict=True))

    def chunk_ends(self, since: int = 0) -> list[int]:
        """Where the chunks (from a given one on), or a body of known length, ended."""
        return self._chunk_ends[since:]

    def left(self, body: bytes) -> Response:
        """What arrived of a final response, as one that ends here; no other follows it."""
        return Response(self._head.status, body, self._used, True, self._head_lines)

    @property
    def so_far(self) -> str:
        """What arrived of an incomplete response, in words."""
        came = sum(map(len, self._pieces))
        if self._step == self._read_head:
            if self._buffer:
                return f"its head broke off after {len(self._buffer)} bytes"
            if self._head.status:
                status = self._head.status
                return f"nothing came but an interim status {status}; a final one has to follow"
            return "nothing came"
        if self._step == self._read_sized:
            return f"{came} of the {self._head.content_length} bytes of its body came"
        if self._step == self._read_until_close:
            return f"{came} bytes of a body came that only the connection's close would end"
        return f"{came} bytes of a chunked body came, and no last chunk"

    def feed(self, data: bytes) -> Response | None:
        """Take more bytes; return the response once it is whole."""
        if self._missing and self._missing >= len(data) and not self._buffer:
            # Nothing but body: no second copy.
            self._used += len(data)
            self._keep(data)
        else:
            self._buffer += data
        while self._response is None and self._step():
            pass
        return self._response

    def finish(self) -> Response | None:
        """Return the response that the peer's close completes, or None if it was cut off."""
        if self._response is None and self._step == self._read_until_close:
            self._complete(closes=True)
        return self._response

    def _read_head(self) -> bool:
        end = self._find(b"\r\n\r\n", "head", self._used)
        if end < 0:
            if not _START.startswith(self._buffer[: len(_START)]):
                raise WireError(f"no status line: {excerpt(bytes(self._buffer))}")
            return False
        lines = self._head_lines = self._consume(end + 4)[:-2]
        head = self._head = parse_head(lines, self._method)
        if head.status == 101:
            raise WireError("switched protocols unasked (status 101)")
        if head.status < 200:
            return True
        if head.is_bodiless:
            return self._complete()
        if head.is_chunked:
            self._step = self._read_chunk_line
        elif head.content_length is not None:
            self._expect(head.content_length)
            self._step = self._read_sized
        else:
            self._step = self._read_until_close
        return True

    def _read_sized(self) -> bool:
        return self._read_missing() and self._complete()

    def _read_until_close(self) -> bool:
        self._expect(len(self._buffer))
        self._read_missing()
        return False

    def _read_chunk_line(self) -> bool:
        end = self._find(b"\r\n", "chunk-size line")
        if end < 0:
            return False
        line = self._consume(end + 2)[:-2]
        match = _CHUNK_LINE.match(line)
        if match is None:
            raise WireError(f"malformed chunk size {excerpt(line)}")
        size = int(match[1], 16)
        if size == 0:
            self._step = self._read_trailers
            return True
        self._body_bytes += end + 4
        self._expect(size)
        self._step = self._read_chunk
        return True

    def _read_chunk(self) -> bool:
        if not self._read_missing() or len(self._buffer) < 2:
            return False
        after = self._consume(2)
        if after != b"\r\n":
            raise WireError(f"chunk without its line end, but {excerpt(after)} after its bytes")
        self._step = self._read_chunk_line
        return True

    def _read_trailers(self) -> bool:
        if self._buffer.startswith(b"\r\n"):
            self._consume(2)
            return self._complete()
        end = self._find(b"\r\n\r\n", "trailers")
        if end < 0:
            return False
        check_fields(self._consume(end + 4)[:-2], 0)
        return self._complete()

    def _find(self, mark: bytes, what: str, used: int = 0) -> int:
        """Return where `mark` begins, within the limit of `what`, or -1 where it is to come.

        A lone line feed is refused at once: no other sign of the mark's end may ever come.
        """
        start = max(0, self._scanned - len(mark))
        stop = max(0, _LIMITS[what] - used) + len(mark)
        end = self._buffer.find(mark, start, stop)
        self._scanned = 0 if end >= 0 else len(self._buffer)
        if end < 0 and len(self._buffer) >= stop:
            raise LimitError(f"{what} over {_LIMITS[what] // 1024} KiB, {OURS}")
        bare = _BARE_LINE_FEED.search(self._buffer, start, end if end >= 0 else len(self._buffer))
        if bare:
            line = self._buffer[: bare.end()].rpartition(b"\r\n")[2]
            raise WireError(f"bare line feed in the {what}: {excerpt(bytes(line))}")
        return end

    def _expect(self, size: int) -> None:
        self._body_bytes += size
        if self._body_bytes > MAX_BODY_BYTES:
            raise LimitError(f"body over {MAX_BODY_BYTES // 1024**2} MiB, {OURS}")
        self._missing = size

    def _read_missing(self) -> bool:
        if self._missing:
            self._keep(self._consume(min(self._missing, len(self._buffer))))
        return not self._missing

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._piece_ends.append(self._used)
        self._missing -= len(piece)
        if not self._missing:
            self._chunk_ends.append(self._used)

    def _consume(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._used += size
        return taken

    def _complete(self, *, closes: bool = False) -> bool:
        head = self._head
        body = b"".join(self._pieces)
        self._response = Response(
            head.status, body, self._used, closes or head.closes, self._head_lines
        )
        return True


def parse_head(head: bytes, method: str = "GET") -> Head:
    """Parse a status line and header lines, each with its line end; raises WireError.

    Equal lengths, in one line or in several, are one length; beside
    `transfer-encoding: chunked` a length means nothing (RFC 9110, 8.6; RFC 9112, 6.3).
    """
    start = _STATUS_LINE.match(head)
    if start is None:
        raise WireError(f"malformed status line {excerpt(_line_at(head, 0))}")
    lowered = check_fields(head, start.end()).lower()
    status = int(start[2])
    options = _items(lowered, b"\nconnection:")
    is_old = start[1] == b"0"
    closes = b"close" in options or (is_old and b"keep-alive" not in options)
    if status in _BODILESS or method == "HEAD":
        return Head(status, closes=closes, is_bodiless=True)
    codings = _items(lowered, b"\ntransfer-encoding:")
    if codings:
        if codings != [b"chunked"]:
            both = excerpt(b", ".join(codings))
            raise WireError(f"transfer-encoding {both}: nothing but chunked was allowed")
        # RFC 9112, 6.1: chunked from HTTP/1.0 may be read, but its connection is not to be reused.
        return Head(status, is_chunked=True, closes=closes or is_old)
    lengths = _values(lowered, b"\ncontent-length:")
    return Head(status, _content_length(lengths) if lengths else None, closes=closes)


def check_fields(lines: bytes, start: int) -> bytes:
    """Return the header lines or trailers from `start`, unfolded; they must be nothing else.

    Raises WireError.
    """
    fault_at = _fields_end(lines, start)
    if fault_at == len(lines):
        return lines
    unfolded = lines[:start] + _FOLD.sub(b" ", lines[start:])
    fault_at = _fields_end(unfolded, start)
    if fault_at != len(unfolded):
        raise WireError(f"malformed header line {excerpt(_line_at(unfolded, fault_at))}")
    return unfolded


def field_value(head: bytes, name: str) -> str | None:
    """Return the value of a header in a parsed head, None if there is none.

    The values of several lines are joined, according to RFC 9110, 5.3.
    """
    lines = _FOLD.sub(b" ", head).split(b"\r\n")[1:]
    fields = [line.partition(b":") for line in lines]
    mark = name.lower().encode("latin-1")
    values = [value.strip(b" \t") for field, _, value in fields if field.lower() == mark]
    return b", ".join(values).decode("latin-1") if values else None


def _fields_end(lines: bytes, start: int) -> int:
    match = _FIELD_LINES.match(lines, start)
    return start if match is None else match.end()


def _line_at(lines: bytes, start: int) -> bytes:
    return lines[start:].partition(b"\r\n")[0]


def _values(lines: bytes, mark: bytes) -> list[bytes]:
    """Return the values of all lines of a name; `mark` is the line end before it to its colon."""
    values = []
    start = lines.find(mark)
    while start >= 0:
        end = lines.index(b"\r", start)
        values.append(lines[start + len(mark) : end].strip(b" \t"))
        start = lines.find(mark, end)
    return values


def _items(lines: bytes, mark: bytes) -> list[bytes]:
    """Return the elements of a name's list; empty ones are passed over (RFC 9110, 5.6.1)."""
    values = _values(lines, mark)
    return [item for value in values for part in value.split(b",") if (item := part.strip(b" \t"))]


def _content_length(values: list[bytes]) -> int:
    if len(values) == 1 and len(values[0]) <= _MOST_DIGITS and values[0].isdigit():
        return int(values[0])
    lengths = {part.strip(b" \t") for value in values for part in value.split(b",")}
    if not all(length.isdigit() for length in lengths):
        raise WireError(f"malformed content-length {excerpt(b', '.join(values))}")
    numbers = {int(length.lstrip(b"0")[: _MOST_DIGITS + 1] or b"0") for length in lengths}
    if len(numbers) > 1:
        told = " and ".join(sorted(map(excerpt, lengths)))
        raise WireError(f"differing content-length headers, {told}")
    return numbers.pop()
