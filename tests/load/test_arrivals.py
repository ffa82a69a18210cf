import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load.arrivals import arrival_offsets_ns
from asgi_bench.model import Arrivals

RATES_RPS = st.floats(0.1, 50_000)
DURATIONS_S = st.floats(0.01, 2)
SEEDS = st.integers(0, 2**32 - 1)
KINDS: tuple[Arrivals, ...] = ("poisson", "constant")
# At most this far is the empirical from the true distribution in all but 1 of 10,000 cases
# (Kolmogorov: sqrt(ln(2 / alpha) / 2)), to be divided by the square root of the sample size.
KOLMOGOROV = 2.23


def distance_from_exponential(times_ns: np.ndarray, rate_rps: float) -> float:
    """The Kolmogorov-Smirnov statistic of the gaps, scaled by the root of their number."""
    gaps_s = np.sort(np.diff(times_ns)) / 1e9
    expected = 1 - np.exp(-rate_rps * gaps_s)
    above = np.arange(1, len(gaps_s) + 1) / len(gaps_s) - expected
    below = expected - np.arange(len(gaps_s)) / len(gaps_s)
    return float(max(above.max(), below.max()) * np.sqrt(len(gaps_s)))


@pytest.mark.parametrize("arrivals", KINDS)
@given(rate_rps=RATES_RPS, duration_s=DURATIONS_S, seed=SEEDS)
def test_schedule_ascends_within_its_duration(
    arrivals: Arrivals, rate_rps: float, duration_s: float, seed: int
) -> None:
    """Every due time lies in the stretch, none before the one before it."""
    offsets = arrival_offsets_ns(rate_rps, duration_s, seed, arrivals)
    assert offsets.dtype == np.int64
    assert (np.diff(offsets) >= 0).all()
    assert ((offsets >= 0) & (offsets < duration_s * 1e9)).all()


@pytest.mark.parametrize("arrivals", KINDS)
@given(rate_rps=st.floats(10, 50_000), duration_s=DURATIONS_S, seed=SEEDS)
def test_same_seed_same_schedule(
    arrivals: Arrivals, rate_rps: float, duration_s: float, seed: int
) -> None:
    """The seed decides everything, so a run can be repeated with the very same load."""
    first, again = (arrival_offsets_ns(rate_rps, duration_s, seed, arrivals) for _ in range(2))
    assert first.tolist() == again.tolist()


@pytest.mark.parametrize("arrivals", KINDS)
def test_other_seed_other_schedule(arrivals: Arrivals) -> None:
    """Load processes with seeds of their own don't send at the same instants."""
    ours, theirs = (set(arrival_offsets_ns(500, 2, seed, arrivals).tolist()) for seed in (1, 2))
    assert len(ours & theirs) < 5


@given(rate_rps=RATES_RPS, duration_s=DURATIONS_S, seed=SEEDS)
def test_constant_arrivals_are_evenly_spaced(rate_rps: float, duration_s: float, seed: int) -> None:
    """As many as fit, one gap apart to the nanosecond."""
    offsets = arrival_offsets_ns(rate_rps, duration_s, seed, "constant")
    assert len(offsets) == int(rate_rps * duration_s)
    if len(offsets) > 1:
        assert np.abs(np.diff(offsets) - 1e9 / rate_rps).max() <= 1.001


@given(rate_rps=st.floats(50, 50_000), duration_s=st.floats(0.2, 2), seed=SEEDS)
def test_poisson_count_is_the_rate(rate_rps: float, duration_s: float, seed: int) -> None:
    """The number of arrivals is the expected one within six standard deviations."""
    expected = rate_rps * duration_s
    count = len(arrival_offsets_ns(rate_rps, duration_s, seed, "poisson"))
    assert abs(count - expected) <= 6 * np.sqrt(expected) + 1


def test_poisson_counts_scatter_as_poisson() -> None:
    """Over many seeds the variance of the count is its mean: no even spacing, no bursts."""
    counts = [len(arrival_offsets_ns(200, 1, seed, "poisson")) for seed in range(2000)]
    assert np.mean(counts) == pytest.approx(200, rel=0.01)
    assert np.var(counts) == pytest.approx(200, rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_poisson_gaps_are_exponential(seed: int) -> None:
    """The gaps follow the exponential distribution; those of a constant schedule are far off."""
    poisson = arrival_offsets_ns(5000, 4, seed, "poisson")
    constant = arrival_offsets_ns(5000, 4, seed, "constant")
    assert distance_from_exponential(poisson, 5000) < KOLMOGOROV
    assert distance_from_exponential(constant, 5000) > 10 * KOLMOGOROV


@pytest.mark.parametrize("seed", range(5))
def test_poisson_gaps_are_independent(seed: int) -> None:
    """A gap tells nothing of the next: the autocorrelation is that of chance."""
    gaps = np.diff(arrival_offsets_ns(5000, 4, seed, "poisson")).astype(float)
    correlation = np.corrcoef(gaps[:-1], gaps[1:])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(len(gaps))


@pytest.mark.parametrize("processes", [2, 4])
def test_streams_of_several_processes_add_up(processes: int) -> None:
    """Independent streams of a share of the rate each are together one stream of the whole."""
    streams = [
        arrival_offsets_ns(6000 / processes, 4, seed, "poisson") for seed in range(processes)
    ]
    together = np.sort(np.concatenate(streams))
    assert len(together) == pytest.approx(24_000, abs=6 * np.sqrt(24_000))
    assert distance_from_exponential(together, 6000) < KOLMOGOROV
