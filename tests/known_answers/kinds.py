"""The kinds of answers: what is sent, in which pieces, how the connection ends after it.

An answer is a list of steps: bytes to send, FIN, RST, or a pause in seconds as a float.
"""

import itertools
import os
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

import msgspec

BODY = b"Hello, world!"
WRONG_BODY = b"Hello, w0rld!"
# Far above what a loaded machine needs to read one segment before the next comes.
APART_S = 0.0003
PAUSE_S = 0.02
SLOW_S = 0.1
LARGE_BODY = bytes(range(256)) * 4000
WRONG_LARGE_BODY = LARGE_BODY[:500_000] + b"?" + LARGE_BODY[500_001:]
EVENTS = tuple(b"data: %d\n\n" % number for number in range(5))


class End(Enum):
    """How a server ends its side of a connection."""

    FIN = auto()
    RST = auto()


Step: TypeAlias = bytes | float | End


class Kind(msgspec.Struct, frozen=True):
    """An answer's steps, and the kind of error a client must count for it; None for a right one."""

    steps: Callable[[], list[Step]]
    error: str | None = None


def _plain(
    body: bytes = BODY, *, status: bytes = b"200 OK", version: bytes = b"1.1", extra: bytes = b""
) -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"HTTP/%s %s\r\n%s%s\r\n%s" % (version, status, length, extra, body)


def _pieces(data: bytes, size: int) -> list[Step]:
    pieces: list[Step] = []
    for start in range(0, len(data), size):
        pieces += [data[start : start + size], APART_S]
    return pieces[:-1]


def _chunked(body: bytes = BODY) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    return head + chunks + b"0\r\n\r\n"


_CHUNKS_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"


def _parts(*parts: bytes, kind: bytes = b"text/plain") -> list[Step]:
    """A head, then chunks with a pause before each; they may be followed by others."""
    steps: list[Step] = [_CHUNKS_HEAD + b"content-type: %b\r\n\r\n" % kind]
    for part in parts:
        steps += [PAUSE_S, b"%x\r\n%b\r\n" % (len(part), part)]
    return steps


_UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
_serial = itertools.count()


def _unique() -> bytes:
    return _plain(
        extra=b"x-request-id: %s-%08d\r\n" % (os.urandom(8).hex().encode(), next(_serial))
    )


KINDS: dict[str, Kind] = {
    # Right answers.
    "plain": Kind(lambda: [_plain()]),
    "segments": Kind(lambda: [_plain()[: -len(BODY)], APART_S, BODY]),
    "bytewise": Kind(lambda: _pieces(_plain(), 1)),
    "unique": Kind(lambda: [_unique()]),
    "chunked": Kind(lambda: [_chunked()]),
    "chunked-bytewise": Kind(lambda: _pieces(_chunked(), 1)),
    "interim": Kind(lambda: [b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + _plain()]),
    "announced-close": Kind(lambda: [_plain(extra=b"connection: close\r\n"), End.FIN]),
    "unannounced-close": Kind(lambda: [_plain(), End.FIN]),
    "old": Kind(lambda: [_plain(version=b"1.0"), End.FIN]),
    "old-keep-alive": Kind(lambda: [_plain(version=b"1.0", extra=b"connection: keep-alive\r\n")]),
    "until-close": Kind(lambda: [_UNTIL_CLOSE + BODY, End.FIN]),
    "until-close-segments": Kind(
        lambda: [_UNTIL_CLOSE + BODY[:5], PAUSE_S, BODY[5:], PAUSE_S, End.FIN]
    ),
    "slow": Kind(lambda: [SLOW_S, _plain()]),
    "large": Kind(lambda: [_plain(LARGE_BODY)]),
    "slow-parts": Kind(lambda: [*_parts(BODY[:4], BODY[4:5], BODY[5:]), b"0\r\n\r\n"]),
    "slow-events": Kind(lambda: _parts(*EVENTS, kind=b"text/event-stream")),
    "slow-stall": Kind(lambda: [*_parts(BODY[:4]), SLOW_S, *_parts(BODY[4:])[1:], b"0\r\n\r\n"]),
    "large-chunked": Kind(lambda: [_chunked(LARGE_BODY)]),
    # Right ones, after which the server speaks or ends unasked.
    "idle-close": Kind(lambda: [_plain(), PAUSE_S, End.FIN]),
    "idle-reset": Kind(lambda: [_plain(), PAUSE_S, End.RST]),
    "afterthought": Kind(lambda: [_plain(), PAUSE_S, b"one more thing"]),
    "again": Kind(lambda: [_plain(), PAUSE_S, _plain()]),
    # Wrong ones.
    "status": Kind(lambda: [_plain(status=b"500 Internal Server Error")], "status"),
    "status-close": Kind(
        lambda: [_plain(status=b"503 Busy", extra=b"connection: close\r\n"), End.FIN], "status"
    ),
    "body": Kind(lambda: [_plain(WRONG_BODY)], "body"),
    "longer": Kind(lambda: [_plain(BODY + b"!")], "body"),
    "garbage": Kind(lambda: [_plain() + b"\0\r\ngarbage"], "body"),
    "twice": Kind(lambda: [_plain() * 2], "body"),
    "malformed": Kind(lambda: [b"HTTP/1.1 fine\r\n\r\n"], "body"),
    "bare-line-feeds": Kind(lambda: [_plain().replace(b"\r\n", b"\n")], "body"),
    "huge-head": Kind(lambda: [_plain(extra=b"x: %s\r\n" % (b"y" * 300_000))], "body"),
    "truncated": Kind(lambda: [_plain()[:-5], End.FIN], "reset"),
    "truncated-chunked": Kind(lambda: [_chunked()[:-9], End.FIN], "reset"),
    "empty": Kind(lambda: [End.FIN], "reset"),
    "slow-truncated": Kind(lambda: [*_parts(BODY[:4], BODY[4:]), End.FIN], "reset"),
    "large-wrong": Kind(lambda: [_plain(WRONG_LARGE_BODY)], "body"),
    "reset": Kind(lambda: [End.RST], "reset"),
    "reset-inside": Kind(lambda: [_plain()[:-5], APART_S, End.RST], "reset"),
    "reset-until-close": Kind(lambda: [_UNTIL_CLOSE + BODY, APART_S, End.RST], "reset"),
    "silent": Kind(list, "timeout"),
    "half-silent": Kind(lambda: [_plain()[:-5]], "timeout"),
}

# Kinds that speak or end in the middle of the next request make its fate a matter of timing: of
# all others the counts are exact under any load.
UNTIMELY = {"idle-close", "idle-reset", "afterthought", "again"}
TIMELY: tuple[str, ...] = tuple(
    sorted(
        name for name in KINDS if name not in UNTIMELY and not name.startswith(("large", "slow"))
    )
)
