from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.wire import http2
from asgi_bench.wire.channel import READABLE
from asgi_bench.wire.http1 import WireError
from asgi_bench.wire.http2 import CONNECTION_WINDOW, PREFACE, Http2Connection
from asgi_bench.wire.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Framed,
    encode_request,
    frame,
    frames_in,
)

GREETING = frame(SETTINGS, 0, b"")
WRITTEN = encode_request("GET", "/", scheme="http", authority="h", headers={})
REQUEST = Framed(WRITTEN)
ANSWER = (frame(HEADERS, END_HEADERS, b"\x88"), frame(DATA, END_STREAM, b"hello"))
KNOWN = Framed(b"".join(ANSWER))


class Wire:
    """A channel that hands over pieces, one a read, and keeps what was written."""

    is_plain: ClassVar[bool] = False
    has_unsent = False
    fd = 7
    client_port = None

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.written = bytearray()
        self.room = 1 << 30

    def open(self) -> Iterator[int]:
        """Open at once."""
        return iter(())

    def read(self, size: int) -> bytes:
        """The next piece."""
        if not self.pieces:
            raise BlockingIOError
        return self.pieces.pop(0)

    def write(self, data: bytes | memoryview) -> int:
        """Take what there is room for."""
        taken = min(self.room, len(data))
        if not taken:
            raise BlockingIOError
        self.written += data[:taken]
        return taken

    def close(self) -> None:
        """Nothing is held."""


def opened(wire: Wire) -> Http2Connection:
    """A connection over a wire that begins with its greeting."""
    wire.pieces.insert(0, GREETING)
    connection = Http2Connection(wire)
    for _ in connection.open():
        pass
    wire.written.clear()
    return connection


def on(place: int, data: bytes) -> bytes:
    """Frames on the stream of a place, which asked in order."""
    return (2 * place + 1).to_bytes(4).join(Framed(data).around)


def asked(count: int, wire: Wire | None = None) -> Http2Connection:
    """A connection on which so many places have asked."""
    connection = opened(wire or Wire())
    for place in range(count):
        connection.begin(place, REQUEST)
    connection.flush()
    return connection


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[bytes], dict[int, bytes], int]:
    """Answers whose frames come in between one another, in pieces; what each place is to get."""
    count = draw(st.integers(1, 5))
    left = {place: [draw(st.sampled_from(ANSWER[:1] * 2)), ANSWER[1]] for place in range(count)}
    whole = {place: b"".join(frames) for place, frames in left.items()}
    data = b""
    while left:
        place = draw(st.sampled_from(sorted(left)))
        many = draw(st.integers(1, len(left[place])))
        for _ in range(many):
            data += on(place, left[place].pop(0))
        if not left[place]:
            del left[place]
        data += draw(st.sampled_from([b"", frame(PING, 0, bytes(8)), frame(0xBE, 9, b"x")]))
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [piece for piece in pieces if piece], whole, count


@given(interleaved(), st.booleans())
def test_each_place_gets_its_own_frames(
    told: tuple[list[bytes], dict[int, bytes], int], is_known: bool
) -> None:
    """However frames of streams are mixed and cut, and whether or not an answer is known."""
    pieces, whole, count = told
    connection = asked(count)
    got: defaultdict[int, bytes] = defaultdict(bytes)
    for piece in pieces:
        came: dict[int, bytes] = {}
        connection.take_in(piece, came, KNOWN if is_known else None)
        for place, data in came.items():
            got[place] += data
    assert connection.fault is None
    assert got == whole
    assert not connection.fresh


@given(st.lists(st.binary(max_size=40), max_size=5), st.booleans())
def test_whatever_comes_is_taken_or_a_fault(pieces: list[bytes], is_known: bool) -> None:
    """No bytes make it raise; after a fault nothing more is taken."""
    connection = asked(3)
    for piece in pieces:
        connection.take_in(piece, {}, KNOWN if is_known else None)
    if connection.fault is not None:
        came: dict[int, bytes] = {}
        connection.take_in(on(0, KNOWN.whole), came, KNOWN)
        assert came == {}
        assert connection.is_ending


