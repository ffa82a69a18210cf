"""Edges of the readers, each with a value on either side: what a change by one would move."""

import gzip

import pytest
from h2.errors import ErrorCodes
from hpack import Encoder

from asgi_bench.model import Stream
from asgi_bench.wire import http2_frames
from asgi_bench.wire.http1 import (
    CHUNK_BYTES,
    MAX_BODY_BYTES,
    MAX_CHUNK_LINE_BYTES,
    MAX_HEAD_BYTES,
    LimitError,
    Response,
    WireError,
    encode_request,
    read_at_once,
    read_response,
)
from asgi_bench.wire.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    StreamReader,
    code_name,
    decode_block,
    frame,
    frame_name,
    is_framed,
)
from asgi_bench.wire.parts import PartReader


def answer_of(data: bytes) -> Response:
    """The answer that some bytes are."""
    found = read_response(data)
    assert found is not None
    return found


def test_a_content_coding_is_taken_off_where_it_is_the_one_that_was_asked_for() -> None:
    """Without one the body is as it came; another one, or none, is no right answer."""
    body = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    coded = answer_of(head + body)
    assert coded.body_without("gzip") == b"hello"
    assert coded.body_without(None) == body
    plain = answer_of(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    assert plain.body_without(None) == b"hello"
    assert plain.body_without("gzip") is None
    broken = answer_of(head.replace(b"%d" % len(body), b"9") + body[:9])
    assert broken.body_without("gzip") is None


def test_a_request_in_chunks_ends_with_an_empty_one() -> None:
    """Each chunk with its size, all full but the last; and no length beside them."""
    body = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"end"
    data = encode_request("POST", "/", "h", {}, body, chunked=True)
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head == b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked"
    full = b"%x\r\n" % CHUNK_BYTES
    assert rest == b"".join(
        (
            full + body[:CHUNK_BYTES] + b"\r\n",
            full + body[CHUNK_BYTES : 2 * CHUNK_BYTES] + b"\r\n",
            b"3\r\nend\r\n0\r\n\r\n",
        )
    )
    assert encode_request("POST", "/", "h", {}, b"", chunked=True).endswith(b"\r\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("values", "length"),
    [
        (["5"], 5),
        (["5", "5"], 5),
        (["5, 5"], 5),
        (["05,5"], 5),
        ([f"{'0' * 30}5"], 5),
        (["0", "00"], 0),
    ],
)
def test_a_length_may_be_told_twice(values: list[str], length: int) -> None:
    """In several headers or in one, with zeros before it: it is one number."""
    head = "".join(f"Content-Length: {value}\r\n" for value in values)
    found = answer_of(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + b"x" * length)
    assert found.body == b"x" * length


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (["5", "6"], "differing content-length headers, '5' and '6'"),
        (["5, 6"], "differing content-length headers, '5' and '6'"),
        (["5", ""], "malformed content-length '5, '"),
        (["5, x"], "malformed content-length '5, x'"),
        (["-1"], "malformed content-length '-1'"),
    ],
)
def test_a_length_that_is_none_is_told(values: list[str], fault: str) -> None:
    """As it came."""
    head = "".join(f"Content-Length: {value}\r\n" for value in values)
    with pytest.raises(WireError) as caught:
        read_response(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + b"x" * 9)
    assert fault in str(caught.value)


def test_frames_are_told_from_text_by_their_first_byte() -> None:
    """No method begins with a length."""
    assert is_framed(frame(DATA, 0, b"x"))
    assert not is_framed(b"GET / HTTP/1.1")
    assert not is_framed(b"")


@pytest.mark.parametrize(
    "name", ["Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"]
)
def test_what_is_of_a_connection_is_no_field_of_a_request(name: str) -> None:
    """HTTP/2 has none of them (RFC 9113, 8.2.2)."""
    whole, plain = (
        http2_frames.encode_request("GET", "/", scheme="http", authority="h", headers=headers)
        for headers in ({name: "x", "a": "b"}, {"a": "b"})
    )
    assert whole == plain


def test_the_bounds_of_http1_are_those_that_messages_name() -> None:
    """256 KiB of heads, 1 KiB of a chunk's size, 64 MiB of a body, to the byte."""
    bounds = (MAX_HEAD_BYTES, MAX_CHUNK_LINE_BYTES, MAX_BODY_BYTES, CHUNK_BYTES)
    assert bounds == (1 << 18, 1 << 10, 1 << 26, 1 << 14)


