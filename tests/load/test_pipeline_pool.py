"""Pipelined requests: counts, times and faults, on a server that counts for itself."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_bench.load.answers import Taken
from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.pipeline_pool import PipelinePool
from asgi_bench.load.pool import Pool
from asgi_bench.load.target import Target
from asgi_bench.model import RESPONSE_TIME, Endpoint
from asgi_bench.serving.places import make_certificate
from asgi_bench.wire.exchange import Exchange
from tests.known_answers import BODY, LARGE_BODY, Behaviour, Counts, KnownAnswers, expected_errors
from tests.known_answers.tls_front import TlsFront
from tests.load.loading import Tally, go_on, load, opened, target_at

DEPTH = 16
LOAD_S = 0.03
# Of a request that gets no answer; a machine that pauses for less is no finding.
SHORT_S = 0.3
# After these a connection goes on, after those it ends.
LASTING = (
    *("plain", "segments", "bytewise", "unique", "chunked", "chunked-bytewise", "interim"),
    *("old-keep-alive", "status", "body", "longer"),
)
ENDING = (
    *("announced-close", "unannounced-close", "old", "until-close", "status-close"),
    *("truncated", "truncated-chunked", "empty"),
)
BREAKING = ("garbage", "twice", "malformed", "bare-line-feeds", "huge-head", "reset-inside")


def piped(
    port: int | Endpoint,
    *,
    connections: int = 2,
    depth: int = DEPTH,
    timeout_s: float = 5.0,
    expect_body: bytes = BODY,
) -> Target:
    """A target with so many requests under way on each connection."""
    target = target_at(port, connections=connections, timeout_s=timeout_s, expect_body=expect_body)
    return msgspec.structs.replace(target, streams=depth)


def assert_equal(client: Tally, counts: Counts) -> None:
    """Client and server have counted the same."""
    errors = expected_errors(counts)
    assert client.faults == errors
    assert client.sent == counts.requests
    assert client.correct == counts.requests - sum(errors.values())


@pytest.mark.parametrize("kind", LASTING)
def test_every_answer_is_counted_as_what_it_is(known: KnownAnswers, kind: str) -> None:
    """Between plain answers, one in three of a kind: counts equal the server's own."""
    server = known.behave(Behaviour(script=("plain", "plain", kind)))
    client = load(piped(server.port), LOAD_S)
    assert client.sent >= 2 * DEPTH
    assert client.reconnects == 0
    assert_equal(client, server.counts())


@pytest.mark.parametrize("kind", ENDING)
def test_what_is_behind_the_last_answer_of_a_connection_is_lost(
    known: KnownAnswers, kind: str
) -> None:
    """A server that closes leaves what is under way unanswered: each is a reset, none is resent."""
    server = known.behave(Behaviour(script=(*("plain",) * 20, kind)))
    client = load(piped(server.port), LOAD_S)
    counts = server.counts()
    assert_equal(client, counts)
    assert client.faults["reset"] > 0
    assert 0 < client.reconnects <= counts.kinds[kind]


@pytest.mark.parametrize("kind", BREAKING)
def test_what_breaks_the_protocol_ends_its_connection(known: KnownAnswers, kind: str) -> None:
    """No answer can be told from another then: all that is under way fails, and load goes on."""
    server = known.behave(Behaviour(script=(*("plain",) * 20, kind)))
    client = load(piped(server.port), LOAD_S)
    counts = server.counts()
    assert client.faults["reset" if kind == "reset-inside" else "body"] > 0
    assert client.correct + sum(client.faults.values()) - client.unasked == client.sent
    # The second of two answers to one request passes for that to the next.
    answers = sum(counts.kinds.values()) + counts.kinds.get("twice", 0)
    assert client.correct <= answers
    assert client.reconnects > 0
    assert counts.connections > 2


def test_silence_is_waited_for_as_long_as_was_said(known: KnownAnswers) -> None:
    """What gets no answer is timed out, each request once, and what came by then counts."""
    server = known.behave(Behaviour(opening=("plain",) * 40, script=("silent",)))
    client = load(piped(server.port, timeout_s=SHORT_S), LOAD_S)
    assert client.correct == 40
    assert client.faults == {"timeout": client.sent - 40}
    assert client.sent == server.counts().requests


def test_half_a_known_answer_is_told_as_half(known: KnownAnswers) -> None:
    """An answer that began as the known one and then stopped is said to have begun."""
    opening = (*("plain",) * 20, "half-silent")
    server = known.behave(Behaviour(opening=opening, script=("silent",)))
    with closing(opened(piped(server.port, connections=1, timeout_s=SHORT_S))) as pool:
        run_closed_loop(pool, LOAD_S, go_on)
        (first, *_) = pool.wrong.kept
    assert first.kind == "timeout"
    assert "8 of the 13 bytes of its body came" in first.text


def test_so_many_requests_are_under_way_at_once(known: KnownAnswers) -> None:
    """Before the first answer has come each connection has asked as often as was said, no more."""
    server = known.behave(Behaviour(delay_s=0.3))
    with closing(opened(piped(server.port, connections=3))) as pool:
        run_closed_loop(pool, 0.0001, go_on)
    assert server.counts().requests == pool.correct == 3 * DEPTH


