import itertools
import re
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from asgi_bench.wire import http1
from asgi_bench.wire.http1 import (
    MAX_BODY_BYTES,
    MAX_CHUNK_LINE_BYTES,
    MAX_HEAD_BYTES,
    LimitError,
    Response,
    ResponseReader,
    WireError,
    beyond_its_end,
    encode_request,
    read_at_once,
    read_response,
)

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"

tokens = st.text("abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=12)
values = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30)
fields = st.lists(
    st.tuples(tokens, values).filter(
        lambda f: f[0] not in ("content-length", "transfer-encoding", "connection")
    ),
    max_size=4,
)
bodies = st.binary(max_size=200)
extras = st.binary(max_size=20)


def head_of(status: int, *lines: bytes, others: list[tuple[str, str]] | None = None) -> bytes:
    """A response's head with these lines; a length of its own only where one says so."""
    rest = [f"{name}: {value}".encode("latin-1") for name, value in others or []]
    return b"\r\n".join([b"HTTP/1.1 %d Fine" % status, *rest, *lines, b"", b""])


@st.composite
def chunked(draw: Any, body: bytes) -> bytes:
    """A body in chunks of any size, with extensions and trailers."""
    pieces: list[bytes] = []
    while body:
        size = draw(st.integers(1, len(body)))
        extension: bytes = draw(st.sampled_from([b"", b";a=b", b" ; x"]))
        pieces.append(b"%x%s\r\n%s\r\n" % (size, extension, body[:size]))
        body = body[size:]
    zero: bytes = draw(st.sampled_from([b"0", b"000", b"0;last"]))
    trailers: bytes = draw(st.sampled_from([b"", b"etag: x\r\n", b"a: 1\r\nb: 2\r\n"]))
    return b"".join(pieces) + zero + b"\r\n" + trailers + b"\r\n"


@st.composite
def answers(draw: Any) -> tuple[bytes, str, int, bytes]:
    """Bytes of a response with a length of its own; method, status and body it stands for."""
    method = draw(st.sampled_from(["GET", "GET", "HEAD", "POST"]))
    status = draw(st.sampled_from([200, 200, 201, 204, 304, 404, 500]))
    others = draw(fields)
    body = draw(bodies)
    if draw(st.booleans()):
        head = head_of(status, b"Content-Length:%d " % len(body), others=others)
        wire_body = body
    else:
        head = head_of(status, b"TRANSFER-ENCODING: Chunked", others=others)
        wire_body = draw(chunked(body))
    interim = b"".join(
        head_of(code, others=others) for code in draw(st.lists(st.sampled_from([100, 103])))
    )
    if method == "HEAD" or status in (204, 304):
        return interim + head, method, status, b""
    return interim + head + wire_body, method, status, body


