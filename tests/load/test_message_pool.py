"""Load over WebSocket, on a server that counts for itself."""

import select
import time
from collections.abc import Callable
from contextlib import closing

import msgspec
import numpy as np
import pytest

from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.pool import Pool
from asgi_bench.load.pools import pool_of
from asgi_bench.model import RESPONSE_TIME, Message
from tests.known_answers import (
    BODY,
    LARGE_BODY,
    MESSAGE_KINDS,
    TIMELY_MESSAGES,
    Behaviour,
    KnownAnswers,
    expected_errors,
)
from tests.load.loading import conversation_at, go_on, load, opened, tally


@pytest.mark.parametrize("kind", TIMELY_MESSAGES)
def test_counts_equal_the_servers_own(known: KnownAnswers, kind: str) -> None:
    """Of every kind of answer, all that was sent and went wrong is what the server says."""
    server = known.behave(Behaviour(script=("plain", "plain", kind)))
    timeout_s = 0.5 if MESSAGE_KINDS[kind].error == "timeout" else 5.0
    client = load(conversation_at(server.port, timeout_s=timeout_s), 0.02)
    counts = server.counts()
    errors = expected_errors(counts, MESSAGE_KINDS)
    assert counts.kinds[kind] > 0
    assert client.sent == counts.requests
    assert client.faults == errors
    assert client.correct == counts.requests - sum(errors.values()) == client.stretch.requests
    assert counts.connections == 4 + client.reconnects
    assert client.unasked == 0
    if not errors:
        assert counts.pongs == counts.pings


def test_counts_equal_the_servers_own_when_all_goes_wrong_at_once(known: KnownAnswers) -> None:
    """A server that does everything in turn is counted as exactly."""
    server = known.behave(Behaviour(script=(*TIMELY_MESSAGES, *["plain"] * 50)))
    client = load(conversation_at(server.port, connections=16, timeout_s=0.5), 0.5)
    counts = server.counts()
    assert set(counts.kinds) == set(TIMELY_MESSAGES)
    assert client.sent == counts.requests
    assert client.faults == expected_errors(counts, MESSAGE_KINDS)
    assert client.correct + sum(client.faults.values()) == client.sent


def test_an_open_loop_counts_as_the_server_does(known: KnownAnswers) -> None:
    """Messages that are due on a schedule are sent once each, and timed from when they were due."""
    server = known.behave(Behaviour(script=("plain", "ping-between", "fragmented", "wrong-inside")))
    with closing(opened(conversation_at(server.port))) as pool:
        offsets_ns = arrival_offsets_ns(500, 0.3, 1, "poisson")
        client = tally(pool, run_open_loop(pool, offsets_ns, 0.3, go_on))
    counts = server.counts()
    assert client.sent == counts.requests == len(offsets_ns)
    assert client.faults == expected_errors(counts, MESSAGE_KINDS)
    assert len(client.stretch.times_ns[RESPONSE_TIME]) == client.correct


def test_messages_larger_than_a_read(known: KnownAnswers) -> None:
    """A message of a megabyte is put together, compared whole and counted once."""
    server = known.behave(Behaviour(script=("large",)))
    wanted = (Message(send="more"), Message(expect_bytes=LARGE_BODY))
    client = load(conversation_at(server.port, *wanted), 0.1)
    assert client.correct == client.sent == server.counts().requests > 4
    assert client.faults == {}


def test_each_frame_has_a_mask_of_its_own_where_that_is_asked_for(known: KnownAnswers) -> None:
    """Messages, pongs and closes: no mask comes twice, and counts are as exact."""
    server = known.behave(Behaviour(script=("plain", "ping-between", "fragmented", "wrong-inside")))
    target = conversation_at(server.port, conversations=20)
    load(target, 0.05)
    assert server.counts().masks == 1
    server.behave(Behaviour(script=("plain", "ping-between", "fragmented", "wrong-inside")))
    client = load(msgspec.structs.replace(target, random_masks=True), 0.05)
    counts = server.counts()
    assert client.faults == expected_errors(counts, MESSAGE_KINDS)
    assert client.reconnects > 0
    assert counts.pongs > 0
    # Two of 2^32 may be the same by chance.
    assert counts.masks >= 0.99 * (counts.requests + counts.pongs + counts.closes)


