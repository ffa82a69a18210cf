import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.analysis.percentiles import (
    Histogram,
    merge_histograms,
    percentiles_s,
    quantile_s,
    tail_curve,
)
from asgi_bench.errors import BenchError

NANOSECONDS = st.integers(min_value=1_000, max_value=50_000_000_000)


def encode(values_ns: list[int], lowest: int = 1_000, digits: int = 3) -> str:
    """The values as a stored histogram."""
    histogram = HdrHistogram(lowest, 60_000_000_000, digits)
    for value in values_ns:
        histogram.record_value(value)
    return str(histogram.encode().decode("ascii"))


def merged(*blobs: str | None) -> Histogram:
    """The merged histogram, which must be there."""
    histogram = merge_histograms(blobs)
    assert histogram is not None
    return histogram


@given(st.lists(st.lists(NANOSECONDS, min_size=1, max_size=40), min_size=1, max_size=4))
def test_merging_equals_recording_into_one(rounds: list[list[int]]) -> None:
    """Histograms of rounds, merged, give what hdrh gives for all values in one histogram."""
    together = HdrHistogram(1_000, 60_000_000_000, 3)
    for values in rounds:
        for value in values:
            together.record_value(value)
    histogram = merged(*map(encode, rounds))
    assert histogram.total == together.get_total_count()
    assert histogram.values_ns[-1] == together.get_max_value()
    cumulated = np.cumsum(histogram.counts)
    for percentile in (1.0, 50.0, 90.0, 99.0):
        target = together.get_target_count_at_percentile(percentile)
        place = int(np.searchsorted(cumulated, target))
        assert histogram.values_ns[place] == together.get_value_at_percentile(percentile)


@given(st.lists(NANOSECONDS, min_size=1, max_size=50))
def test_values_keep_three_digits(values: list[int]) -> None:
    """A value read back is at most one bucket above the one recorded: 512 ns or 0.1 %."""
    histogram = merged(encode(values))
    for edge in histogram.values_ns.tolist():
        assert any(value <= edge <= value + max(512, value // 1000) for value in values)


def test_histograms_of_other_geometry_merge_too() -> None:
    """A finer histogram, as another tool may write it, merges without loss of samples."""
    histogram = merged(encode([1_000_000] * 3), encode([2_000_000] * 5, lowest=1, digits=4))
    assert histogram.total == 8
    assert float(histogram.values_ns[-1]) == pytest.approx(2_000_000, rel=1e-3)


def test_nothing_merges_to_nothing() -> None:
    """Trials without histograms have none together."""
    assert merge_histograms([]) is None
    assert merge_histograms([None, None]) is None
    assert merge_histograms([encode([])]) is None


@pytest.mark.parametrize("blob", ["", "nonsense", "AAAA", "HISTFAAAA", encode([5_000])[:-8]])
def test_broken_histogram_is_a_clear_error(blob: str) -> None:
    """Text that is no histogram is refused as such, whatever its decoder stumbles over."""
    with pytest.raises(BenchError, match="not an HDR V2 histogram"):
        merge_histograms([blob])


@pytest.mark.parametrize(
    ("quantile", "needed"), [(0.5, 20), (0.9, 100), (0.99, 1_000), (0.999, 10_000)]
)
def test_percentile_needs_ten_samples_beyond(quantile: float, needed: int) -> None:
    """A percentile q is given from 10/(1-q) samples on, and null with one fewer."""
    enough = Histogram(np.array([1_000, 2_000]), np.array([needed - 1, 1]))
    short = Histogram(np.array([1_000, 2_000]), np.array([needed - 2, 1]))
    assert quantile_s(enough, quantile) == pytest.approx(1e-6)
    assert quantile_s(short, quantile) is None


def test_percentiles_are_seconds() -> None:
    """1 to 2000 µs, evenly: the percentiles in seconds, and the far tail null."""
    found = percentiles_s(merged(encode([micro * 1_000 for micro in range(1, 2_001)])))
    assert found.p50 == pytest.approx(1.0e-3, rel=2e-3)
    assert found.p90 == pytest.approx(1.8e-3, rel=2e-3)
    assert found.p99 == pytest.approx(1.98e-3, rel=2e-3)
    assert found.max == pytest.approx(2.0e-3, rel=2e-3)
    assert (found.p999, found.p9999) == (None, None)


def test_the_far_tail_is_told_of_many_samples() -> None:
    """A hundred thousand reach p99.99; one in two hundred of these is a hundred times as long."""
    blobs = [encode([1_000_000] * 995 + [100_000_000] * 5)] * 101
    found = percentiles_s(merged(*blobs))
    assert found.p99 == pytest.approx(1.0e-3, rel=2e-3)
    assert found.p999 == found.p9999 == found.max == pytest.approx(0.1, rel=2e-3)


def test_no_histogram_gives_nulls() -> None:
    """Without a histogram every percentile is null."""
    assert percentiles_s(None) == Percentiles()


def test_curve_goes_as_far_as_the_samples() -> None:
    """2000 samples carry a curve to 1/(1-q) = 200, that is p99.5, rising all the way."""
    curve = tail_curve(merged(encode([micro * 1_000 for micro in range(1, 2_001)])))
    assert curve is not None
    assert (curve.tail[0], curve.tail[-1]) == pytest.approx((2.0, 200.0))
    assert (np.diff(curve.seconds) >= 0).all()
    assert curve.seconds[0] == pytest.approx(1.0e-3, rel=2e-3)
    assert curve.seconds[-1] == pytest.approx(1.99e-3, rel=2e-3)


def test_curve_ends_at_four_nines() -> None:
    """However many samples there are, the curve ends at p99.99."""
    curve = tail_curve(Histogram(np.array([1_000, 2_000]), np.array([10**9, 10**6])))
    assert curve is not None
    assert curve.tail[-1] == pytest.approx(10_000)


@pytest.mark.parametrize("samples", [0, 1, 19])
def test_curve_needs_a_median(samples: int) -> None:
    """Too few samples for p50 give no curve."""
    assert tail_curve(Histogram(np.array([1_000]), np.array([samples]))) is None
    assert tail_curve(None) is None


def test_each_counter_stands_for_the_highest_value_of_its_bucket() -> None:
    """As hdrh has it, in every bucket of a histogram, the widest ones too."""
    values_ns = [1 << bits for bits in range(15, 36)]
    found = merged(encode(values_ns, lowest=20_000, digits=2))
    plain = HdrHistogram(20_000, 60_000_000_000, 2)
    highest = [plain.get_highest_equivalent_value(value) for value in values_ns]
    assert found.values_ns[found.counts > 0].tolist() == highest