def test_the_preface_says_our_settings() -> None:
    """No header table, no pushes, wide windows; the other side's settings are acknowledged."""
    wire = Wire(GREETING)
    steps = list(Http2Connection(wire).open())
    assert steps == [READABLE]
    assert wire.written.startswith(PREFACE)
    settings, window, ack = frames_in(bytes(wire.written[len(PREFACE) :]))
    assert settings.payload == b"\0\1" + bytes(4) + b"\0\2" + bytes(4) + b"\0\4\x40\0\0\0"
    assert (window.kind, int.from_bytes(window.payload)) == (WINDOW_UPDATE, 2**31 - 2**16)
    assert (ack.kind, ack.flags, ack.payload) == (SETTINGS, 1, b"")


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ((b"HTTP/1.1 400 Bad", b""), "no HTTP/2: it began with 'HTTP/1.1 400 Bad'"),
        ((b"",), "closed the connection before its SETTINGS"),
        ((frame(SETTINGS, 0, b"\0\3\0\0\0\0"),), "allows no streams"),
        ((GREETING + frame(GOAWAY, 0, bytes(8)),), "GOAWAY before anything was asked"),
        ((frame(SETTINGS, 0, b"1234"),), "SETTINGS frame of 4 bytes"),
        ((frame(PING, 0, bytes(8)),), "no HTTP/2"),
    ],
)
def test_a_connection_that_cannot_be_asked_is_told(pieces: tuple[bytes, ...], told: str) -> None:
    """What comes instead of SETTINGS, or with them, is named."""
    with pytest.raises(WireError) as caught:
        list(Http2Connection(Wire(*pieces)).open())
    assert told in str(caught.value)


BROKEN = {
    "a short ping": (frame(PING, 0, b"x"), "PING frame of 1 bytes"),
    "a ping on a stream": (frame(PING, 0, bytes(8), b"\0\0\0\1"), "PING frame on a stream"),
    "a large frame": (frame(DATA, 0, bytes(16_385), b"\0\0\0\1"), "frame of 16385 bytes"),
    "a push": (frame(5, 4, b"\0\0\0\2", b"\0\0\0\1"), "PUSH_PROMISE frame"),
    "an idle stream": (on(9, KNOWN.whole), "HEADERS frame on stream 19, which is not open"),
    "an answered stream": (on(0, KNOWN.whole * 2), "on stream 1, which is not open"),
    "a lone continuation": (frame(9, 4, b"x", b"\0\0\0\1"), "CONTINUATION frame without"),
    "a cut block": (frame(HEADERS, 0, b"x", b"\0\0\0\1") + frame(PING, 0, bytes(8)), "midst"),
    "a short goaway": (frame(GOAWAY, 0, b"x"), "GOAWAY frame of 1 bytes"),
}


@pytest.mark.parametrize(("data", "told"), BROKEN.values(), ids=BROKEN)
def test_a_breach_of_the_connection_is_told(data: bytes, told: str) -> None:
    """It ends the connection, and says what was wrong."""
    connection = asked(2)
    connection.take_in(data, {}, KNOWN)
    assert connection.fault is not None
    assert connection.fault.kind == "body"
    assert told in connection.fault.text


