"""Percentiles from stored HDR histograms: merged first, then read, never averaged."""

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from hdrh.codec import (
    HdrCookieException,
    HdrHistogramEncoder,
    HdrHistogramSettingsException,
    HdrLengthException,
)
from hdrh.histogram import HdrHistogram

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.errors import BenchError

NANOSECOND_S = 1e-9
# A percentile q rests on the samples beyond it: with fewer than ten of them, that is fewer than
# 10/(1-q) in all, its value is an accident of single requests.
SAMPLES_BEYOND = 10
LAST_CURVE_QUANTILE = 0.9999
CURVE_POINTS = 120

# What hdrh and the layers under it raise for text that is no histogram.
DECODE_ERRORS = (
    HdrCookieException,
    HdrLengthException,
    HdrHistogramSettingsException,
    IndexError,
    OverflowError,
    TypeError,
    ValueError,
    zlib.error,
)


Counts: TypeAlias = npt.NDArray[np.int64]


class _Geometry(NamedTuple):
    """What a histogram can tell apart, as its header states it."""

    lowest_ns: int
    highest_ns: int
    digits: int


class Histogram(NamedTuple):
    """Counts by value: ascending upper bucket edges in nanoseconds, and how many fell below."""

    values_ns: Counts
    counts: Counts

    @property
    def total(self) -> int:
        """All samples."""
        return int(self.counts.sum())


class TailCurve(NamedTuple):
    """Points of a latency curve: `tail` is 1/(1-q), the usual axis of tail charts."""

    tail: npt.NDArray[np.floating]
    seconds: npt.NDArray[np.floating]


def merge_histograms(blobs: Iterable[str | None]) -> Histogram | None:
    """One histogram from many base64 HDR V2 texts, whatever their geometry; None if empty.

    Raises BenchError for text that is no HDR V2 histogram.
    """
    sums: dict[_Geometry, Counts] = {}
    for blob in blobs:
        if blob is not None:
            _add(blob, sums)
    parts = [(_edges_ns(geometry), counts) for geometry, counts in sums.items()]
    nonzero = [(edges[counts > 0], counts[counts > 0]) for edges, counts in parts]
    if not nonzero:
        return None
    if len(nonzero) == 1:
        return Histogram(*nonzero[0])
    values = np.concatenate([edges for edges, _ in nonzero])
    merged_values, places = np.unique(values, return_inverse=True)
    merged_counts = np.zeros(len(merged_values), dtype=np.int64)
    np.add.at(merged_counts, places, np.concatenate([counts for _, counts in nonzero]))
    return Histogram(merged_values, merged_counts)


def quantile_s(histogram: Histogram, quantile: float) -> float | None:
    """The value at a quantile in seconds, or None with fewer than 10/(1-q) samples.

    As in every HDR implementation: the upper edge of the bucket with the sample.
    """
    total = histogram.total
    if total * (1 - quantile) < SAMPLES_BEYOND * (1 - 1e-9):
        return None
    target = max(int(quantile * total + 0.5), 1)
    place = int(np.searchsorted(np.cumsum(histogram.counts), target))
    return float(histogram.values_ns[place]) * NANOSECOND_S


def mean_s(histogram: Histogram) -> float:
    """The mean in seconds of a histogram that isn't empty, from the upper edges of its buckets."""
    total = (histogram.values_ns.astype(float) * histogram.counts).sum()
    return float(total / histogram.total) * NANOSECOND_S


def percentiles_s(histogram: Histogram | None) -> Percentiles:
    """The reported percentiles in seconds; all null without a histogram."""
    if histogram is None:
        return Percentiles()
    return Percentiles(
        p50=quantile_s(histogram, 0.5),
        p90=quantile_s(histogram, 0.9),
        p99=quantile_s(histogram, 0.99),
        p999=quantile_s(histogram, 0.999),
        p9999=quantile_s(histogram, 0.9999),
        max=float(histogram.values_ns[-1]) * NANOSECOND_S,
    )


def tail_curve(histogram: Histogram | None) -> TailCurve | None:
    """The curve from p50 to p99.99, or to the last percentile with enough samples.

    None with fewer than the 20 samples that p50 needs.
    """
    if histogram is None or histogram.total < 2 * SAMPLES_BEYOND:
        return None
    last_tail = min(1 / (1 - LAST_CURVE_QUANTILE), histogram.total / SAMPLES_BEYOND)
    tail = np.geomspace(2.0, last_tail, CURVE_POINTS)
    targets = np.maximum((1 - 1 / tail) * histogram.total + 0.5, 1).astype(np.int64)
    places = np.searchsorted(np.cumsum(histogram.counts), targets)
    return TailCurve(tail, histogram.values_ns[places].astype(np.float64) * NANOSECOND_S)


def _add(blob: str, sums: dict[_Geometry, Counts]) -> None:
    """Add one histogram's counts to the sums of its geometry.

    hdrh's own histogram object is left out: making one takes three times as long as decoding.
    """
    try:
        payload = HdrHistogramEncoder.decode(blob)
        head = payload.payload
        geometry = _Geometry(
            head.lowest_trackable_value, head.highest_trackable_value, head.significant_figures
        )
        length = len(_edges_ns(geometry))
        found = payload.init_counts(length)
    except DECODE_ERRORS as error:
        raise BenchError(f"not an HDR V2 histogram in base64: {error}") from None
    if not found["total"]:
        return
    used = slice(found["min_nonzero_index"], found["max_nonzero_index"] + 1)
    counts = np.frombuffer(payload.get_counts(), dtype=np.uint64)
    sums.setdefault(geometry, np.zeros(length, dtype=np.int64))[used] += counts[used].astype(
        np.int64
    )


@lru_cache(maxsize=8)
def _edges_ns(geometry: _Geometry) -> Counts:
    """The highest value each counter stands for: hdrh's arithmetic, for all counters at once."""
    histogram = HdrHistogram(*geometry)
    places = np.arange(histogram.counts_len, dtype=np.int64)
    half_count = int(histogram.sub_bucket_half_count)
    buckets = (places >> histogram.sub_bucket_half_count_magnitude) - 1
    sub_buckets = (places & (half_count - 1)) + half_count
    sub_buckets = np.where(buckets < 0, sub_buckets - half_count, sub_buckets)
    shifts = np.maximum(buckets, 0) + histogram.unit_magnitude
    edges: Counts = ((sub_buckets + 1) << shifts) - 1
    return edges