def test_an_unknown_code_is_told_by_its_number() -> None:
    """The last that has a name, and the first that has none."""
    assert code_name(0) == "NO_ERROR"
    assert code_name(13) == "HTTP_1_1_REQUIRED"
    assert code_name(14) == "code 14"
    assert all(code_name(code) == code.name for code in ErrorCodes)


def test_frames_have_the_names_of_the_specification() -> None:
    """By their numbers; others are told by these."""
    assert " ".join(map(frame_name, range(11))) == (
        "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE "
        "CONTINUATION type 10"
    )


def test_a_status_begins_with_100() -> None:
    """An interim one is passed over; a lower one is none."""
    interim, none = (
        frame(HEADERS, END_HEADERS, Encoder().encode([(":status", status)]))
        for status in ("100", "099")
    )
    reader = StreamReader()
    assert reader.feed(interim) is None
    found = reader.feed(frame(HEADERS, END_HEADERS | END_STREAM, b"\x88"))
    assert found is not None
    assert found.status == 200
    with pytest.raises(WireError, match="malformed status '099'"):
        StreamReader().feed(none)


def test_a_head_and_a_body_over_the_bounds_are_told_as_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In units of the bound; at the bound it is an answer."""
    block = Encoder().encode([(":status", "200"), ("x", "y" * 3000)])
    monkeypatch.setattr(http2_frames, "MAX_HEAD_BYTES", 2048)
    with pytest.raises(LimitError, match="head over 2 KiB"):
        decode_block(block)
    monkeypatch.setattr(http2_frames, "MAX_HEAD_BYTES", 1 << 16)
    monkeypatch.setattr(http2_frames, "MAX_BODY_BYTES", 1 << 21)
    head = frame(HEADERS, END_HEADERS, b"\x88")
    reader = StreamReader()
    reader.feed(head)
    for _ in range(1 << 7):
        assert reader.feed(frame(DATA, 0, bytes(1 << 14))) is None
    assert reader.missing == 0
    with pytest.raises(LimitError, match="body over 2 MiB"):
        reader.feed(frame(DATA, 0, b"x"))
    reader = StreamReader()
    reader.feed(head)
    for _ in range((1 << 7) - 1):
        reader.feed(frame(DATA, 0, bytes(1 << 14)))
    found = reader.feed(frame(DATA, END_STREAM, bytes(1 << 14)))
    assert found is not None
    assert len(found.body) == 1 << 21


@pytest.mark.parametrize(("digits", "is_read"), [(18, True), (19, False)])
def test_a_length_of_http2_has_at_most_18_digits(digits: int, is_read: bool) -> None:
    """More would be no number that anything can hold; so many are awaited."""
    block = Encoder().encode([(":status", "200"), ("content-length", "1" * digits)])
    reader = StreamReader()
    if is_read:
        assert reader.feed(frame(HEADERS, END_HEADERS, block)) is None
        assert reader.so_far.startswith(f"0 of the {'1' * digits} bytes of its body came")
    else:
        with pytest.raises(WireError, match="malformed content-length"):
            reader.feed(frame(HEADERS, END_HEADERS, block))


def test_where_a_body_begins_is_told_to_the_byte() -> None:
    """Behind the head where its length is known, behind the first chunk's size otherwise."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    reader = PartReader("GET", Stream())
    assert reader.body_begin() == 0
    reader.feed(head)
    reader.feed(b"hello")
    assert reader.body_begin() == len(head)
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    reader = PartReader("GET", Stream())
    reader.feed(head + b"5\r\nhello\r\n2\r\nhi\r\n0\r\n\r\n")
    assert reader.body_begin() == len(head) + 3


def test_a_head_of_nothing_is_refused_at_once() -> None:
    """Its end is where it begins, so nothing more is waited for."""
    for read in (read_response, read_at_once):
        with pytest.raises(WireError, match="malformed status line ''"):
            read(b"\r\n\r\n")


def test_a_chunk_without_a_size_is_told_as_one() -> None:
    """Whatever follows it."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with pytest.raises(WireError, match="malformed chunk size ''"):
        read_response(head + b"\r\nab\ncd\r\n")


def test_nothing_is_beyond_a_response_that_is_not_whole() -> None:
    """What came of it is its own; then what follows is beyond it."""
    reader = StreamReader()
    reader.feed(frame(HEADERS, END_HEADERS, b"\x88"))
    assert reader.beyond == b""
    reader.feed(frame(DATA, END_STREAM, b"hi") + b"x")
    assert reader.beyond == b"x"


def test_a_body_over_the_bound_is_told_in_mib() -> None:
    """As its length announces it."""
    with pytest.raises(LimitError, match="body over 64 MiB"):
        read_response(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