def splits(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces, cut somewhere."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def without_head(response: Response | None) -> Response | None:
    """A response without its lines, where only what they say matters."""
    return response and msgspec.structs.replace(response, head=b"")


def fed(pieces: list[bytes], method: str = "GET") -> tuple[Response | None, int]:
    """What a reader makes of the pieces, and how many bytes it left."""
    reader = ResponseReader(method)
    response = None
    excess = 0
    for piece in pieces:
        if response is None:
            response = reader.feed(piece)
            excess = len(reader.beyond)
        else:
            excess += len(piece)
    return response, excess


@given(answers(), extras, st.data())
def test_any_prefix_is_incomplete_and_the_whole_is_the_response(
    answer: tuple[bytes, str, int, bytes], extra: bytes, data: st.DataObject
) -> None:
    """A cut answer reads as None, a whole one as itself, and what follows it is left unread."""
    wire, method, status, body = answer
    cut = data.draw(st.integers(0, len(wire) - 1))
    assert read_response(wire[:cut], method=method) is None
    assert read_response(wire[:cut], method=method, at_eof=True) is None
    response = read_response(wire + extra, method=method)
    assert without_head(response) == Response(status, body, len(wire), closes=False)


@given(answers(), extras, st.lists(st.integers(0, 10_000), max_size=8))
def test_splits_do_not_matter(
    answer: tuple[bytes, str, int, bytes], extra: bytes, cuts: list[int]
) -> None:
    """However an answer comes in, the reader gives the same response and counts what is beyond."""
    wire, method, _, _ = answer
    assert fed(splits(wire + extra, cuts), method) == (
        read_response(wire, method=method),
        len(extra),
    )


@given(answers())
def test_every_byte_on_its_own(answer: tuple[bytes, str, int, bytes]) -> None:
    """An answer split at every byte is whole with its last byte and not before."""
    wire, method, status, body = answer
    reader = ResponseReader(method)
    given_back = [reader.feed(wire[i : i + 1]) for i in range(len(wire))]
    assert given_back[:-1] == [None] * (len(wire) - 1)
    assert without_head(given_back[-1]) == Response(status, body, len(wire), closes=False)


@st.composite
def damaged(draw: Any) -> bytes:
    """A response with some of its bytes replaced, removed or inserted."""
    wire = bytearray(draw(answers())[0])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(wire)))
        width = draw(st.integers(0, 3))
        wire[at : at + width] = draw(st.sampled_from([b"", b"\n", b"\r", b"\0", b":", b" ", b"9"]))
    return bytes(wire)