@pytest.mark.parametrize("is_random", [False, True])
def test_messages_larger_than_a_send_buffer(known: KnownAnswers, is_random: bool) -> None:
    """A message that takes many writes is sent whole, and a ping meanwhile gets its pong behind."""
    server = known.behave(Behaviour(script=("plain", "ping-later")))
    wanted = (Message(send="x" * 3_000_000), Message(expect=BODY.decode()))
    target = conversation_at(server.port, *wanted, connections=2)
    client = load(msgspec.structs.replace(target, random_masks=is_random), 0.2)
    counts = server.counts()
    assert client.correct == client.sent == counts.requests
    assert client.faults == {}


def ask_each(pool: Pool) -> None:
    """One message on each connection, and its answer."""
    once = np.zeros(pool.target.connections, dtype=np.int64)
    run_open_loop(pool, once, 0.001, go_on)


def idle_until(pool: Pool, is_over: Callable[[], bool], at_most_s: float = 1.0) -> None:
    """Notice what happens on connections that nothing is asked on."""
    deadline = time.monotonic() + 10
    while not is_over():
        assert time.monotonic() < deadline, "what was awaited did not come"
        select.select([pool.epoll.fileno()], [], [], 0.02)
        pool.refresh(at_most_s)


@pytest.mark.parametrize("kind", ["ping-later", "close-later"])
def test_what_comes_between_messages_is_obeyed(known: KnownAnswers, kind: str) -> None:
    """An idle connection answers a ping, and a close by a reconnect; neither is an error."""
    server = known.behave(Behaviour(script=(kind,)))
    with closing(opened(conversation_at(server.port, connections=2))) as pool:
        ask_each(pool)
        idle_until(pool, lambda: server.counts_now().pongs + server.counts_now().closes == 2)
        counts = server.counts_now()
        assert (counts.pongs, counts.closes) == ((2, 0) if kind == "ping-later" else (0, 2))
        assert pool.reconnects == counts.closes
        assert (pool.correct, pool.error_counts.total) == (2, 0)


def test_a_message_that_nobody_asked_for_is_an_error(known: KnownAnswers) -> None:
    """The same message once more is seen, and its connection replaced."""
    server = known.behave(Behaviour(script=("again",)))
    with closing(opened(conversation_at(server.port, connections=2))) as pool:
        ask_each(pool)
        idle_until(pool, lambda: pool.unasked == 2)
        assert pool.error_counts.body == pool.reconnects == 2


def test_the_turns_of_a_conversation_are_held_in_order(known: KnownAnswers) -> None:
    """Each connection sends its next turn after the answers to the last, all of them awaited."""
    server = known.behave(Behaviour(script=("plain", "fragmented", "binary"), per_connection=True))
    messages = (
        Message(send="one", times=2),
        Message(expect=BODY.decode()),
        Message(expect_pattern="^Hello, w.rld!$"),
        Message(send="two"),
        Message(expect_bytes=BODY),
    )
    target = conversation_at(server.port, *messages)
    with closing(opened(target)) as pool:
        client = tally(pool, run_closed_loop(pool, 0.1, go_on))
        sent = [each.sent for each in pool.tallies]
    counts = server.counts()
    assert client.faults == {}
    assert client.correct == client.sent == sum(sent)
    assert counts.requests == 2 * sent[0] + sent[1]
    assert 0 <= sent[0] - sent[1] <= 4
    assert len(client.stretch.turns) == len(client.stretch.times_ns[RESPONSE_TIME])


def test_a_conversation_begins_anew_on_a_new_connection(known: KnownAnswers) -> None:
    """What broke in its first turn isn't gone on with in the second."""
    script = ("plain", "binary", "empty")
    server = known.behave(Behaviour(script=script, per_connection=True))
    messages = (
        Message(send="one"),
        Message(expect=BODY.decode()),
        Message(send="two"),
        Message(expect_bytes=BODY),
    )
    client = load(conversation_at(server.port, *messages), 0.1)
    counts = server.counts()
    assert set(client.faults) == {"reset"}
    assert client.faults["reset"] == counts.kinds["empty"]
    assert client.sent == counts.requests


