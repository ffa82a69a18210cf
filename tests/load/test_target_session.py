"""One target in a load process, loaded from this one."""

import pytest
from locust.stats import RequestStats

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.histogram import LOWEST_NS
from asgi_bench.load.messages import Load
from asgi_bench.load.target_session import Session
from asgi_bench.model import GENERATOR_LAG, NEARBY_TIME, RESPONSE_TIME, SERVICE_TIME
from tests.known_answers import Behaviour, KnownAnswers
from tests.load.loading import target_at

# What an open loop times of any request.
TIMED = (RESPONSE_TIME, SERVICE_TIME, GENERATOR_LAG)


def samples(blob: str) -> int:
    """How many times an encoded histogram holds."""
    histogram = merge_histograms([blob])
    return 0 if histogram is None else histogram.total


def test_a_step_has_its_own_histograms(known: KnownAnswers) -> None:
    """Response time, service time and lag of a step's requests come with it, and not at the end."""
    known.behave(Behaviour())
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    loads = [
        session.load(Load("/", 0.2, rate_rps=rate_rps, is_step=True)) for rate_rps in (200.0, 400.0)
    ]
    closed = session.close()
    for load in loads:
        assert [samples(load.times_hdr[name]) for name in TIMED] == [load.sent] * 3
    assert closed.times_hdr == {}


def test_slices_of_an_open_loop_share_histograms(known: KnownAnswers) -> None:
    """They bring none themselves: those of their trial hold the times of all."""
    known.behave(Behaviour())
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    loads = [session.load(Load("/", 0.2, rate_rps=200.0)) for _ in range(2)]
    closed = session.close()
    for load in loads:
        assert load.times_hdr == {}
    sent = sum(load.sent for load in loads)
    assert [samples(closed.times_hdr[name]) for name in TIMED] == [sent] * 3


def test_a_slice_that_was_held_back_counts_or_is_aside(known: KnownAnswers) -> None:
    """The next command says which; with a round trip, times less that are there as well."""
    known.behave(Behaviour())
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    first, second, third = (
        session.load(Load("/", 0.1, rate_rps=200.0, is_held_back=True, is_last_aside=is_last_aside))
        for is_last_aside in (False, True, False)
    )
    closed = session.close(is_last_aside=True, round_trip_s=10.0)
    for name in (*TIMED, NEARBY_TIME):
        assert samples(closed.times_hdr[name]) == second.sent
        assert samples(closed.aside_hdr[name]) == first.sent + third.sent
    nearby = merge_histograms([closed.times_hdr[NEARBY_TIME]])
    assert nearby is not None
    # No answer takes 10 s: what is left is the least that there is.
    assert nearby.values_ns.tolist() == [LOWEST_NS]


@pytest.mark.parametrize("kind", ["announced-close", "old", "until-close"])
def test_connections_that_answers_end_are_told_of_each_slice(
    known: KnownAnswers, kind: str
) -> None:
    """How many were opened anew and how long that took; what was right stays right."""
    known.behave(Behaviour(script=(kind,)))
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    loaded = session.load(Load("/", 0.1))
    session.close()
    assert loaded.requests == loaded.sent == loaded.reconnects
    assert loaded.connect_s is not None
    assert 0 < loaded.connect_s < 8 * (loaded.end_s - loaded.begin_s) + 0.1
    assert loaded.sent_bytes is None


def test_bytes_of_requests_are_told_where_they_have_a_body(known: KnownAnswers) -> None:
    """Each request counts with head and body; one that was answered early as far as it went."""
    known.behave(Behaviour())
    target = target_at(known.port, method="POST", body=b"x" * 1000)
    session = Session(target, RequestStats())
    session.open(0.0)
    loaded = session.load(Load("/", 0.1))
    session.close()
    assert loaded.sent_bytes == loaded.sent * len(target.exchanges[0].request)
    assert loaded.reconnects == 0
    known.behave(Behaviour(script=("announced-close",), early=True))
    large = target_at(known.port, method="POST", body=bytes(16 * 1024**2), connections=2)
    session = Session(large, RequestStats())
    session.open(0.0)
    loaded = session.load(Load("/", 0.1))
    session.close()
    assert loaded.requests == loaded.sent > 0
    assert loaded.sent_bytes is not None
    assert loaded.sent * 1000 < loaded.sent_bytes < loaded.sent * len(large.exchanges[0].request)


def test_a_lead_in_leaves_no_trace_but_in_the_totals(known: KnownAnswers) -> None:
    """Its times are in no histogram; it tells the answers until the end of each millisecond."""
    known.behave(Behaviour())
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    lead_in = session.load(Load("/", 0.02, is_lead_in=True))
    measured = session.load(Load("/", 0.02))
    closed = session.close()
    assert list(lead_in.progress) == sorted(lead_in.progress)
    assert 0 < lead_in.progress[-1] <= lead_in.requests
    assert measured.progress == ()
    assert measured.steady is not None
    assert samples(closed.times_hdr[RESPONSE_TIME]) == measured.steady.requests
    assert closed.sent_total >= lead_in.sent + measured.sent


def test_the_steady_part_is_whole_cycles_of_each_connection(known: KnownAnswers) -> None:
    """All answers but the first of each connection, in their time: no ramp and no drain.

    A server that takes 20 ms for each answer gives each connection 50 a second, however short the
    slice is; over the whole slice it seems to be slower.
    """
    known.behave(Behaviour(delay_s=0.02))
    session = Session(target_at(known.port, connections=8), RequestStats())
    session.open(0.0)
    loaded = session.load(Load("/", 0.1))
    session.close()
    assert loaded.steady is not None
    assert loaded.steady.slots == 8
    assert loaded.steady.requests == loaded.requests - 8
    assert loaded.throughput_rps <= 8 / 0.02
    assert loaded.steady.duration_s < loaded.duration_s


@pytest.mark.parametrize("kind", ["announced-close", "body"])
def test_a_slice_in_which_anything_broke_has_no_steady_part(known: KnownAnswers, kind: str) -> None:
    """A connection's time would not be whole cycles then: the whole slice counts."""
    known.behave(Behaviour(script=(kind,)))
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    loaded = session.load(Load("/", 0.05))
    session.close()
    assert loaded.steady is None
    assert loaded.counted == (loaded.requests, loaded.duration_s)
