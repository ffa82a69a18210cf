"""The head of an HTTP/1.1 response: status and what frames the body after it (RFC 9112)."""

import re

import msgspec

from asgi_bench.wire.excerpts import excerpt

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
    """The bytes may well be a response, but one larger than asgi-bench reads."""


class Head(msgspec.Struct, frozen=True):
    """What a head says about the answer and its body; `closes` that no other follows.

    `is_bodiless`: there is no body, whatever the framing says.
    """

    status: int
    content_length: int | None = None
    is_chunked: bool = False
    closes: bool = False
    is_bodiless: bool = False


def parse_head(head: bytes, method: str = "GET") -> Head:
    """Parse a status line and header lines, each with its line end; raises WireError.

    Lengths that are the same, in one line or in several, are one length; beside
    `transfer-encoding: chunked` a length says nothing (RFC 9110, 8.6; RFC 9112, 6.3).
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
    """Return lines that are header lines, or trailers, and nothing else from `start`, unfolded.

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
    """Return the value of a header that a parsed head holds, None where it holds none.

    The values of several lines are joined, as RFC 9110, 5.3 has it.
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
