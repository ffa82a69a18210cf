from functools import reduce

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_bench.analysis.percentiles import merge_histograms as read_histograms
from asgi_bench.load.histogram import HIGHEST_NS, Recording, Recordings, encoded, merge_times

# Three significant digits: no value is told more than this share above what it is.
DIGITS = 1 / 1000

latencies_ns = st.one_of(
    st.integers(1, HIGHEST_NS),
    st.integers(1, 5_000),
    st.integers(0, 35).map(lambda bits: 1 << bits),
    st.integers(1, 35).map(lambda bits: (1 << bits) - 1),
)


def decoded(recording: Recording) -> HdrHistogram:
    """The histogram as anyone else reads it."""
    blob = recording.encode()
    assert blob is not None
    return HdrHistogram.decode(blob.encode("ascii"))


@settings(max_examples=30)
@given(st.lists(st.lists(latencies_ns, max_size=10), min_size=1, max_size=3))
def test_every_value_is_told_to_three_digits(blocks: list[list[int]]) -> None:
    """What went in comes out of the encoded histogram in number, order and three digits."""
    recording = Recording()
    for block in blocks:
        recording.add(block)
    values = sorted(value for block in blocks for value in block)
    if not values:
        assert recording.encode() is None
        return
    histogram = decoded(recording)
    assert histogram.get_total_count() == len(values)
    assert recording.clamped == 0
    told = [
        item.value_iterated_to
        for item in histogram.get_recorded_iterator()
        for _ in range(item.count_at_value_iterated_to)
    ]
    for value, said in zip(values, told, strict=True):
        assert value <= said <= value * (1 + DIGITS)


@settings(max_examples=30)
@given(st.lists(latencies_ns, min_size=1, max_size=50), st.floats(0.001, 100))
def test_percentiles_are_those_of_the_values(values: list[int], percentile: float) -> None:
    """A percentile of the histogram is that of the raw values, up to its three digits."""
    recording = Recording()
    recording.add(values)
    # HdrHistogram's own rule: the nearest rank, counted from 1.
    exact = sorted(values)[max(1, int(percentile * len(values) / 100 + 0.5)) - 1]
    said = decoded(recording).get_value_at_percentile(percentile)
    assert exact <= said <= exact * (1 + DIGITS)


def test_percentiles_of_a_usual_trial_agree_with_numpy() -> None:
    """Over a hundred thousand latencies, light or heavy, numpy's quantiles are told to 3 digits."""
    generator = np.random.default_rng(5)
    for median_ns in (40e3, 600e3, 80e6):
        values = generator.lognormal(np.log(median_ns), 0.5, 100_001).astype(np.int64)
        recording = Recording()
        recording.add(values.tolist())
        histogram = decoded(recording)
        for percentile in (50, 90, 99, 99.9):
            exact = float(np.percentile(values, percentile, method="nearest"))
            said = histogram.get_value_at_percentile(percentile)
            assert said == pytest.approx(exact, rel=DIGITS)


@settings(max_examples=30)
@given(
    st.lists(latencies_ns, max_size=20),
    st.lists(st.integers(HIGHEST_NS + 1, 1 << 62), max_size=5),
    st.lists(st.integers(-(1 << 62), 0), max_size=5),
)
def test_what_is_out_of_range_is_clamped_and_counted(
    within: list[int], above: list[int], below: list[int]
) -> None:
    """Nothing is dropped: what lies outside is told as the end of the range, and counted."""
    recording = Recording()
    recording.add(within + above)
    recording.add(below)
    assert recording.clamped == len(above) + len(below)
    everything = within + above + below
    if everything:
        histogram = decoded(recording)
        assert histogram.get_total_count() == len(everything)
        assert histogram.get_max_value() <= HIGHEST_NS * (1 + DIGITS)


def test_nothing_recorded_is_none() -> None:
    """Without a single value there is no histogram, rather than an empty one."""
    recording = Recording()
    recording.add([])
    assert recording.encode() is None
    assert recording.clamped == 0


def test_recordings_merge_without_loss() -> None:
    """Two encoded histograms added up are that of all values together."""
    values = np.random.default_rng(7).exponential(1e6, 2_000).astype(np.int64).tolist()
    whole, first, second = Recording(), Recording(), Recording()
    whole.add(values)
    first.add(values[:700])
    second.add(values[700:])
    merged = decoded(first)
    merged.add(decoded(second))
    assert merged.encode() == decoded(whole).encode()


@given(st.lists(st.lists(latencies_ns, max_size=40), min_size=1, max_size=4))
def test_histograms_add_up_without_loss(parts: list[list[int]]) -> None:
    """What several recorded is, bucket for bucket, what one would have, for each time."""
    alone = encoded({"service_time": [1]})
    merged = reduce(merge_times, (encoded({"response_time": part}) for part in parts), alone)
    whole = encoded({"response_time": [value for part in parts for value in part]})
    assert merged["service_time"] == alone["service_time"]
    blobs = [times_hdr.get("response_time") for times_hdr in (merged, whole)]
    ours, theirs = (read_histograms([blob]) for blob in blobs)
    if theirs is None:
        assert ours is None
        return
    assert ours is not None
    assert ours.values_ns.tolist() == theirs.values_ns.tolist()
    assert ours.counts.tolist() == theirs.counts.tolist()


def test_what_another_recorded_is_taken_whole() -> None:
    """By name, with the values that were out of range; the other keeps what it has."""
    one, other, whole = Recordings(), Recordings(), Recordings()
    first = {"response_time": [1_000, 0]}
    second = {"response_time": [5_000, 0, HIGHEST_NS + 1], "service_time": [7_000]}
    one.add(first)
    other.add(second)
    for times_ns in (first, second):
        whole.add(times_ns)
    before = other.encode()
    one.take(other)
    assert one.encode() == whole.encode()
    assert one.clamped("response_time") == 3
    assert (other.encode(), other.clamped("response_time")) == (before, 2)
