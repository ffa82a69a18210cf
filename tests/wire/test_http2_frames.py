from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.wire.http1 import LimitError, Response, WireError
from asgi_bench.wire.http2 import PREFACE
from asgi_bench.wire.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_FRAME_BYTES,
    PADDED,
    SETTINGS,
    WITH_PRIORITY,
    Framed,
    StreamReader,
    decode_block,
    encode_request,
    frame,
    frames_in,
)

tokens = st.text("abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=12).filter(
    lambda name: name not in ("connection", "upgrade", "keep-alive", "host", "content-length")
)
values = st.text(st.characters(codec="ascii", exclude_categories=("Cc", "Zs")), max_size=30)
fields = st.lists(st.tuples(tokens, values), max_size=4)
bodies = st.binary(max_size=300)

WHOLE = END_HEADERS | END_STREAM


def block(*lines: tuple[str, str]) -> bytes:
    """A header block that depends on no other."""
    encoder = Encoder()
    encoder.header_table_size = 0
    return encoder.encode(list(lines))


PLAIN_HEAD = block((":status", "200"), ("content-length", "5"))
PLAIN = frame(HEADERS, END_HEADERS, PLAIN_HEAD) + frame(DATA, END_STREAM, b"hello")


@st.composite
def answers(draw: Any) -> tuple[bytes, str, int, bytes]:
    """The frames of an answer, cut and padded at will; method, status and body it stands for."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST"]))
    status = draw(st.sampled_from([200, 201, 204, 304, 404, 500]))
    is_bodiless = method == "HEAD" or status in (204, 304)
    body = b"" if is_bodiless else draw(bodies)
    lines = [(":status", str(status)), *draw(fields)]
    if draw(st.booleans()):
        lines.append(("content-length", str(len(body))))
    interim = frame(HEADERS, END_HEADERS, block((":status", "103"), ("link", "x")))
    data = interim * draw(st.integers(0, 2))
    has_trailers = draw(st.booleans())
    pieces = draw(cut(body))
    ends_with_head = not body and not has_trailers and draw(st.booleans())
    data += draw(head_frames(block(*lines), END_STREAM if ends_with_head else 0))
    if not ends_with_head:
        for at, piece in enumerate(pieces):
            is_last = at == len(pieces) - 1 and not has_trailers
            data += draw(padded(DATA, END_STREAM if is_last else 0, piece))
        if has_trailers:
            data += draw(head_frames(block(("etag", "x")), END_STREAM))
    return data, method, status, body


@st.composite
def cut(draw: Any, body: bytes) -> list[bytes]:
    """A body in pieces, empty ones among them."""
    pieces = []
    while body:
        size = draw(st.integers(0, len(body)))
        pieces.append(body[:size])
        body = body[size:]
    return [*pieces, b""] if draw(st.booleans()) or not pieces else pieces


@st.composite
def head_frames(draw: Any, data: bytes, flags: int) -> bytes:
    """A header block in one frame, or in several."""
    at = draw(st.integers(0, len(data)))
    if at == len(data):
        return bytes(draw(padded(HEADERS, flags | END_HEADERS, data)))
    first: bytes = draw(padded(HEADERS, flags, data[:at]))
    return first + frame(CONTINUATION, END_HEADERS, data[at:])


@st.composite
def padded(draw: Any, kind: int, flags: int, payload: bytes) -> bytes:
    """A frame with padding and priority, or without."""
    pad, priority = draw(st.integers(0, 9)), kind == HEADERS and draw(st.booleans())
    if priority:
        flags, payload = flags | WITH_PRIORITY, b"\0\0\0\3\x10" + payload
    if pad:
        flags, payload = flags | PADDED, bytes((pad,)) + payload + bytes(pad)
    return frame(kind, flags, payload)


@given(answers(), st.data())
def test_an_answer_is_read_however_it_was_cut(
    answer: tuple[bytes, str, int, bytes], chance: st.DataObject
) -> None:
    """Frames, padding, interim heads and trailers change nothing, nor where the bytes were cut."""
    data, method, status, body = answer
    reader = StreamReader(method)
    at = chance.draw(st.integers(0, len(data) - 1))
    assert reader.feed(data[:at]) is None
    response = reader.feed(data[at:] + b"more")
    assert response is not None
    assert (response.status, response.body, response.size) == (status, body, len(data))
    assert reader.beyond == b"more"


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(data: bytes) -> None:
    """Whatever comes is an answer, a piece of one, or a WireError."""
    reader = StreamReader()
    try:
        assert reader.feed(data) is None or reader.beyond is not None
    except WireError:
        return
    assert reader.so_far


@given(st.binary(max_size=60))
def test_no_block_makes_the_decoder_fail_otherwise(data: bytes) -> None:
    """A header block is one, or a WireError."""
    try:
        decode_block(data)
    except WireError as fault:
        assert str(fault)


def head(*lines: tuple[str, str], flags: int = END_HEADERS) -> bytes:
    """A HEADERS frame of these fields."""
    return frame(HEADERS, flags, block(*lines))


OK = (":status", "200")

WRONG = {
    "a dynamic entry": (frame(HEADERS, WHOLE, b"\x88\xbe"), "no HPACK"),
    "a larger table": (frame(HEADERS, WHOLE, b"\x3f\xe1\x1f\x88"), "no HPACK"),
    "no status": (head(("server", "x"), flags=WHOLE), "without its status"),
    "a late status": (head(("server", "x"), OK, flags=WHOLE), "out of its place"),
    "two statuses": (head(OK, OK, flags=WHOLE), "':status' out of its place"),
    "no number": (head((":status", "2x0"), flags=WHOLE), "malformed status '2x0'"),
    "a switch": (head((":status", "101"), flags=WHOLE), "malformed status '101'"),
    "a capital": (head(OK, ("Server", "x"), flags=WHOLE), "'Server' is not in lower case"),
    "a connection": (head(OK, ("connection", "close"), flags=WHOLE), "which HTTP/2 forbids"),
    "a line end": (head(OK, ("a", "b\r\nc: d"), flags=WHOLE), "malformed value of 'a'"),
    "a longer body": (PLAIN[:-14] + frame(DATA, 1, b"hello!"), "content-length of 5"),
    "a shorter body": (PLAIN[:-14] + frame(DATA, 1, b"hell"), "content-length of 5"),
    "no body": (frame(HEADERS, WHOLE, PLAIN_HEAD), "a body of 0 bytes"),
    "two lengths": (head(OK, ("content-length", "1"), ("content-length", "2")), "'1, 2'"),
    "a body first": (frame(DATA, 0, b"hello"), "a body before its head: 'hello'"),
    "a second head": (head(OK) * 2, "a second head"),
    "an interim end": (head((":status", "103"), flags=WHOLE), "interim status 103"),
    "a body of a 204": (head((":status", "204")) + frame(DATA, 1, b"x"), "a 204 has no body"),
    "too much padding": (frame(DATA, PADDED, b"\x09x"), "with 9 of padding"),
    "padding of no length": (frame(DATA, PADDED, b""), "without the length of its padding"),
    "a cut block": (frame(HEADERS, 0, b"\x88") + frame(DATA, 1, b"x"), "DATA frame where"),
    "a lone continuation": (frame(CONTINUATION, END_HEADERS, b"\x88"), "CONTINUATION frame where"),
}


@pytest.mark.parametrize(("data", "told"), WRONG.values(), ids=WRONG)
def test_a_malformed_answer_is_told(data: bytes, told: str) -> None:
    """What breaks the protocol is named and quoted."""
    with pytest.raises(WireError, match=r".") as caught:
        StreamReader().feed(data)
    assert told in str(caught.value)


def test_a_table_of_no_size_may_be_confirmed() -> None:
    """A server says in its first block that its table has no size, as we announced."""
    assert decode_block(b"\x20\x88") == [(b":status", b"200")]


def test_limits_are_told_as_ours() -> None:
    """A head beyond what asgi-bench reads is no breach of the protocol."""
    much = frame(HEADERS, 0, b"x" * MAX_FRAME_BYTES)
    more = frame(CONTINUATION, 0, b"x" * MAX_FRAME_BYTES)
    with pytest.raises(LimitError, match="head over 256 KiB"):
        StreamReader().feed(much + more * 16)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "nothing came"),
        (PLAIN[:5], "a piece of a frame came"),
        (frame(HEADERS, 0, b"\x88"), "its head broke off after 1 bytes"),
        (PLAIN[:-14] + frame(DATA, 0, b"hel"), "3 of the 5 bytes of its body came"),
        (head(OK) + frame(DATA, 0, b"hel"), "3 bytes of its body came"),
    ],
)
def test_half_an_answer_is_told(data: bytes, told: str) -> None:
    """How far an answer got is said, and the end of the connection completes none."""
    reader = StreamReader()
    assert reader.feed(data) is None
    assert reader.finish() is None
    assert told in reader.so_far


def test_headers_are_found_as_in_http1() -> None:
    """Who reads a header needs not know the protocol."""
    response = StreamReader().feed(PLAIN)
    assert response == Response(
        200, b"hello", len(PLAIN), False, response.head if response else b""
    )
    assert response is not None
    assert response.header("Content-Length") == "5"


@given(st.sampled_from(["GET", "POST"]), fields, st.binary(max_size=40_000))
def test_a_request_is_what_another_implementation_reads(
    method: str, lines: list[tuple[str, str]], body: bytes
) -> None:
    """The frames of a request mean the same to h2, twice on one connection."""
    headers = dict(lines)
    request = Framed(
        encode_request(
            method, "/a?b=c", scheme="http", authority="h:80", headers=headers, body=body
        )
    )
    peer = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
    peer.receive_data(PREFACE + frame(SETTINGS, 0, b""))
    expected = {":method": method, ":scheme": "http", ":authority": "h:80", ":path": "/a?b=c"}
    expected |= headers
    if body or method == "POST":
        expected["content-length"] = str(len(body))
    for number in (1, 3):
        events = peer.receive_data(number.to_bytes(4).join(request.around))
        asked = next(event for event in events if isinstance(event, RequestReceived))
        assert {str(name): str(value) for name, value in asked.headers} == expected
        pieces = [event.data for event in events if isinstance(event, DataReceived)]
        assert b"".join(piece for piece in pieces if piece) == body == request.body
        assert isinstance(events[-1], StreamEnded)
        if pieces:
            peer.increment_flow_control_window(len(body) or 1)


def test_a_host_takes_the_authoritys_place() -> None:
    """A Host header is the authority; what is about an HTTP/1.1 connection is left out."""
    headers = {"Host": "example.org", "Connection": "keep-alive", "A": "1"}
    data = encode_request("GET", "/", scheme="https", authority="h:80", headers=headers)
    (only,) = frames_in(data)
    assert decode_block(only.payload) == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.org"),
        (b":path", b"/"),
        (b"a", b"1"),
    ]
