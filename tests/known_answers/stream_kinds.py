"""The kinds of answers over HTTP/2: frames by hand, header blocks by hpack."""

import itertools
import os
from collections.abc import Callable

import msgspec
from hpack import Encoder

from tests.known_answers.kinds import (
    APART_S,
    BODY,
    LARGE_BODY,
    PAUSE_S,
    SLOW_S,
    WRONG_BODY,
    End,
    Step,
)

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    *(0, 1, 3, 4, 6),
    *(7, 8, 9),
)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8


# How many streams a server takes that says so in the midst of a connection.
FEWER, MORE = 2, 6
LIMITS = {"fewer": FEWER, "more": MORE, "none": 0, "settings": None}


class StreamKind(msgspec.Struct, frozen=True):
    """An answer's steps on a stream, and the error a client must count for it."""

    steps: Callable[[int], list[Step]]
    error: str | None = None


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """The bytes of a frame."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def block(*fields: tuple[str, str]) -> bytes:
    """A header block that makes no use of a table."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields)[1:]


def head(stream: int, status: int = 200, length: int | None = len(BODY), flags: int = 4) -> bytes:
    """The frame of an answer's head."""
    lengths = () if length is None else (("content-length", str(length)),)
    return frame(HEADERS, flags, stream, block((":status", str(status)), *lengths))


def _limit(streams: int) -> bytes:
    return frame(SETTINGS, 0, 0, b"\0\3" + streams.to_bytes(4))


def plain(stream: int, body: bytes = BODY, status: int = 200) -> bytes:
    """An answer as servers give it: head and body."""
    return head(stream, status, len(body)) + frame(DATA, END_STREAM, stream, body)


def _pieces(data: bytes, size: int) -> list[Step]:
    pieces: list[Step] = []
    for start in range(0, len(data), size):
        pieces += [data[start : start + size], APART_S]
    return pieces[:-1]


def _large(stream: int) -> bytes:
    pieces = [LARGE_BODY[start : start + 16384] for start in range(0, len(LARGE_BODY), 16384)]
    frames = [frame(DATA, 0, stream, piece) for piece in pieces]
    return head(stream, length=len(LARGE_BODY)) + b"".join(frames) + frame(DATA, 1, stream, b"")


def _unique(stream: int) -> bytes:
    fields = ((":status", "200"), ("x-request-id", f"{os.urandom(8).hex()}-{next(_serial)}"))
    return frame(HEADERS, END_HEADERS, stream, block(*fields)) + frame(DATA, 1, stream, BODY)


def _continued(stream: int) -> bytes:
    fields = block((":status", "200"), ("content-length", str(len(BODY))))
    pieces = frame(HEADERS, 0, stream, fields[:1]) + frame(CONTINUATION, 4, stream, fields[1:])
    return pieces + frame(DATA, END_STREAM, stream, BODY)


def _padded(stream: int) -> bytes:
    return head(stream) + frame(DATA, END_STREAM | PADDED, stream, b"\3" + BODY + bytes(3))


def _goaway(stream: int, code: int = 0) -> bytes:
    return frame(GOAWAY, 0, 0, stream.to_bytes(4) + code.to_bytes(4) + b"bye")


_serial = itertools.count()