def test_a_delay_is_what_responses_take(known: KnownAnswers) -> None:
    """Each answer is timed from the moment its request was sent: none is quicker than it was."""
    server = known.behave(Behaviour(delay_s=0.02))
    client = load(piped(server.port), 0.3)
    times_s = np.array(client.stretch.times_ns[RESPONSE_TIME]) / 1e9
    delays_s = np.array(server.counts().delays_ns) / 1e9
    # The first answer on each slot is left out.
    assert len(times_s) == client.correct - 2 * DEPTH
    assert times_s.min() >= 0.02
    assert times_s.mean() >= delays_s.mean() - 0.002


def test_an_open_loop_goes_over_pipelines(known: KnownAnswers) -> None:
    """All that is due is sent, with as many under way as there may be, and counted."""
    server = known.behave(Behaviour(script=("plain", "segments", "unique"), delay_s=0.02))
    offsets_ns = arrival_offsets_ns(1000, 0.3, 1, "poisson")
    with closing(opened(piped(server.port, connections=4))) as pool:
        stretch = run_open_loop(pool, offsets_ns, 0.3, go_on)
    assert pool.error_counts.total == 0
    assert len(offsets_ns) == pool.sent == server.counts().requests == pool.correct
    assert len(stretch.times_ns[RESPONSE_TIME]) == pool.correct


def test_large_answers_are_whole(known: KnownAnswers) -> None:
    """Answers that come in many reads follow each other."""
    server = known.behave(Behaviour(script=("large", "large", "large-wrong")))
    client = load(piped(server.port, depth=4, expect_body=LARGE_BODY), LOAD_S)
    assert client.correct > 0
    assert_equal(client, server.counts())


def test_several_requests_are_drawn(known: KnownAnswers) -> None:
    """Which request a place asked is known when its answer comes."""
    behaviour = Behaviour(by_path={"/wrong": "body", "/parts": "segments"})
    server = known.behave(behaviour)
    target = piped(server.port)
    (first,) = target.exchanges
    exchanges = tuple(
        Exchange(path, first.request.replace(b" / ", f" {path} ".encode()), expect_body=BODY)
        for path in ("/right", "/wrong", "/parts")
    )
    client = load(msgspec.structs.replace(target, exchanges=exchanges), LOAD_S)
    counts = server.counts()
    assert client.faults == {"body": counts.paths["/wrong"]}
    assert client.sent == counts.requests


def test_pipelines_go_over_tls(known: KnownAnswers, tmp_path: Path) -> None:
    """Whatever carries the bytes, counts are exact."""
    server = known.behave(Behaviour(script=("plain", "segments", "status")))
    with TlsFront(server.port, make_certificate(tmp_path)) as front:
        client = load(piped(front.endpoint()), LOAD_S)
    assert client.correct > 0
    assert_equal(client, server.counts())


def test_bytes_for_nobody_are_counted(known: KnownAnswers) -> None:
    """What comes on a connection that has nothing under way is an error, and no request's."""
    server = known.behave(Behaviour(opening=("plain", "afterthought")))
    with closing(opened(piped(server.port, connections=1, depth=2))) as pool:
        for slot in (pool.idle.popleft(), pool.idle.popleft()):
            assert pool.send(slot, time.perf_counter_ns())
        run_closed_loop(pool, 0.0, go_on)
        deadline = time.monotonic() + 5.0
        while not pool.unasked and time.monotonic() < deadline:
            pool.refresh()
    assert (pool.unasked, pool.errors["body"]) == (1, 1)
    assert pool.sent == pool.correct == server.counts().requests


# What a peer sends for one answer, and what becomes of it.
ANSWERS = {
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nright": Taken.CORRECT,
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nright": Taken.CORRECT,
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nright\r\n0\r\n\r\n": Taken.CORRECT,
    b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nright": Taken.CORRECT,
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong": Taken.WRONG,
    b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n": Taken.WRONG,
}


class Peer:
    """The other end of a pool's only connection, in this process."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            exchange = Exchange("/", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", expect_body=b"right")
            endpoint = Endpoint.local(listener.getsockname()[1])
            self.pool: Pool = PipelinePool(Target("/", endpoint, 1, (exchange,), streams=DEPTH))
            self.pool.connect()
            self.sock, _ = listener.accept()
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pool.refresh()

    def close(self) -> None:
        """Close both ends."""
        self.pool.close()
        self.sock.close()

    def exchange(self, answers: list[bytes], cuts: list[int]) -> list[Taken]:
        """Ask once for each answer, give them in pieces, and tell what became of each."""
        pool, data = self.pool, b"".join(answers)
        asked = [pool.idle.popleft() for _ in answers]
        for slot in asked:
            assert pool.send(slot, time.perf_counter_ns())
        became: dict[int, Taken] = {}
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            self.sock.sendall(data[start:end])
            while events := pool.poll(0):
                for slot, _ in events:
                    taken = pool.take(slot, pool.read(slot, 0))
                    if taken is not Taken.WAITING:
                        became[slot] = taken
        return [became[slot] for slot in asked]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """A pool with one connection."""
    with closing(Peer()) as one:
        yield one


@settings(max_examples=60)
@given(st.data())
def test_answers_in_one_buffer_are_told_apart_at_any_split(peer: Peer, data: st.DataObject) -> None:
    """However the bytes of several answers are cut, each request gets its own, in order."""
    answers = data.draw(st.lists(st.sampled_from(list(ANSWERS)), min_size=1, max_size=DEPTH))
    size = sum(map(len, answers))
    cuts = sorted(data.draw(st.sets(st.integers(1, size - 1), max_size=8)))
    assert peer.exchange(answers, cuts) == [ANSWERS[answer] for answer in answers]
    assert not peer.pool.busy
    assert peer.pool.unasked == peer.pool.reconnects == 0
