"""HTTP/2 under load: counts, times and connections against a server that keeps its own."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.stream_pool import StreamPool
from asgi_bench.load.target import Target
from asgi_bench.model import HOST, RESPONSE_TIME, Endpoint, Request
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import dialogue
from tests.known_answers import BODY, LARGE_BODY, Behaviour, Counts, KnownAnswers
from tests.known_answers.stream_kinds import FEWER, LASTING, MORE, STREAM_KINDS
from tests.load.loading import Tally, go_on, tally

LOAD_S = 0.1
MOMENT_S = 0.03
# Of a request that gets no answer; a machine that pauses for less is no finding.
SHORT_S = 0.3


@pytest.fixture(scope="module")
def streams() -> Iterator[KnownAnswers]:
    """A server of HTTP/2 that awaits its behaviour."""
    with KnownAnswers(program="tests.known_answers.stream_server") as server:
        yield server


def target_at(
    server: KnownAnswers,
    connections: int = 2,
    streams: int = 4,
    *,
    timeout_s: float = 5.0,
    method: str = "GET",
    body: str = "",
    expect: bytes = BODY,
) -> Target:
    """A target of so many streams on a server."""
    endpoint = Endpoint((HOST, server.port), protocol="http2")
    request = Request("streams", method=method, body=body, expect_bytes=expect)
    exchanges = dialogue(endpoint, request).exchanges
    return Target("/", endpoint, connections, exchanges, timeout_s, streams=streams)


def opened(target: Target) -> StreamPool:
    """All connections of a target, idle."""
    pool = StreamPool(target)
    for _ in range(target.connections):
        pool.connect()
    pool.refresh()
    return pool


def load(target: Target, seconds: float = LOAD_S) -> Tally:
    """Load all streams in a closed loop, close, and tell what was counted."""
    with closing(opened(target)) as pool:
        stretch = run_closed_loop(pool, seconds, go_on)
    return tally(pool, stretch)


def expected(counts: Counts) -> tuple[int, dict[str, int]]:
    """The right answers, and the errors by kind, of what a server says it answered."""
    errors: dict[str, int] = {"reset": counts.late} if counts.late else {}
    right = 0
    for name, number in counts.kinds.items():
        error = STREAM_KINDS[name].error
        if error is None:
            right += number
        else:
            errors[error] = errors.get(error, 0) + number
    return right, errors


def assert_equal(client: Tally, counts: Counts) -> None:
    """Client and server have counted the same."""
    right, errors = expected(counts)
    assert client.sent == counts.requests
    assert (client.correct, client.faults) == (right, errors)
    assert client.correct + sum(client.faults.values()) - client.unasked == client.sent
    assert counts.overflows == 0


# What is over at once: nothing waits, and a moment of load holds hundreds.
QUICK = tuple(
    kind for kind in LASTING if kind not in ("slow", "silent", "half-silent", "large", "none")
)


@pytest.mark.parametrize("kind", QUICK)
def test_every_answer_is_counted_as_what_it_is(streams: KnownAnswers, kind: str) -> None:
    """Between plain answers, one in three of a kind: counts equal the server's own."""
    server = streams.behave(Behaviour(script=("plain", "plain", kind)))
    client = load(target_at(server), MOMENT_S)
    assert client.sent > 0
    assert_equal(client, server.counts())


@pytest.mark.parametrize("each", [1, 4])
def test_what_takes_its_time_is_counted_too(streams: KnownAnswers, each: int) -> None:
    """Answers that are late, or never come, on streams beside others that are quick."""
    script = ("plain", "slow", "plain", "silent", "plain", "half-silent")
    server = streams.behave(Behaviour(script=script))
    client = load(target_at(server, timeout_s=SHORT_S, streams=each), 0.2)
    assert client.faults["timeout"] > 0
    assert_equal(client, server.counts())


@pytest.mark.parametrize("each", [1, 4])
def test_a_large_answer_is_whole(streams: KnownAnswers, each: int) -> None:
    """An answer of many frames is read, and known again, beside others on its connection."""
    server = streams.behave(Behaviour(script=("large",)))
    client = load(target_at(server, 2, each, expect=LARGE_BODY), MOMENT_S)
    assert client.correct > 0
    assert_equal(client, server.counts())