STREAM_KINDS: dict[str, StreamKind] = {
    # Right answers.
    "plain": StreamKind(lambda stream: [plain(stream)]),
    "segments": StreamKind(
        lambda stream: [head(stream), APART_S, frame(DATA, END_STREAM, stream, BODY)]
    ),
    "bytewise": StreamKind(lambda stream: _pieces(plain(stream), 1)),
    "empty-end": StreamKind(
        lambda stream: [head(stream), frame(DATA, 0, stream, BODY), frame(DATA, 1, stream, b"")]
    ),
    "unique": StreamKind(lambda stream: [_unique(stream)]),
    "continued": StreamKind(lambda stream: [_continued(stream)]),
    "padded": StreamKind(lambda stream: [_padded(stream)]),
    "no-length": StreamKind(
        lambda stream: [head(stream, length=None), frame(DATA, END_STREAM, stream, BODY)]
    ),
    "interim": StreamKind(lambda stream: [head(stream, 103, None), plain(stream)]),
    "trailers": StreamKind(
        lambda stream: [
            head(stream),
            frame(DATA, 0, stream, BODY),
            frame(HEADERS, END_STREAM | END_HEADERS, stream, block(("etag", "x"))),
        ]
    ),
    "ping": StreamKind(lambda stream: [frame(PING, 0, 0, b"12345678"), plain(stream)]),
    "settings": StreamKind(lambda stream: [frame(SETTINGS, 0, 0, b""), plain(stream)]),
    "fewer": StreamKind(lambda stream: [_limit(FEWER), plain(stream)]),
    "more": StreamKind(lambda stream: [_limit(MORE), plain(stream)]),
    "none": StreamKind(lambda stream: [_limit(0), plain(stream)]),
    "unknown": StreamKind(lambda stream: [frame(0xBE, 0xFF, 0, b"grease"), plain(stream)]),
    "slow": StreamKind(lambda stream: [SLOW_S, plain(stream)]),
    "large": StreamKind(lambda stream: [_large(stream)]),
    # Right ones, after which the connection takes no further request.
    "goaway": StreamKind(lambda stream: [_goaway(stream), plain(stream)]),
    "goaway-late": StreamKind(
        lambda stream: [_goaway(stream), PAUSE_S, plain(stream), PAUSE_S, End.FIN]
    ),
    # Wrong ones.
    "status": StreamKind(lambda stream: [plain(stream, status=500)], "status"),
    "body": StreamKind(lambda stream: [plain(stream, WRONG_BODY)], "body"),
    "longer": StreamKind(
        lambda stream: [head(stream) + frame(DATA, END_STREAM, stream, BODY + b"!")], "body"
    ),
    "headless": StreamKind(lambda stream: [frame(DATA, END_STREAM, stream, BODY)], "body"),
    "dynamic": StreamKind(
        lambda stream: [frame(HEADERS, END_STREAM | END_HEADERS, stream, b"\xbe")], "body"
    ),
    "reset": StreamKind(lambda stream: [frame(RST_STREAM, 0, stream, bytes(4))], "reset"),
    "refused": StreamKind(lambda stream: [frame(RST_STREAM, 0, stream, b"\0\0\0\7")], "reset"),
    "half-reset": StreamKind(
        lambda stream: [head(stream), frame(RST_STREAM, 0, stream, b"\0\0\0\2")], "reset"
    ),
    "silent": StreamKind(lambda stream: [], "timeout"),
    "half-silent": StreamKind(lambda stream: [head(stream)], "timeout"),
    # Wrong ones that end the connection, with all streams of it.
    "truncated": StreamKind(lambda stream: [plain(stream)[:-5], End.FIN], "reset"),
    "empty": StreamKind(lambda stream: [End.FIN], "reset"),
    "angry": StreamKind(lambda stream: [_goaway(stream, 11), End.FIN], "reset"),
    "malformed": StreamKind(lambda stream: [frame(PING, 0, 0, b"short")], "body"),
    "huge": StreamKind(lambda stream: [frame(DATA, 0, stream, bytes(20_000))], "body"),
    "pushed": StreamKind(lambda stream: [frame(5, 4, stream, b"\0\0\0\2\x82")], "body"),
    "interrupted": StreamKind(
        lambda stream: [frame(HEADERS, 0, stream, b"\x88") + frame(PING, 0, 0, bytes(8))], "body"
    ),
    # A right one, and then what nobody asked for.
    "twice": StreamKind(lambda stream: [plain(stream) * 2]),
}

# What fails its own stream alone: of these the counts are exact whatever else is under way.
LASTING: tuple[str, ...] = tuple(
    itertools.takewhile(lambda name: name != "truncated", STREAM_KINDS)
)
