"""The head of an HTTP/1.1 response: status and what frames the body after it (RFC 9112)."""

import re

import msgspec

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*+)?+\r\n")
# All header lines in one match; nothing in it can be matched in two ways, so nothing is retried.
_FIELD_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\r\n\0]*+\r\n)*+")
_DIGITS = re.compile(rb"[0-9]{1,18}\Z")
# Answers without a body whatever their head says, the interim ones among them (RFC 9112, 6.3).
_BODILESS = frozenset((*range(100, 200), 204, 304))


class WireError(Exception):
    """The bytes are not an HTTP/1.1 response, or pass a bound; the connection's state is lost."""


class Head(msgspec.Struct, frozen=True):
    """What a head says about the answer and its body; `closes` that no other follows."""

    status: int
    content_length: int | None
    is_chunked: bool
    closes: bool

    @property
    def is_bodiless(self) -> bool:
        """Whether there is no body whatever the framing says."""
        return self.status in _BODILESS


def parse_head(head: bytes) -> Head:
    """Parse a status line and header lines, each with its line end; raises WireError."""
    start = _STATUS_LINE.match(head)
    if start is None:
        raise WireError("malformed status line")
    check_fields(head, start.end())
    lowered = head.lower()
    lengths = {_content_length(value) for value in _values(lowered, b"\ncontent-length:")}
    codings = _items(lowered, b"\ntransfer-encoding:")
    options = _items(lowered, b"\nconnection:")
    if len(lengths) > 1:
        raise WireError("differing content-length headers")
    if codings and codings != [b"chunked"]:
        raise WireError("transfer-encoding other than chunked")
    is_old = start[1] == b"0"
    # RFC 9112, 6.1: chunked from HTTP/1.0 may be read, but its connection is not to be reused.
    closes = b"close" in options or (is_old and (b"keep-alive" not in options or bool(codings)))
    return Head(int(start[2]), lengths.pop() if lengths else None, bool(codings), closes)


def check_fields(lines: bytes, start: int) -> None:
    """Raise WireError unless there are header lines, or trailers, and nothing else from `start`."""
    match = _FIELD_LINES.match(lines, start)
    if match is None or match.end() != len(lines):
        raise WireError("malformed header line")


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
    values = _values(lines, mark)
    return [item.strip(b" \t") for value in values for item in value.split(b",")]


def _content_length(value: bytes) -> int:
    if not _DIGITS.match(value):
        raise WireError("malformed content-length")
    return int(value)