@pytest.mark.parametrize("kind", [kind for kind in STREAM_KINDS if kind not in LASTING])
def test_what_ends_a_connection_fails_its_one_stream(streams: KnownAnswers, kind: str) -> None:
    """With a stream a connection, counts are exact, and each such end is a reconnect."""
    server = streams.behave(Behaviour(script=("plain", "plain", kind)))
    client = load(target_at(server, 4, 1), MOMENT_S)
    counts = server.counts()
    right, errors = expected(counts)
    if kind == "twice":
        # Frames that follow an answer are nobody's.
        errors["body"] = client.unasked
        assert client.unasked > 0
    assert client.sent == counts.requests
    assert (client.correct, client.faults) == (right, errors)
    ended = counts.kinds[kind]
    assert ended - 4 <= client.reconnects <= ended


def test_what_ends_a_connection_fails_all_its_streams(streams: KnownAnswers) -> None:
    """Streams that are open when their connection is cut off are lost, each counted once."""
    server = streams.behave(Behaviour(script=(*("plain",) * 20, "truncated")))
    client = load(target_at(server, 2, 8))
    counts = server.counts()
    assert_equal(client, counts)
    assert 0 < client.reconnects <= counts.kinds["truncated"]


@pytest.mark.parametrize("each", [1, 8])
@pytest.mark.parametrize("kind", ["goaway", "goaway-late"])
def test_a_goaway_is_a_reconnect_and_no_error(streams: KnownAnswers, kind: str, each: int) -> None:
    """Streams above the last id were never taken, and count as never sent; others are answered."""
    server = streams.behave(Behaviour(script=(*("plain",) * 20, kind)))
    client = load(target_at(server, 2, each))
    counts = server.counts()
    assert_equal(client, counts)
    assert client.faults == {}
    assert 0 < client.reconnects <= counts.kinds[kind]
    assert counts.connections == client.reconnects + 2


def test_the_server_says_how_many_streams_there_are(streams: KnownAnswers) -> None:
    """No more streams are open than it allows, and how few that is can be told."""
    server = streams.behave(Behaviour(delay_s=0.005, streams=3))
    with closing(opened(target_at(server, 2, 8))) as pool:
        run_closed_loop(pool, LOAD_S, go_on)
        assert pool.streams == 3
    counts = server.counts()
    assert (counts.most_open, counts.requests) == (3, pool.sent)


@pytest.mark.parametrize("each", [1, 3, 8])
def test_a_server_takes_fewer_streams_and_more_again(streams: KnownAnswers, each: int) -> None:
    """What SETTINGS say amid a connection is kept to, by what is free and by what is under way."""
    script = (*("plain",) * 30, "fewer", *("plain",) * 30, "more")
    server = streams.behave(Behaviour(script=script, streams=4, delay_s=0.001))
    with closing(opened(target_at(server, 2, each))) as pool:
        run_closed_loop(pool, 0.3, go_on)
        assert pool.streams == min(each, FEWER)
    counts = server.counts()
    assert pool.error_counts.total == counts.overflows == 0
    assert pool.sent == pool.correct == counts.requests > len(script)
    assert (counts.connections, pool.reconnects) == (2, 0)
    assert counts.most_open == min(each, MORE)


@pytest.mark.parametrize("each", [1, 4])
def test_a_server_may_take_none_for_a_while(streams: KnownAnswers, each: int) -> None:
    """Nothing is asked then, nothing fails and nothing hangs; connections stay open."""
    server = streams.behave(Behaviour(opening=("plain",) * 9, script=("none",)))
    with closing(opened(target_at(server, 1, each))) as pool:
        run_closed_loop(pool, MOMENT_S, go_on)
        offsets_ns = arrival_offsets_ns(1000, MOMENT_S, 1, "poisson")
        run_open_loop(pool, offsets_ns, MOMENT_S, go_on, patience_s=0.0)
    counts = server.counts()
    assert pool.error_counts.total == 0
    assert 9 < pool.sent == pool.correct == counts.requests <= 9 + each
    assert (counts.connections, pool.reconnects, counts.overflows) == (1, 0, 0)


@pytest.mark.parametrize("window", [1, 100, 70_000])
def test_a_body_keeps_to_the_windows(streams: KnownAnswers, window: int) -> None:
    """A request's body goes out as the server makes room, in one piece or byte by byte."""
    server = streams.behave(Behaviour(window=window))
    body = "x" * (200 if window == 1 else 50_000)
    with closing(opened(target_at(server, 2, 4, method="POST", body=body))) as pool:
        run_closed_loop(pool, LOAD_S, go_on)
    counts = server.counts()
    assert pool.error_counts.total == 0
    assert counts.overflows == 0
    assert counts.requests == pool.sent == pool.correct > 0
    assert pool.sent_bytes == pool.sent * len(pool.request)


