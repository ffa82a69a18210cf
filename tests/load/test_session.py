"""One target in a load process, loaded from this one."""

from locust.stats import RequestStats

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.messages import Load
from asgi_bench.load.session import Session
from tests.known_answers import Behaviour, KnownAnswers
from tests.load.loading import target_at


def samples(blob: str | None) -> int:
    """How many times an encoded histogram holds."""
    histogram = merge_histograms([blob])
    return 0 if histogram is None else histogram.total


def test_a_step_has_its_own_histograms(known: KnownAnswers) -> None:
    """Response time, service time and lag of a step's requests come with it, and not at the end."""
    known.behave(Behaviour())
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    loads = [
        session.load(Load("/", 0.2, (), rate_rps=rate_rps, is_step=True))
        for rate_rps in (200.0, 400.0)
    ]
    closed = session.close()
    for load in loads:
        blobs = (load.response_time_hdr, load.service_time_hdr, load.generator_lag_hdr)
        assert [samples(blob) for blob in blobs] == [load.sent] * 3
    ends = (closed.response_time_hdr, closed.service_time_hdr, closed.generator_lag_hdr)
    assert ends == (None, None, None)


def test_slices_of_an_open_loop_share_histograms(known: KnownAnswers) -> None:
    """They bring none themselves: the three of their trial hold the times of all."""
    known.behave(Behaviour())
    session = Session(target_at(known.port), RequestStats())
    session.open(0.0)
    loads = [session.load(Load("/", 0.2, (), rate_rps=200.0)) for _ in range(2)]
    closed = session.close()
    for load in loads:
        blobs = (load.response_time_hdr, load.service_time_hdr, load.generator_lag_hdr)
        assert blobs == (None, None, None)
    ends = (closed.response_time_hdr, closed.service_time_hdr, closed.generator_lag_hdr)
    assert [samples(blob) for blob in ends] == [sum(load.sent for load in loads)] * 3
