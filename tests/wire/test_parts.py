import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.model import Stream
from asgi_bench.wire.http1 import Response, WireError
from asgi_bench.wire.parts import PartReader

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT_HEAD, TEXT_HEAD = HEAD % b"text/event-stream; charset=utf-8", HEAD % b"text/plain"
ENDLESS, WHOLE = Stream(leave_after=2), Stream()


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def _fed(reader: PartReader, data: bytes, cuts: list[int]) -> Response | None:
    """Feed some bytes cut at some places, up to where the answer is whole."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in itertools.pairwise(places):
        response = reader.feed(data[begin:end])
        if response is not None:
            return response
    return None


CUTS = st.lists(st.integers(0, 10_000), max_size=30)


@given(
    st.lists(st.sampled_from([b"data: a", b"id: 1", b"\n", b"\r\n", b"\n\n", b"\r"]), max_size=20),
    CUTS,
    CUTS,
)
def test_events_are_found_however_they_were_cut(
    lines: list[bytes], chunk_cuts: list[int], read_cuts: list[int]
) -> None:
    """Where events end depends on the body alone, not on its chunks nor on what one read brings."""
    body = b"".join(lines)
    whole = PartReader("GET", WHOLE)
    whole.feed(EVENT_HEAD + _chunk(body) + b"0\r\n\r\n")
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in chunk_cuts)})
    chunks = (_chunk(body[a:b]) for a, b in itertools.pairwise(places))
    cut = PartReader("GET", WHOLE)
    response = _fed(cut, EVENT_HEAD + b"".join(chunks) + b"0\r\n\r\n", read_cuts)
    assert response is not None
    assert response.body == body
    assert cut.part_ends == whole.part_ends


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), CUTS)
def test_chunks_are_the_parts_of_anything_else(pieces: list[bytes], cuts: list[int]) -> None:
    """Each chunk is a part, and ends at its last byte."""
    data = TEXT_HEAD + b"".join(map(_chunk, pieces)) + b"0\r\n\r\n"
    reader = PartReader("GET", WHOLE)
    response = _fed(reader, data, cuts)
    assert response is not None
    ends = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))]
    assert reader.part_ends == ends
    at_once = PartReader("GET", WHOLE)
    at_once.feed(data)
    assert [data[:end] for end in at_once.offsets()] == [
        TEXT_HEAD + b"".join(map(_chunk, pieces[: n + 1]))[:-2] for n in range(len(pieces))
    ]


@given(CUTS)
def test_an_endless_stream_is_left_after_its_parts(cuts: list[int]) -> None:
    """The answer is what came of the first parts alone, and no other follows it."""
    reader = PartReader("GET", ENDLESS)
    events = [b"data: %d\n\n" % number for number in range(5)]
    response = _fed(reader, EVENT_HEAD + b"".join(map(_chunk, events)), cuts)
    assert response is not None
    assert (response.status, response.closes) == (200, True)
    assert response.body == events[0] + events[1]
    assert (reader.beyond, reader.missing) == (b"", 0)


def test_an_answer_that_ends_before_is_whole() -> None:
    """A stream that was to be left and ends by itself is judged as it is, a refusal too."""
    reader = PartReader("GET", ENDLESS)
    refusal = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"
    response = reader.feed(refusal)
    assert response is not None
    assert (response.status, response.body, response.closes) == (503, b"busy", False)


def test_an_unknown_stream_is_left_after_its_first_part() -> None:
    """While it isn't known whether it ends, one part says that it is up."""
    reader = PartReader("GET", Stream(leave_after=0))
    assert reader.feed(EVENT_HEAD + _chunk(b": hi")) is None
    response = reader.feed(_chunk(b"\n\nmore"))
    assert response is not None
    assert response.body == b": hi\n\n"


def test_what_is_no_answer_is_refused() -> None:
    """Broken framing is as wrong in a stream as anywhere, and what came of it is told."""
    reader = PartReader("GET", WHOLE)
    reader.feed(TEXT_HEAD + _chunk(b"abc"))
    assert reader.so_far == "3 bytes of a chunked body came, and no last chunk, 1 whole part"
    with pytest.raises(WireError):
        reader.feed(b"xyz\r\n")
