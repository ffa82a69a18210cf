"""Percentiles from stored HDR histograms: merged first, then read, never averaged."""

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram

from asgi_bench.analysis.document import Percentiles
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


class Histogram(NamedTuple):
    """Counts by value: ascending upper bucket edges in nanoseconds, and how many fell below."""

    values_ns: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    @property
    def total(self) -> int:
        """All samples."""
        return int(self.counts.sum())


class TailCurve(NamedTuple):
    """Points of a latency curve: `tail` is 1/(1-q), the usual axis of tail charts."""

    tail: npt.NDArray[np.floating]
    seconds: npt.NDArray[np.floating]


def merge_histograms(blobs: Iterable[str | None]) -> Histogram | None:
    """One histogram out of many base64 HDR V2 texts, whatever their geometry; None if empty.

    Raises BenchError for text that is no HDR V2 histogram.
    """
    parts = [_decode(blob) for blob in blobs if blob is not None]
    if not parts:
        return None
    values = np.concatenate([part.values_ns for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    merged_values, places = np.unique(values, return_inverse=True)
    merged_counts = np.zeros(len(merged_values), dtype=np.int64)
    np.add.at(merged_counts, places, counts)
    return Histogram(merged_values, merged_counts) if len(merged_values) else None


def quantile_s(histogram: Histogram, quantile: float) -> float | None:
    """The value at a quantile in seconds, or None with fewer than 10/(1-q) samples.

    As in every HDR implementation: the upper edge of the bucket that holds the sample.
    """
    total = histogram.total
    if total * (1 - quantile) < SAMPLES_BEYOND * (1 - 1e-9):
        return None
    target = max(int(quantile * total + 0.5), 1)
    place = int(np.searchsorted(np.cumsum(histogram.counts), target))
    return float(histogram.values_ns[place]) * NANOSECOND_S


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
    """The curve from p50 to p99.99, or to the last percentile with samples enough.

    None without the 20 samples that p50 needs.
    """
    if histogram is None or histogram.total < 2 * SAMPLES_BEYOND:
        return None
    last_tail = min(1 / (1 - LAST_CURVE_QUANTILE), histogram.total / SAMPLES_BEYOND)
    tail = np.geomspace(2.0, last_tail, CURVE_POINTS)
    targets = np.maximum((1 - 1 / tail) * histogram.total + 0.5, 1).astype(np.int64)
    places = np.searchsorted(np.cumsum(histogram.counts), targets)
    return TailCurve(tail, histogram.values_ns[places].astype(np.float64) * NANOSECOND_S)


def _decode(blob: str) -> Histogram:
    """The non-empty buckets of one histogram."""
    try:
        histogram = HdrHistogram.decode(blob)
    except DECODE_ERRORS as error:
        raise BenchError(f"not an HDR V2 histogram in base64: {error}") from None
    counts = np.frombuffer(histogram.counts, dtype=np.uint64).astype(np.int64)
    places = np.nonzero(counts)[0]
    return Histogram(_upper_edges(histogram, places), counts[places])


def _upper_edges(histogram: HdrHistogram, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The highest value each counter stands for: hdrh's arithmetic, for all counters at once."""
    half_count = int(histogram.sub_bucket_half_count)
    buckets = (places >> histogram.sub_bucket_half_count_magnitude) - 1
    sub_buckets = (places & (half_count - 1)) + half_count
    sub_buckets = np.where(buckets < 0, sub_buckets - half_count, sub_buckets)
    shifts = np.maximum(buckets, 0) + histogram.unit_magnitude
    edges: npt.NDArray[np.int64] = ((sub_buckets + 1) << shifts) - 1
    return edges
