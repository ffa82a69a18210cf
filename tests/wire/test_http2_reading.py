"""A connection of HTTP/2 as a channel of one exchange at a time, and what a peer may do to it."""

from collections.abc import Iterator

import pytest

from asgi_bench.wire.http1 import WireError
from asgi_bench.wire.http2 import Http2Connection
from asgi_bench.wire.http2_frames import (
    DATA,
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
from tests.wire.test_http2 import ANSWER, KNOWN, REQUEST, WRITTEN, Wire, asked, on, opened


def kinds(wire: Wire) -> list[int]:
    """The frames that were written, by kind."""
    return [each.kind for each in frames_in(bytes(wire.written))]


def test_a_request_is_written_and_its_answer_read() -> None:
    """Nothing is read where nothing came; the frames of the answer come without their id."""
    wire = Wire()
    connection = opened(wire)
    assert connection.write(WRITTEN) == len(WRITTEN)
    assert kinds(wire) == [HEADERS]
    with pytest.raises(BlockingIOError):
        connection.read(1000)
    wire.pieces.append(on(0, KNOWN.whole)[:5])
    with pytest.raises(BlockingIOError):
        connection.read(1000)
    wire.pieces.append(on(0, KNOWN.whole)[5:])
    assert connection.read(1000) == KNOWN.whole
    assert connection.write(b"") == 0
    assert kinds(wire) == [HEADERS]


def test_what_could_not_be_sent_is_sent_by_the_next_read() -> None:
    """Also by one that finds nothing."""
    wire = Wire()
    connection = opened(wire)
    wire.room = 0
    connection.write(WRITTEN)
    assert kinds(wire) == []
    wire.room = 1 << 30
    with pytest.raises(BlockingIOError):
        connection.read(1000)
    assert kinds(wire) == [HEADERS]


def test_pings_are_answered_as_it_is_read() -> None:
    """At once, though nothing came of the answer."""
    wire = Wire(frame(PING, 0, b"12345678"))
    connection = opened(wire)
    connection.write(WRITTEN)
    wire.written.clear()
    with pytest.raises(BlockingIOError):
        connection.read(1000)
    (pong,) = frames_in(bytes(wire.written))
    assert (pong.kind, pong.flags, pong.payload) == (PING, 1, b"12345678")


def test_the_end_of_the_stream_is_read_as_one() -> None:
    """A close in place of an answer, and every read after it."""
    wire = Wire(b"")
    connection = opened(wire)
    connection.write(WRITTEN)
    assert connection.read(1000) == b""
    assert connection.read(1000) == b""


def test_an_orderly_goaway_is_an_end_once_nothing_is_asked() -> None:
    """What was asked is still answered; then it is over, and nothing more can be asked."""
    wire = Wire(frame(GOAWAY, 0, (1).to_bytes(4) + bytes(4)), on(0, KNOWN.whole))
    connection = opened(wire)
    connection.write(WRITTEN)
    with pytest.raises(BlockingIOError):
        connection.read(1000)
    assert connection.read(1000) == KNOWN.whole
    assert connection.read(1000) == b""
    with pytest.raises(BrokenPipeError):
        connection.write(WRITTEN)


def test_a_goaway_with_an_error_ends_the_connection() -> None:
    """It says why, with the server's own words where it has some."""
    for words, told in ((b"", ""), (b"!", ", '!'"), (b"too calm", ", 'too calm'")):
        wire = Wire(frame(GOAWAY, 0, bytes(4) + (11).to_bytes(4) + words))
        connection = opened(wire)
        connection.write(WRITTEN)
        assert connection.read(1000) == b""
        assert connection.fault is not None
        assert connection.fault.kind == "reset"
        assert connection.fault.text == (
            f"said GOAWAY (ENHANCE_YOUR_CALM{told}) and ended the connection"
        )


def test_a_reset_stream_is_told() -> None:
    """With the name of its code, once; another request may follow."""
    for begun in (b"", on(0, ANSWER[0])):
        wire = Wire(begun + frame(RST_STREAM, 0, (8).to_bytes(4), b"\0\0\0\1"))
        connection = opened(wire)
        connection.write(WRITTEN)
        if begun:
            came: dict[int, bytes] = {}
            connection.take_in(wire.pieces.pop(0), came, None)
            assert connection.resets == {0: "reset the stream (CANCEL)"}
            continue
        with pytest.raises(ConnectionResetError, match=r"^reset the stream \(CANCEL\)$"):
            connection.read(1000)
        with pytest.raises(BlockingIOError):
            connection.read(1000)
        assert connection.write(WRITTEN) == len(WRITTEN)


def test_a_breach_is_raised_where_it_is_read() -> None:
    """And what came before it in the same read is still handed over."""
    wire = Wire(frame(PING, 0, b"x"))
    connection = opened(wire)
    connection.write(WRITTEN)
    with pytest.raises(WireError, match="PING frame of 1 bytes"):
        connection.read(1000)
    wire = Wire(on(0, KNOWN.whole) + frame(PING, 0, b"x"))
    connection = opened(wire)
    connection.write(WRITTEN)
    assert connection.read(1000) == KNOWN.whole
    with pytest.raises(WireError, match="PING frame of 1 bytes"):
        connection.read(1000)


def posted(body: bytes) -> Framed:
    """A request with a body."""
    return Framed(encode_request("POST", "/", scheme="http", authority="h", headers={}, body=body))


def test_a_body_within_the_windows_goes_out_at_once() -> None:
    """It is counted: one that no longer fits is held, and goes out as the windows widen."""
    wire = Wire()
    connection = opened(wire)
    connection.begin(0, posted(bytes(10_000)))
    connection.begin(1, posted(bytes(50_000)))
    connection.flush()
    assert connection.held_bytes == 0
    assert kinds(wire) == [HEADERS, DATA, HEADERS, *[DATA] * 4]
    connection.begin(2, posted(bytes(6_000)))
    assert connection.held_bytes == 6_000 - (65_535 - 60_000)
    connection.take_in(frame(WINDOW_UPDATE, 0, (400).to_bytes(4)), {}, None)
    assert connection.held_bytes == 65
    connection.take_in(frame(WINDOW_UPDATE, 0, (400).to_bytes(4)), {}, None)
    assert connection.held_bytes == 0
    # 335 of the 400 are left.
    connection.begin(3, posted(bytes(336)))
    assert connection.held_bytes == 1


def test_what_is_held_of_a_cancelled_or_reset_stream_is_given_up() -> None:
    """Its bytes are counted as abandoned, and never go out."""
    reset = frame(RST_STREAM, 0, (8).to_bytes(4), b"\0\0\0\1")
    for end in (None, reset, on(0, KNOWN.whole)):
        connection = opened(Wire())
        connection.begin(0, posted(bytes(70_000)))
        held = connection.held_bytes
        assert held == 70_000 - 65_535
        if end is None:
            connection.cancel(0)
        else:
            connection.take_in(end, {}, None)
        assert (connection.held_bytes, connection.abandoned_bytes) == (0, held)


def test_an_answer_before_the_end_of_its_request_resets_the_stream() -> None:
    """What is left of the body is of no use to anybody."""
    wire = Wire()
    connection = opened(wire)
    connection.begin(0, posted(bytes(70_000)))
    connection.flush()
    wire.written.clear()
    connection.take_in(on(0, KNOWN.whole), {}, None)
    connection.flush()
    assert kinds(wire) == [RST_STREAM]


def test_a_place_that_alone_is_silent_is_told_apart() -> None:
    """The connection is silent where nothing came on any stream begun since."""
    connection = asked(3)
    assert [connection.is_silent_since(place) for place in range(3)] == [True] * 3
    connection.take_in(on(1, KNOWN.whole), {}, None)
    assert [connection.is_silent_since(place) for place in (0, 2)] == [False, True]
    # Nothing is asked from this place.
    assert not connection.was_not_taken(7)


def test_a_header_block_may_go_on() -> None:
    """In CONTINUATION frames of its stream; it ends the stream where its first frame says so."""
    block = b"\x88"
    connection = asked(2)
    first = frame(HEADERS, END_STREAM, block[:0])
    rest = frame(9, 4, block)
    came: dict[int, bytes] = {}
    connection.take_in(on(0, first), came, KNOWN)
    connection.take_in(on(0, rest), came, KNOWN)
    assert connection.fault is None
    assert came == {0: first + rest}
    # It has ended: more on it is a breach.
    connection.take_in(on(0, frame(DATA, 0, b"x")), {}, None)
    assert connection.fault is not None
    connection = asked(2)
    connection.take_in(on(0, first) + on(1, rest), {}, None)
    assert connection.fault is not None
    assert "in the midst of a header block" in connection.fault.text


def test_more_settings_may_come_later() -> None:
    """A new limit of streams is told as one; an acknowledgement changes nothing."""
    connection = asked(1)
    assert not connection.has_new_limit
    connection.take_in(frame(SETTINGS, 1, b""), {}, None)
    connection.take_in(frame(SETTINGS, 0, b"\0\3\0\0\0\7"), {}, None)
    assert (connection.most_streams, connection.has_new_limit) == (7, True)


def test_settings_are_awaited_over_several_reads() -> None:
    """A greeting in pieces, and one that is not there yet."""

    class Slow(Wire):
        def read(self, size: int) -> bytes:
            if self.pieces and self.pieces[0] == b"wait":
                self.pieces.pop(0)
                raise BlockingIOError
            return super().read(size)

    greeting = frame(SETTINGS, 0, b"")
    connection = Http2Connection(Slow(b"wait", greeting[:3], b"wait", greeting[3:]))
    steps: Iterator[int] = connection.open()
    assert len(list(steps)) == 4
    connection.begin(0, REQUEST)
    assert connection.fault is None
