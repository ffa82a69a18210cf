"""HTTP/1.1 on the wire: one request as bytes, and a bounded reader of one response.

Pure functions on bytes, after RFC 9112: the engine calls the reader only for answers it has not
seen byte for byte before, so clarity comes before speed here.
"""

import re
from collections.abc import Mapping

import msgspec

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
# A chunk-size line needs 16 hex digits at most; extensions beyond this are an attack or a fault.
MAX_CHUNK_LINE_BYTES = 1024

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?\Z")
_FIELD_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_DIGITS = re.compile(rb"[0-9]{1,18}\Z")
_HEX_DIGITS = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")


class WireError(Exception):
    """The bytes are not an HTTP/1.1 response, or pass a bound; the connection's state is lost."""


class Response(msgspec.Struct, frozen=True):
    """One final response: `size` is how many bytes of the buffer it took."""

    status: int
    body: bytes
    size: int
    closes: bool


class _Head(msgspec.Struct, frozen=True):
    status: int
    end: int
    content_length: int | None
    is_chunked: bool
    closes: bool


def encode_request(
    method: str, path: str, host: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """Return the bytes of one keep-alive request; a body gets its content-length."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def read_response(buffer: bytes, *, method: str = "GET", at_eof: bool = False) -> Response | None:
    """Read one response from the start of `buffer`; None while it is incomplete.

    `at_eof` says that the peer has closed: it completes a body that has no other length.
    Interim (1xx) responses are passed over. Raises WireError on malformed or oversized input.
    """
    start = 0
    while True:
        head = _read_head(buffer, start)
        if head is None:
            return None
        if head.status >= 200:
            break
        if head.status == 101:
            raise WireError("switched protocols unasked")
        start = head.end
    if method == "HEAD" or head.status in (204, 304):
        return Response(head.status, b"", head.end, head.closes)
    if head.is_chunked:
        return _read_chunked(buffer, head)
    if head.content_length is not None:
        end = head.end + head.content_length
        if len(buffer) < end:
            return None
        return Response(head.status, bytes(buffer[head.end : end]), end, head.closes)
    if len(buffer) - head.end > MAX_BODY_BYTES:
        raise WireError(f"body over {MAX_BODY_BYTES} bytes")
    if not at_eof:
        return None
    return Response(head.status, bytes(buffer[head.end :]), len(buffer), True)


def _read_head(buffer: bytes, start: int) -> _Head | None:
    end = buffer.find(b"\r\n\r\n", start, start + MAX_HEAD_BYTES + 4)
    if end < 0:
        if len(buffer) - start > MAX_HEAD_BYTES:
            raise WireError(f"head over {MAX_HEAD_BYTES} bytes")
        if not b"HTTP/1.".startswith(buffer[start : start + 7]):
            raise WireError("does not start with HTTP/1.")
        return None
    status_line, *lines = buffer[start:end].split(b"\r\n")
    match = _STATUS_LINE.match(status_line)
    if match is None:
        raise WireError("malformed status line")
    lengths: set[int] = set()
    codings: list[bytes] = []
    options: list[bytes] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _FIELD_NAME.match(name):
            raise WireError("malformed header line")
        name, value = name.lower(), value.strip(b" \t")
        if name == b"content-length":
            lengths.add(_content_length(value))
        elif name == b"transfer-encoding":
            codings += [coding.strip().lower() for coding in value.split(b",")]
        elif name == b"connection":
            options += [option.strip().lower() for option in value.split(b",")]
    if len(lengths) > 1:
        raise WireError("differing content-length headers")
    if codings and codings != [b"chunked"]:
        raise WireError("transfer-encoding other than chunked")
    closes = b"close" in options or (match[1] == b"0" and b"keep-alive" not in options)
    length = next(iter(lengths), None)
    return _Head(int(match[2]), end + 4, length, bool(codings), closes)


def _content_length(value: bytes) -> int:
    if not _DIGITS.match(value):
        raise WireError("malformed content-length")
    length = int(value)
    if length > MAX_BODY_BYTES:
        raise WireError(f"body over {MAX_BODY_BYTES} bytes")
    return length


def _read_chunked(buffer: bytes, head: _Head) -> Response | None:
    pieces: list[bytes] = []
    total = 0
    position = head.end
    while True:
        line_end = buffer.find(b"\r\n", position, position + MAX_CHUNK_LINE_BYTES + 2)
        if line_end < 0:
            if len(buffer) - position > MAX_CHUNK_LINE_BYTES:
                raise WireError("chunk-size line too long")
            return None
        digits = buffer[position:line_end].partition(b";")[0].strip(b" \t")
        if not _HEX_DIGITS.match(digits):
            raise WireError("malformed chunk size")
        size = int(digits, 16)
        position = line_end + 2
        if size == 0:
            end = _trailers_end(buffer, position)
            if end is None:
                return None
            return Response(head.status, b"".join(pieces), end, head.closes)
        total += size
        if total > MAX_BODY_BYTES:
            raise WireError(f"body over {MAX_BODY_BYTES} bytes")
        if len(buffer) < position + size + 2:
            return None
        if buffer[position + size : position + size + 2] != b"\r\n":
            raise WireError("chunk without its line end")
        pieces.append(buffer[position : position + size])
        position += size + 2


def _trailers_end(buffer: bytes, position: int) -> int | None:
    if buffer[position : position + 2] == b"\r\n":
        return position + 2
    end = buffer.find(b"\r\n\r\n", position, position + MAX_HEAD_BYTES + 4)
    if end >= 0:
        return end + 4
    if len(buffer) - position > MAX_HEAD_BYTES:
        raise WireError(f"trailers over {MAX_HEAD_BYTES} bytes")
    return None