@given(
    st.one_of(st.binary(max_size=80), damaged()),
    st.lists(st.integers(0, 10_000), max_size=6),
    st.booleans(),
)
@example(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;\nhello", [48], False)
def test_whatever_comes_is_an_answer_or_a_fault(wire: bytes, cuts: list[int], at_eof: bool) -> None:
    """Any bytes give a response within them, None or WireError, the same for every split."""

    def outcome(pieces: list[bytes]) -> Response | str | None:
        reader = ResponseReader()
        try:
            for piece in pieces:
                response = reader.feed(piece)
                if response is not None:
                    return response
            return reader.finish() if at_eof else None
        except WireError as fault:
            assert str(fault)
            return "fault"

    whole = outcome([wire])
    assert outcome(splits(wire, cuts)) == whole
    if isinstance(whole, Response):
        assert whole.size <= len(wire)
        assert len(whole.body) <= whole.size


@given(st.one_of(answers().map(lambda answer: answer[0]), damaged()), extras, st.data())
def test_reading_at_once_is_reading(wire: bytes, extra: bytes, data: st.DataObject) -> None:
    """The short way gives what the reader gives, or leaves it to the reader."""
    cut = data.draw(st.integers(0, len(wire)))
    method = data.draw(st.sampled_from(["GET", "HEAD"]))
    for buffer in (wire, wire + extra, wire[:cut]):
        try:
            response = read_at_once(buffer, method)
        except WireError:
            with pytest.raises(WireError):
                read_response(buffer, method=method)
        else:
            if response is not None:
                assert read_response(buffer, method=method) == response


def test_a_usual_answer_is_read_at_once() -> None:
    """An answer with its length and all its body takes the short way, one with less does not."""
    lines = PLAIN[: -len(b"\r\nhello")]
    assert read_at_once(PLAIN + b"x") == Response(200, b"hello", len(PLAIN), False, lines)
    assert read_at_once(PLAIN[:-1]) is None


@pytest.mark.parametrize(
    ("wire", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: x, close\r\ncontent-length: 0\r\n\r\n", True),
        (
            b"HTTP/1.1 200 OK\r\nconnection: x\r\nconnection: close\r\nContent-Length: 0\r\n\r\n",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nconnection: closed\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", False),
        (
            b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n"
            b"0\r\n\r\n",
            True,
        ),
    ],
)
def test_whether_the_connection_may_be_used_again(wire: bytes, closes: bool) -> None:
    """A close that is announced, or usual in HTTP/1.0, is told."""
    response = read_response(wire)
    assert response is not None
    assert response.closes is closes
    assert response.size == len(wire)


def test_a_body_without_a_length_ends_with_the_stream() -> None:
    """Without a length the close is the end: nothing is whole before it, and it must be clean."""
    assert read_response(UNTIL_CLOSE) is None
    expected = Response(200, b"hello", len(UNTIL_CLOSE), closes=True)
    assert without_head(read_response(UNTIL_CLOSE, at_eof=True)) == expected


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_answer_that_was_cut_off_is_none(wire: bytes) -> None:
    """The end of the stream completes nothing that has a length of its own."""
    assert read_response(wire, at_eof=True) is None


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        (b"ICY 200 OK\r\n\r\n", "malformed status line 'ICY 200 OK'"),
        (b"<html>", "no status line: '<html>'"),
        (b"HTTP/2 200\r\n\r\n", "malformed status line 'HTTP/2 200'"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "malformed status line 'HTTP/1.1 099 OK'"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "malformed status line 'HTTP/1.1 2000 OK'"),
        (b"HTTP/1.1 fine\r\n\r\n", "malformed status line 'HTTP/1.1 fine'"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "switched protocols unasked (status 101)"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed header line 'no colon'"),
        (b"HTTP/1.1 200 OK\r\nx: y\r\na : b\r\n\r\n", "malformed header line 'a : b'"),
        (b"HTTP/1.1 200 OK\r\n a: b\r\n\r\n", "malformed header line ' a: b'"),
        (b"HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n", r"malformed header line 'a: b\x00c'"),
        (b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n", r"malformed header line 'a: b\rc'"),
        (
            b"HTTP/1.1 200 OK\ncontent-length: 5\n\nhello",
            r"bare line feed in the head: 'HTTP/1.1 200 OK\n'",
        ),
        (
            b"HTTP/1.1 200 OK\r\na: b\ncontent-length: 5\r\n\r\n",
            r"bare line feed in the head: 'a: b\n'",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", "malformed content-length '-5'"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5,\r\n\r\n", "malformed content-length '5,'"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\n", "malformed content-length '0x5'"),
        (b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n", "malformed content-length ''"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "differing content-length headers, '5' and '6'",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            "transfer-encoding 'gzip': nothing but chunked was allowed",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "transfer-encoding 'gzip, chunked': nothing but chunked was allowed",
        ),
    ],
)
def test_malformed_heads(wire: bytes, fault: str) -> None:
    """A head that is no head is a fault at once that quotes what is wrong, not a wait for more."""
    with pytest.raises(WireError, match=f"^{re.escape(fault)}$"):
        read_response(wire)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (b"HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200),
        (b"HTTP/1.1 600 Odd\r\ncontent-length: 2\r\n\r\nok", 600),
        (b"HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok", 999),
        (b"HTTP/1.1 200 OK\r\na: b\r\n folded: c\r\ncontent-length:\r\n\t2\r\n\r\nok", 200),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", 200),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", 200),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: ,chunked\r\n\r\n"
            b"2;a=b\r\nok\r\n0\r\nx: y\r\n\r\n",
            200,
        ),
        (b"HTTP/1.1 200 OK\r\nx: \xe9\r\ncontent-length: 2\r\n\r\nok", 200),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + b"set-cookie: a=b\r\n" * 500 + b"\r\nok",
            200,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + b"y" * 200_000 + b"\r\n\r\nok", 200),
        (
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            200,
        ),
    ],
)
def test_what_recipients_have_to_understand_is_an_answer(wire: bytes, status: int) -> None:
    """Odd answers that RFC 9110 and 9112 have recipients read are read, in either way."""
    response = read_response(wire)
    assert response is not None
    assert (response.status, response.body, response.size) == (status, b"ok", len(wire))
    assert read_at_once(wire) in (None, response)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_head(status: int) -> None:
    """Whatever such a head says of a body, none follows; what does is beyond its end."""
    for lines in (b"transfer-encoding: chunked", b"content-length: 13", b"transfer-encoding: gzip"):
        wire = head_of(status, lines)
        response = read_response(wire)
        assert response is not None
        assert (response.status, response.body, response.size) == (status, b"", len(wire))
        reader = ResponseReader()
        assert reader.feed(wire + b"0\r\n\r\n") is not None
        fault = beyond_its_end(response, "GET", reader.beyond)
        assert str(fault) == (
            f"5 bytes beyond the end of the answer (a {status} has no body): " + r"'0\r\n\r\n'"
        )