def test_a_connection_lives_for_so_many_conversations(known: KnownAnswers) -> None:
    """After three it is closed in order by both sides, and another opened; nothing is lost."""
    server = known.behave(Behaviour(script=("plain", "fragmented")))
    target = conversation_at(server.port, connections=4, conversations=3)
    with closing(opened(target)) as pool:
        client = tally(pool, run_closed_loop(pool, 0.2, go_on))
        pool.refresh()
        closes = server.counts_now().closes
    counts = server.counts()
    assert client.faults == {}
    assert client.correct == client.sent == counts.requests
    assert closes == client.reconnects == counts.connections - 4
    assert 3 * closes <= client.sent <= 3 * (closes + 4)


def test_a_close_that_is_not_answered_is_an_error(known: KnownAnswers) -> None:
    """A server that ends without its close frame is told, and another connection is opened."""
    server = known.behave(Behaviour(closes_in_order=False))
    target = conversation_at(server.port, connections=1, conversations=1)
    with closing(opened(target)) as pool:
        client = tally(pool, run_closed_loop(pool, 0.1, go_on))
        wrong = pool.wrong.kept
    counts = server.counts()
    assert client.correct == client.sent == counts.requests
    assert set(client.faults) == {"connect"}
    assert wrong[0].text == "no close in order: a close was answered with an end alone"


def test_only_so_many_connections_talk(known: KnownAnswers) -> None:
    """The others are open and idle, and one of them takes the place of one that broke."""
    server = known.behave(Behaviour(script=("plain", "plain", "truncated"), per_connection=True))
    with closing(opened(conversation_at(server.port, connections=6, active=2))) as pool:
        assert len(pool.idle) == 2
        client = tally(pool, run_closed_loop(pool, 0.1, go_on))
        assert client.stretch.sent == client.sent > 6
        assert server.counts_now().handshakes >= 6
    counts = server.counts()
    assert client.sent == counts.requests
    assert client.faults == {"reset": counts.kinds["truncated"]}


def test_bursts_are_right_when_all_of_their_messages_are(known: KnownAnswers) -> None:
    """Of eight messages at once with one wrong answer, the burst is wrong, and the text says it."""
    script = (*["plain"] * 12, "longer", *["plain"] * 3)
    server = known.behave(Behaviour(script=script, per_connection=True))
    messages = (Message(send="Hello?", times=8), Message(expect=BODY.decode(), times=8))
    with closing(opened(conversation_at(server.port, *messages, connections=1))) as pool:
        client = tally(pool, run_closed_loop(pool, 0.1, go_on))
        wrong = pool.wrong.kept
    counts = server.counts()
    assert counts.requests == 8 * client.sent
    assert client.faults["body"] == counts.kinds["longer"]
    assert wrong[0].text == (
        "answered text 'Hello, world!!' (14 bytes) instead of text 'Hello, world!' (13 bytes), "
        "message 5 of 8"
    )


@pytest.mark.parametrize(
    ("handshake", "told"),
    [
        ("other-key", "the handshake has sec-websocket-accept"),
        ("no-upgrade", "the handshake has no upgrade: websocket, but 'h2c'"),
        ("extension", "sec-websocket-extensions permessage-deflate, which was not asked for"),
        ("protocol", "sec-websocket-protocol chat, which was not asked for"),
        ("message-behind", "bytes that nobody asked for, after the handshake"),
        ("forbidden", "the handshake was answered with status 403: 'no!'"),
        ("malformed", "malformed status line"),
    ],
)
def test_a_handshake_is_held_to_its_rules(known: KnownAnswers, handshake: str, told: str) -> None:
    """A connection whose handshake is not as RFC 6455 has it is refused, and nothing is sent."""
    server = known.behave(Behaviour(handshake=handshake))
    with closing(pool_of(conversation_at(server.port, connections=1))) as pool:
        pool.connect()
        idle_until(pool, lambda: pool.error_counts.connect > 0, at_most_s=0.01)
        wrong = pool.wrong.kept
        assert pool.error_counts.total == pool.error_counts.connect
        assert pool.sent == server.counts_now().requests == 0
    assert told in wrong[0].text