def test_windows_are_given_back_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that have used up half a window are made up for, known ones and others alike."""
    wire = Wire()
    connection = asked(6, wire)
    monkeypatch.setattr(http2, "CONNECTION_WINDOW", 40)
    given_back = 0
    for place in range(6):
        connection.take_in(on(place, KNOWN.whole), {}, KNOWN if place % 2 else None)
        connection.flush()
    for each in frames_in(bytes(wire.written)):
        if each.kind == WINDOW_UPDATE:
            given_back += int.from_bytes(each.payload)
    assert given_back + connection.unreturned_bytes == 6 * len(b"hello")
    assert connection.unreturned_bytes <= 20


def test_a_smaller_window_holds_what_is_not_out_yet() -> None:
    """SETTINGS in mid-body may leave a window below nothing: it has to be filled up first."""
    wire = Wire()
    connection = opened(wire)
    connection.take_in(frame(SETTINGS, 0, b"\0\4" + (10).to_bytes(4)), {}, None)
    body = bytes(range(30))
    data = encode_request("POST", "/", scheme="http", authority="h", headers={}, body=body)
    connection.begin(0, Framed(data))
    connection.take_in(frame(SETTINGS, 0, b"\0\4" + (4).to_bytes(4)), {}, None)
    connection.take_in(frame(WINDOW_UPDATE, 0, (6).to_bytes(4), b"\0\0\0\1"), {}, None)
    assert connection.held_bytes == 20
    connection.take_in(frame(WINDOW_UPDATE, 0, (99).to_bytes(4), b"\0\0\0\1"), {}, None)
    connection.flush()
    sent = [each for each in frames_in(bytes(wire.written)) if each.kind == DATA]
    assert b"".join(each.payload for each in sent) == body
    assert [each.flags for each in sent] == [0, 1]


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_window_is_given_back_once_more_than_half_is_used(beyond: int) -> None:
    """All of what came, in one frame; at half of it there is still time."""
    wire = Wire()
    connection = asked(1, wire)
    wire.written.clear()
    connection.unreturned_bytes = used = CONNECTION_WINDOW // 2 - len(b"hello") + beyond
    connection.take_in(on(0, KNOWN.whole), {}, KNOWN)
    connection.flush()
    frames = [(each.kind, each.payload) for each in frames_in(bytes(wire.written))]
    given_back = (used + len(b"hello")).to_bytes(4)
    assert frames == ([(WINDOW_UPDATE, given_back)] if beyond else [])


def test_control_frames_are_counted_by_name() -> None:
    """Each as one, also those that ask for nothing."""
    connection = asked(1)
    before = connection.frames.copy()
    connection.take_in(frame(PING, 0, bytes(8)) * 2 + frame(SETTINGS, 1, b""), {}, None)
    assert connection.frames - before == {"PING": 2, "SETTINGS": 1}


def test_a_place_that_asked_nothing_was_not_refused() -> None:
    """Neither by a GOAWAY that takes no stream nor by an end before anything went out."""
    connection = opened(Wire())
    connection.drain(0)
    assert not connection.was_not_taken(7)
    connection.end()
    assert not connection.was_not_taken(7)


def test_what_never_went_out_was_not_taken() -> None:
    """A request in the buffer of a connection that broke was never sent; one before it was."""
    wire = Wire()
    connection = asked(1, wire)
    wire.room = 0
    connection.begin(1, REQUEST)
    connection.flush()
    assert connection.has_unsent
    connection.end()
    assert [connection.was_not_taken(place) for place in (0, 1)] == [False, True]


def test_an_orderly_goaway_parts_the_streams() -> None:
    """Those up to the last that it names are answered, those above were not taken."""
    connection = asked(3)
    connection.take_in(frame(GOAWAY, 0, (3).to_bytes(4) + bytes(4)), {}, None)
    assert [connection.was_not_taken(place) for place in range(3)] == [False, False, True]
    came: dict[int, bytes] = {}
    connection.take_in(on(1, KNOWN.whole), came, None)
    assert came == {1: KNOWN.whole}
    assert connection.is_ending


def test_a_cancelled_stream_is_heard_no_more() -> None:
    """What still comes on it is passed over, and the other side is told."""
    wire = Wire()
    connection = asked(2, wire)
    wire.written.clear()
    connection.cancel(0)
    came: dict[int, bytes] = {}
    connection.take_in(on(0, KNOWN.whole) + on(1, KNOWN.whole), came, KNOWN)
    connection.flush()
    assert came == {1: KNOWN.whole}
    assert [each.kind for each in frames_in(bytes(wire.written))] == [RST_STREAM]