@pytest.mark.parametrize(
    ("wire", "method", "why"),
    [
        (PLAIN, "GET", "its content-length is 5"),
        (head_of(200, b"content-length: 5"), "HEAD", "an answer to HEAD has no body"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET",
            "its last chunk had come",
        ),
    ],
)
def test_bytes_beyond_the_end_are_told_with_what_ended_it(
    wire: bytes, method: str, why: str
) -> None:
    """They are counted and quoted, and what framed the answer is named."""
    reader = ResponseReader(method)
    response = reader.feed(wire + b"okay")
    assert response is not None
    told = str(beyond_its_end(response, method, reader.beyond))
    assert told == f"4 bytes beyond the end of the answer ({why}): 'okay'"


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"", "nothing came"),
        (
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
            "nothing came but an interim status 103; a final one has to follow",
        ),
        (b"HTTP/1.1 200", "its head broke off after 12 bytes"),
        (PLAIN[:-2], "3 of the 5 bytes of its body came"),
        (UNTIL_CLOSE, "5 bytes of a body came that only the connection's close would end"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
            "3 bytes of a chunked body came, and no last chunk",
        ),
    ],
)
def test_what_came_of_an_unfinished_answer_is_told(wire: bytes, words: str) -> None:
    """Who gives an answer up can say how far it had come."""
    reader = ResponseReader()
    assert reader.feed(wire) is None
    assert reader.so_far == words


def test_headers_are_found_by_name() -> None:
    """Case doesn't matter, several lines are one list, folded ones are unfolded."""
    response = read_response(
        b"HTTP/1.1 302 Found\r\nLocation: /a:b\r\nVia: x\r\n y\r\nvia: z\r\n"
        b"content-length: 0\r\n\r\n"
    )
    assert response is not None
    assert response.header("location") == "/a:b"
    assert response.header("VIA") == "x y, z"
    assert response.header("server") is None


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"x\r\n", "malformed chunk size 'x'"),
        (b"-1\r\n", "malformed chunk size '-1'"),
        (b"\r\n", "malformed chunk size ''"),
        (b"5\nhello", r"bare line feed in the chunk-size line: '5\n'"),
        (b"5\r\nhello!!", "chunk without its line end, but '!!' after its bytes"),
        (b"0\r\nHTTP/1.1 200 OK\r\n\r\n", "malformed header line 'HTTP/1.1 200 OK'"),
        (b"11111111111111111\r\n", "malformed chunk size"),
    ],
)
def test_malformed_chunks(body: bytes, fault: str) -> None:
    """A chunked body is held to its grammar to the last line."""
    with pytest.raises(WireError, match=re.escape(fault)):
        read_response(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body)


def test_equal_lengths_and_chunked_over_length() -> None:
    """A repeated equal length is one length, and chunked framing overrides a length."""
    twice = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\nhello"
    response = read_response(twice)
    assert response is not None
    assert response.body == b"hello"
    both = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    response = read_response(both)
    assert response is not None
    assert response.body == b""
    assert response.size == len(both)


