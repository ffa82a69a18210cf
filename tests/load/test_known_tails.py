"""Percentiles held against distributions that are known beforehand, by the stored histograms."""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.load.closed_loop import Stretch, run_closed_loop
from asgi_bench.load.histogram import Recording
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.pool import Pool
from asgi_bench.model import RESPONSE_TIME, SERVICE_TIME
from tests.known_answers import Behaviour, KnownAnswers
from tests.load.loading import go_on, opened, target_at

RATE_RPS = 500.0
QUANTILES = (0.5, 0.8, 0.9, 0.95, 0.99)
# Three digits of a histogram, and an answer's own way there and back: what is answered after a
# stall goes out, and comes in, as one burst. What a machine in use adds is measured each time.
DIGITS = 1e-3
WAY_NS = 3_000_000
# A machine that stands still for a while shifts any tail: once in so many it must not.
ATTEMPTS = 6

Nanoseconds = npt.NDArray[np.float64]


def recorded(values_ns: Sequence[int], quantiles: Sequence[float] = QUANTILES) -> Nanoseconds:
    """The quantiles of latencies as they come out of a stored histogram."""
    recording = Recording()
    recording.add(list(values_ns))
    histogram = merge_histograms([recording.encode()])
    assert histogram is not None and histogram.total == len(values_ns)
    # By rank, as a report reads them, but without its demand for ten samples beyond.
    ranks = [max(int(q * histogram.total + 0.5), 1) for q in quantiles]
    places = np.searchsorted(np.cumsum(histogram.counts), ranks)
    return histogram.values_ns[places].astype(float)


def exact(values_ns: Nanoseconds) -> Nanoseconds:
    """The same quantiles of values that are known one by one."""
    ranks = [max(int(q * len(values_ns) + 0.5), 1) - 1 for q in QUANTILES]
    return np.sort(values_ns)[ranks]


def once(agrees: Callable[[], str]) -> None:
    """Demand that what is measured agrees; it says what doesn't."""
    found = [agrees()]
    while found[-1] and len(found) < ATTEMPTS:
        found.append(agrees())
    assert not found[-1], "\n".join(found)


def bias_ns(known: KnownAnswers) -> Nanoseconds:
    """The same quantiles of a server that answers at once: what is not the server's in them."""
    server = known.behave(Behaviour())
    with closing(opened(target_at(server.port, connections=64))) as connections:
        offsets_ns = arrival_offsets_ns(RATE_RPS, 0.4, 4, "poisson")
        return recorded(follow(connections, offsets_ns, 0.4).times_ns[RESPONSE_TIME])


def differences(ours: Nanoseconds, truth: Nanoseconds, bias_ns: Nanoseconds) -> str:
    """Where our quantiles are below the truth, or above it by more than digits, way and bias."""
    most = truth * (1 + DIGITS) + WAY_NS + 2 * bias_ns
    is_right = (ours >= truth * (1 - DIGITS)) & (ours <= most)
    return "" if is_right.all() else f"{ours / 1e6} ms, and {truth / 1e6} ms are right"


def follow(connections: Pool, offsets_ns: npt.NDArray[np.int64], s: float) -> Stretch:
    """Follow a schedule on open connections, to the last answer."""
    stretch = run_open_loop(connections, offsets_ns, s, go_on)
    assert stretch.requests == len(offsets_ns)
    return stretch


def test_a_fixed_delay_is_the_distribution(known: KnownAnswers) -> None:
    """At every percentile the response time is the delay, as the server itself clocked it."""

    def agrees() -> str:
        bias = bias_ns(known)
        server = known.behave(Behaviour(delay_s=0.02))
        with closing(opened(target_at(server.port, connections=64))) as connections:
            offsets_ns = arrival_offsets_ns(RATE_RPS, 0.6, 5, "poisson")
            stretch = follow(connections, offsets_ns, 0.6)
        truth = exact(np.array(server.counts().delays_ns, dtype=float))
        assert truth[0] >= 20_000_000
        return differences(recorded(stretch.times_ns[RESPONSE_TIME]), truth, bias) or differences(
            recorded(stretch.times_ns[SERVICE_TIME]), truth, bias
        )

    once(agrees)


STALL = Behaviour(stall_s=0.1, stall_period_s=0.4)


def waits_ns(intended_ns: Nanoseconds, origin_ns: int) -> Nanoseconds:
    """How long what is due at these times has to wait for a stall's end."""
    phase_ns = (intended_ns - origin_ns) % (STALL.stall_period_s * 1e9)
    return np.maximum(STALL.stall_s * 1e9 - phase_ns, 0)


def test_a_stall_is_the_tail_it_is_by_arithmetic(known: KnownAnswers) -> None:
    """Each request that was due in a stall waited for its end, and so says every percentile."""

    def agrees() -> str:
        bias = bias_ns(known)
        server = known.behave(STALL)
        with closing(opened(target_at(server.port, connections=256))) as connections:
            offsets_ns = arrival_offsets_ns(RATE_RPS, 1.6, 6, "poisson")
            stretch = follow(connections, offsets_ns, 1.6)
        truth = exact(waits_ns((offsets_ns + stretch.begin_ns).astype(float), server.origin_ns))
        # A quarter of the time is stalled: the median isn't, and the tail nearly whole.
        assert truth[0] == 0 and truth[-1] > 80_000_000
        return differences(recorded(stretch.times_ns[RESPONSE_TIME]), truth, bias)

    once(agrees)


def test_a_closed_loop_hides_the_same_tail(known: KnownAnswers) -> None:
    """Its connections wait once in each stall, so its p99 is far from what users would see."""

    def agrees() -> str:
        server = known.behave(STALL)
        with closing(opened(target_at(server.port, connections=4))) as connections:
            stretch = run_closed_loop(connections, 1.2, go_on)
        (p99_ns,) = recorded(stretch.times_ns[RESPONSE_TIME], [0.99])
        assert max(stretch.times_ns[RESPONSE_TIME]) > 40_000_000
        return "" if p99_ns < 20_000_000 else f"p99 is {p99_ns / 1e6} ms"

    once(agrees)
