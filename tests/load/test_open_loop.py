"""Open-loop load against servers whose answers are known beforehand."""

from contextlib import closing

import numpy as np
import pytest

from asgi_bench.analysis.sweeps import is_overloaded, rate_ratio
from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import Stretch
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.pool import Pool
from asgi_bench.model import GENERATOR_LAG, RESPONSE_TIME, SERVICE_TIME, OpenFigures
from tests.known_answers import KINDS, TIMELY, Behaviour, KnownAnswers, expected_errors
from tests.load.loading import go_on, opened, target_at


def follow(connections: Pool, rate_rps: float, duration_s: float, seed: int = 1) -> Stretch:
    """Follow a Poisson schedule on open connections."""
    offsets_ns = arrival_offsets_ns(rate_rps, duration_s, seed, "poisson")
    return run_open_loop(connections, offsets_ns, duration_s, go_on)


def figures(stretch: Stretch) -> OpenFigures:
    """What an open loop tells beside its counts."""
    assert stretch.open_loop is not None
    return stretch.open_loop


def test_every_request_due_is_sent_and_answered(known: KnownAnswers) -> None:
    """What the schedule holds, the client sends and the server counts are one number."""
    known.behave(Behaviour())
    with closing(opened(target_at(known.port))) as connections:
        stretch = follow(connections, 500, 0.6)
        assert figures(stretch).due == stretch.sent == stretch.requests == connections.sent
    assert figures(stretch).unsent == 0
    assert known.counts().requests == figures(stretch).due
    assert (
        len(stretch.times_ns[RESPONSE_TIME])
        == len(stretch.times_ns[GENERATOR_LAG])
        == figures(stretch).due
    )


def test_response_time_counts_from_the_intended_moment(known: KnownAnswers) -> None:
    """No response time is shorter than its service time, and the lag explains the difference."""
    known.behave(Behaviour(delay_s=0.005))
    with closing(opened(target_at(known.port, connections=32))) as connections:
        stretch = follow(connections, 300, 0.6)
    assert all(
        r >= s
        for r, s in zip(
            stretch.times_ns[RESPONSE_TIME], stretch.times_ns[SERVICE_TIME], strict=True
        )
    )
    assert min(stretch.times_ns[SERVICE_TIME]) >= 5_000_000
    waited_ns = sum(stretch.times_ns[RESPONSE_TIME]) - sum(stretch.times_ns[SERVICE_TIME])
    assert waited_ns >= sum(stretch.times_ns[GENERATOR_LAG]) * 0.999


def test_requests_wait_for_a_free_connection_with_their_intended_time(known: KnownAnswers) -> None:
    """One connection to a server that takes 20 ms serves 50 a second: the rest queues."""
    known.behave(Behaviour(delay_s=0.02))
    with closing(opened(target_at(known.port, connections=1))) as connections:
        stretch = follow(connections, 150, 0.5)
    assert figures(stretch).in_flight_max == 1
    assert stretch.requests == figures(stretch).due
    assert max(stretch.times_ns[RESPONSE_TIME]) > 10 * max(min(stretch.times_ns[SERVICE_TIME]), 1)
    assert is_overloaded(figures(stretch))
    kept = rate_ratio([figures(stretch)])
    assert kept is not None and kept < 0.9
    # Waiting for the server's connection is no lag of the generator.
    assert float(np.median(stretch.times_ns[GENERATOR_LAG])) < 20_000_000


def test_what_never_finds_a_connection_is_a_time_out(known: KnownAnswers) -> None:
    """Requests that are still waiting when the time-out has passed are given up and counted."""
    known.behave(Behaviour(script=("silent",)))
    with closing(opened(target_at(known.port, connections=1, timeout_s=0.3))) as connections:
        stretch = follow(connections, 100, 0.3)
        errors = connections.errors
    assert stretch.requests == 0
    assert figures(stretch).unsent > 0
    assert errors["timeout"] == figures(stretch).due
    assert stretch.sent + figures(stretch).unsent == figures(stretch).due