@pytest.mark.parametrize(
    ("start", "flood"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"y"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [1000, 16384])
def test_an_endless_head_is_refused(start: bytes, flood: bytes, piece_bytes: int) -> None:
    """Heads, interim heads, trailers and chunk-size lines have a bound, whatever the reads."""
    reader = ResponseReader()
    with pytest.raises(LimitError, match=r"over .* KiB, a limit of asgi-bench's own"):
        reader.feed(start)
        fed_bytes = len(start)
        while fed_bytes < 2 * MAX_HEAD_BYTES:
            piece = flood * (piece_bytes // len(flood))
            assert reader.feed(piece) is None
            fed_bytes += len(piece)
    assert fed_bytes <= MAX_HEAD_BYTES + len(start) + 2 * 16384


def test_the_head_bound_is_exact() -> None:
    """A head of the largest size is read and one byte more is refused, in any split."""
    empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: "
    fits = empty + b"y" * (MAX_HEAD_BYTES - len(empty)) + b"\r\n\r\n"
    for pieces in ([fits], [fits[:-3], fits[-3:]], [fits[:-1], fits[-1:]]):
        assert without_head(fed(pieces)[0]) == Response(200, b"", len(fits), closes=False)
    over = fits[:-4] + b"y\r\n\r\n"
    for pieces in ([over], [over[:-3], over[-3:]], [over[:-1], over[-1:]]):
        with pytest.raises(LimitError, match=r"^head over 256 KiB, a limit of asgi-bench's own$"):
            fed(pieces)


def test_an_oversized_body_is_refused_before_it_comes() -> None:
    """A length over the bound is refused with the head, a chunk with its size line."""
    with pytest.raises(WireError, match="body over"):
        read_response(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
    assert read_response(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % MAX_BODY_BYTES) is None
    with pytest.raises(WireError, match="body over"):
        read_response(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % MAX_BODY_BYTES
        )


@pytest.mark.parametrize(
    ("head", "flood"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1;%s\r\nx\r\n" % (b"y" * 900)),
    ],
)
def test_an_endless_body_is_refused(
    head: bytes, flood: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body without a length is bounded as it travels: tiny chunks can't pass the bound either."""
    monkeypatch.setattr(http1, "MAX_BODY_BYTES", 10_000)
    assert len(flood) < MAX_CHUNK_LINE_BYTES
    reader = ResponseReader()
    reader.feed(head)
    fed_bytes = 0
    with pytest.raises(WireError, match="body over"):
        while fed_bytes < 20_000:
            assert reader.feed(flood) is None
            fed_bytes += len(flood)
    assert fed_bytes <= 10_000


@given(st.binary(max_size=50), fields)
def test_requests_carry_their_length(body: bytes, headers: list[tuple[str, str]]) -> None:
    """A request ends its head once, and names the length of its body, also that of an empty one."""
    assume(all(name.lower() != "host" for name, _ in headers))
    request = encode_request("POST", "/items", "127.0.0.1:80", dict(headers), body)
    head, _, rest = request.partition(b"\r\n\r\n")
    assert rest == body
    assert head.startswith(b"POST /items HTTP/1.1\r\nHost: 127.0.0.1:80")
    assert b"\r\nContent-Length: %d" % len(body) in head


@pytest.mark.parametrize(
    ("method", "has_length"), [("GET", False), ("DELETE", False), ("PUT", True)]
)
def test_only_what_may_have_a_body_names_an_empty_one(method: str, has_length: bool) -> None:
    """The length 0 is told where the method says what a body means, as RFC 9110, 8.6 asks for."""
    assert (b"Content-Length: 0" in encode_request(method, "/", "h:80", {})) is has_length


@pytest.mark.parametrize("name", ["Host", "host", "HOST"])
def test_a_host_that_is_stated_is_the_only_one(name: str) -> None:
    """A request with two Host headers would be refused with 400 (RFC 9112, 3.2)."""
    head = encode_request("GET", "/", "127.0.0.1:80", {"A": "1", name: "example.org"})
    lines = head.decode().split("\r\n")
    assert [line for line in lines if line.lower().startswith("host:")] == [f"{name}: example.org"]