def test_control_frames_are_answered_and_counted(streams: KnownAnswers) -> None:
    """Each PING is acknowledged, each SETTINGS taken, and both are told."""
    server = streams.behave(Behaviour(script=("ping", "settings")))
    with closing(opened(target_at(server, 2, 4))) as pool:
        run_closed_loop(pool, LOAD_S, go_on)
    counts, frames = server.counts(), pool.control_frames
    assert frames["PING"] == counts.kinds["ping"]
    assert frames["SETTINGS"] >= counts.kinds["settings"] + 2
    assert counts.kinds["ping"] - 8 <= counts.pongs <= counts.kinds["ping"]


@pytest.mark.parametrize("each", [1, 4])
def test_a_delay_is_what_responses_take(streams: KnownAnswers, each: int) -> None:
    """No answer is told faster than the server gave it, and their mean is the server's."""
    server = streams.behave(Behaviour(delay_s=0.02))
    client = load(target_at(server, 2, each), 0.4)
    times_s = np.array(client.stretch.times_ns[RESPONSE_TIME]) / 1e9
    delays_s = np.array(server.counts().delays_ns) / 1e9
    assert times_s.min() >= 0.02
    assert times_s.mean() >= delays_s.mean() - 0.002
    assert client.stretch.accounted_share is not None
    assert client.stretch.accounted_share <= 1


@pytest.mark.parametrize("each", [1, 4])
def test_an_open_loop_goes_over_streams(streams: KnownAnswers, each: int) -> None:
    """All that is due is sent, on whichever stream is free, and counted from when it was due."""
    server = streams.behave(Behaviour(script=("plain", "plain", "segments", "goaway")))
    offsets_ns = arrival_offsets_ns(1000, 0.3, 1, "poisson")
    with closing(opened(target_at(server, 4, each))) as pool:
        stretch = run_open_loop(pool, offsets_ns, 0.3, go_on)
    counts = server.counts()
    assert pool.error_counts.total == 0
    assert pool.sent == counts.requests == pool.correct
    # What a GOAWAY left untaken is not sent again.
    assert len(offsets_ns) - counts.refused <= pool.sent <= len(offsets_ns)
    assert len(stretch.times_ns[RESPONSE_TIME]) == pool.correct


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(st.sampled_from(QUICK), min_size=1, max_size=5), st.sampled_from([1, 3, 8]))
def test_counts_equal_the_servers_in_any_mixture(
    streams: KnownAnswers, kinds: list[str], each: int
) -> None:
    """Whatever follows whatever, on however many streams."""
    server = streams.behave(Behaviour(script=(*kinds, "plain")))
    client = load(target_at(server, 2, each), 0.05)
    assert_equal(client, server.counts())


def test_one_answer_is_asked_for_as_over_http1(streams: KnownAnswers) -> None:
    """Whoever asks outside of a load does so on one stream after another."""
    server = streams.behave(Behaviour(script=("plain", "bytewise", "ping", "goaway")))
    endpoint = Endpoint((HOST, server.port), protocol="http2")
    exchange = dialogue(endpoint, Request("one")).exchanges[0]
    with Connection(endpoint) as connection:
        connection.open(5.0)
        for _ in range(4):
            assert not connection.has_hung_up()
            assert connection.ask(exchange, 5.0).body == BODY
        assert connection.has_hung_up()
    assert server.counts().requests == 4


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        ("dynamic", "body", "its answer breaks HTTP/2: header block that is no HPACK"),
        ("malformed", "body", "its answer breaks HTTP/2: PING frame of 5 bytes"),
        ("truncated", "reset", "closed the connection in the middle of its response"),
        ("silent", "timeout", "no complete response within 0.3 s: nothing came"),
        ("reset", "reset", "reset the connection"),
    ],
)
def test_what_came_instead_of_an_answer_is_told(
    streams: KnownAnswers, kind: str, error: str, told: str
) -> None:
    """A fault on the only stream is a fault of the answer, in the words of HTTP/2."""
    server = streams.behave(Behaviour(script=(kind,)))
    endpoint = Endpoint((HOST, server.port), protocol="http2")
    with Connection(endpoint) as connection:
        connection.open(5.0)
        with pytest.raises(NoAnswer) as caught:
            connection.ask(dialogue(endpoint, Request("one")).exchanges[0], SHORT_S)
    assert caught.value.kind == error
    assert told in str(caught.value)