@pytest.mark.parametrize("kind", TIMELY)
def test_counts_equal_the_servers_own(known: KnownAnswers, kind: str) -> None:
    """Of every kind of answer, what was due, sent and went wrong is what the server says."""
    server = known.behave(Behaviour(script=("plain", "plain", kind)))
    timeout_s = 0.5 if KINDS[kind].error == "timeout" else 5.0
    # More connections than requests go wrong: none waits for one until it is given up.
    with closing(opened(target_at(server.port, connections=64, timeout_s=timeout_s))) as client:
        stretch = follow(client, 1000, 0.1)
    counts = server.counts()
    errors = expected_errors(counts)
    assert counts.kinds[kind] > 20
    assert client.sent == stretch.sent == counts.requests
    assert {kind: n for kind, n in client.errors.items() if n} == errors
    assert stretch.requests == counts.requests - sum(errors.values())
    assert (figures(stretch).due, figures(stretch).unsent) == (stretch.sent, 0)
    assert (
        len(stretch.times_ns[RESPONSE_TIME])
        == len(stretch.times_ns[SERVICE_TIME])
        == stretch.requests
    )
    assert len(stretch.times_ns[GENERATOR_LAG]) == stretch.sent
    assert counts.connections == 64 + client.reconnects
    assert client.unasked == 0


def test_counts_equal_the_servers_own_when_all_goes_wrong_at_once(known: KnownAnswers) -> None:
    """A server that does everything in turn, over fewer connections than it spoils."""
    server = known.behave(Behaviour(script=TIMELY))
    with closing(opened(target_at(server.port, connections=8, timeout_s=0.4))) as client:
        stretch = follow(client, 400, 0.8)
        given_up = figures(stretch).unsent
    counts = server.counts()
    errors = expected_errors(counts)
    errors["timeout"] += given_up
    assert client.sent == counts.requests
    assert {kind: n for kind, n in client.errors.items() if n} == errors
    assert figures(stretch).due == counts.requests + given_up
    assert stretch.requests + sum(errors.values()) == figures(stretch).due
    assert counts.connections == 8 + client.reconnects


def test_answers_that_come_before_their_request_is_wholly_sent(known: KnownAnswers) -> None:
    """Half a request spends its connection: the next goes out whole on another, and none hangs."""
    server = known.behave(Behaviour(early=True))
    # More than the socket buffers on both sides hold; one connection, so that requests wait for it.
    target = target_at(server.port, connections=1, method="POST", body=bytes(16_000_000))
    with closing(opened(target)) as client:
        stretch = follow(client, 100, 0.2)
    counts = server.counts()
    assert client.error_counts.total == 0
    assert client.sent == stretch.sent == stretch.requests == counts.requests
    assert (figures(stretch).due, figures(stretch).unsent) == (stretch.sent, 0)
    assert counts.connections == 1 + client.reconnects
    assert client.reconnects > 0


@pytest.mark.parametrize("kind", ["status", "body"])
def test_wrong_answers_have_no_latency(known: KnownAnswers, kind: str) -> None:
    """Wrong answers are counted by kind and stay out of the histograms."""
    known.behave(Behaviour(script=("plain", kind)))
    with closing(opened(target_at(known.port))) as connections:
        stretch = follow(connections, 400, 0.4)
        assert connections.errors[kind] == connections.sent - stretch.requests > 0
    assert len(stretch.times_ns[RESPONSE_TIME]) == stretch.requests


def test_resets_are_errors_and_the_schedule_goes_on(known: KnownAnswers) -> None:
    """A connection that is reset is opened anew, and what is due goes on being sent."""
    known.behave(Behaviour(script=("plain", "plain", "reset")))
    with closing(opened(target_at(known.port))) as connections:
        stretch = follow(connections, 300, 0.5)
        assert connections.errors["reset"] > 0
        assert stretch.requests + connections.errors["reset"] == figures(stretch).due
        assert connections.reconnects == connections.errors["reset"]


@pytest.mark.timed
def test_little_explains_what_was_in_flight(known: KnownAnswers) -> None:
    """Outstanding requests over time are the sum of the response times."""
    known.behave(Behaviour(delay_s=0.005))
    with closing(opened(target_at(known.port, connections=64))) as connections:
        stretch = follow(connections, 500, 0.6)
    assert stretch.accounted_share == pytest.approx(1, abs=0.1)
