"""Streams from a server that knows its answers: each part timed, each byte still compared."""

from contextlib import closing

import pytest

from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.model import FIRST_BYTE_TIME, GAP_TIME, RESPONSE_TIME, Stream
from tests.known_answers import Behaviour, KnownAnswers
from tests.known_answers.kinds import EVENTS, KINDS, LARGE_BODY, PAUSE_S, SLOW_S
from tests.load.loading import Tally, go_on, load, opened, target_at

WHOLE = Stream()
PAUSE_NS = PAUSE_S * 1e9
# A loop reads its clock before a part is taken, the part's own time is read after.
CLOCK_NS = 5_000_000


def _times(client: Tally, name: str) -> list[int]:
    return client.stretch.times_ns[name]


def test_parts_are_timed_one_by_one(known: KnownAnswers) -> None:
    """Three parts with a pause before each: as many gaps as there are, none below its pause."""
    server = known.behave(Behaviour(script=("slow-parts",)))
    client = load(target_at(server.port, connections=4, stream=WHOLE), 0.6)
    assert client.faults == {}
    assert client.correct == client.sent == server.counts().kinds["slow-parts"]
    response_ns, first_ns, gap_ns = (
        _times(client, name) for name in (RESPONSE_TIME, FIRST_BYTE_TIME, GAP_TIME)
    )
    # Each connection's first answer is left out.
    assert len(response_ns) == len(first_ns) < client.correct
    assert len(gap_ns) == 2 * len(first_ns)
    assert min(first_ns) >= PAUSE_NS
    # A part may be read late and the next one soon, but none before it was sent.
    assert sum(first_ns) + sum(gap_ns) >= 3 * PAUSE_NS * len(first_ns)
    assert sum(first_ns) + sum(gap_ns) <= sum(response_ns) + CLOCK_NS * len(first_ns)


def test_a_stall_is_a_gap(known: KnownAnswers) -> None:
    """A stall between two parts is in the times: none of it is lost."""
    server = known.behave(Behaviour(script=("slow-stall",)))
    client = load(target_at(server.port, connections=2, stream=WHOLE), 0.6)
    assert client.faults == {}
    first_ns, gap_ns = _times(client, FIRST_BYTE_TIME), _times(client, GAP_TIME)
    assert len(first_ns) == len(gap_ns)
    assert sum(first_ns) + sum(gap_ns) >= (PAUSE_NS + SLOW_S * 1e9) * len(gap_ns)


def test_a_stream_without_end_is_left(known: KnownAnswers) -> None:
    """After its parts it counts as a right answer and its connection goes; nothing is left out."""
    server = known.behave(Behaviour(script=("slow-events",)))
    events = Stream(leave_after=3)
    target = target_at(server.port, connections=4, stream=events, expect_body=b"".join(EVENTS[:3]))
    client = load(target, 0.4)
    counts = server.counts()
    assert client.faults == {}
    assert client.correct == client.sent == counts.requests == client.reconnects
    assert len(_times(client, RESPONSE_TIME)) == client.correct
    assert len(_times(client, FIRST_BYTE_TIME)) == client.correct
    assert len(_times(client, GAP_TIME)) == 2 * client.correct


def test_an_open_loop_times_parts_too(known: KnownAnswers) -> None:
    """Streams that are due on a schedule have the same times."""
    server = known.behave(Behaviour(script=("slow-parts",)))
    offsets_ns = arrival_offsets_ns(50.0, 0.5, 1, "constant")
    with closing(opened(target_at(server.port, connections=16, stream=WHOLE))) as pool:
        stretch = run_open_loop(pool, offsets_ns, 0.5, go_on)
        answered = len(stretch.times_ns[RESPONSE_TIME])
        assert pool.errors == dict.fromkeys(pool.errors, 0)
    assert answered == len(offsets_ns) == server.counts().requests
    assert 0 < len(stretch.times_ns[FIRST_BYTE_TIME]) <= answered
    assert len(stretch.times_ns[GAP_TIME]) == 2 * len(stretch.times_ns[FIRST_BYTE_TIME])


@pytest.mark.parametrize(
    "script",
    [
        ("chunked", "chunked-bytewise", "bytewise", "plain", "unique"),
        ("slow-parts", "slow-truncated", "slow-parts", "body", "truncated-chunked"),
        ("status", "reset-inside", "slow-stall", "until-close-segments", "garbage"),
    ],
)
def test_every_answer_counts_for_what_it_is(known: KnownAnswers, script: tuple[str, ...]) -> None:
    """However a stream is cut, broken or wrong, counts equal the server's own."""
    server = known.behave(Behaviour(script=script))
    client = load(target_at(server.port, connections=4, stream=WHOLE), 0.4)
    faults: dict[str, int] = {}
    for kind, count in server.counts().kinds.items():
        error = KINDS[kind].error
        if error is not None:
            faults[error] = faults.get(error, 0) + count
    assert client.faults == faults
    assert client.correct == client.sent - sum(faults.values())


def test_a_wrong_byte_amid_a_large_body_is_seen(known: KnownAnswers) -> None:
    """Every byte of a megabyte is compared, and the bytes of right answers are added up."""
    server = known.behave(Behaviour(script=("large", "large-wrong", "large")))
    with closing(opened(target_at(server.port, connections=2, expect_body=LARGE_BODY))) as pool:
        run_closed_loop(pool, 0.3, go_on)
        received, errors, correct = pool.received_bytes, dict(pool.errors), pool.correct
    counts = server.counts()
    assert errors["body"] == counts.kinds.get("large-wrong", 0)
    assert correct == counts.kinds["large"]
    assert received == correct * (len(LARGE_BODY) + len(b"HTTP/1.1 200 OK\r\n") + 27)
