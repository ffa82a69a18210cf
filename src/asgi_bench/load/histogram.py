"""Latencies in nanoseconds into HDR histograms, binned by numpy.

`record_value` costs about 1 microsecond and drops out-of-range values silently, so values are
clamped and counted here and recorded once per distinct bucket.
"""

from typing import Any, TypeAlias

import numpy as np
from hdrh.histogram import HdrHistogram

Nanoseconds: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Not 1 microsecond: a histogram's unit would be 512 ns, half a per cent of a 100 us answer.
LOWEST_NS = 1
HIGHEST_NS = 60_000_000_000
SIGNIFICANT_DIGITS = 3
# 2 x 10^3 values need 11 bits: below that a bucket is one LOWEST_NS unit wide (HdrHistogram).
_SUB_BUCKET_BITS = 11


class Recording:
    """The latencies of one trial as they come in, encoded when it ends."""

    def __init__(self) -> None:
        self._blocks: list[Nanoseconds] = []
        self.clamped = 0

    def add(self, values_ns: list[int]) -> None:
        """Take a block of latencies; what is out of range is clamped and counted."""
        if values_ns:
            block = np.array(values_ns, dtype=np.int64)
            within = np.clip(block, LOWEST_NS, HIGHEST_NS)
            self.clamped += int(np.count_nonzero(within != block))
            self._blocks.append(within)

    def encode(self) -> str | None:
        """Return the base64 HDR V2 blob, or None where nothing was recorded."""
        if not self._blocks:
            return None
        histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)
        values, counts = np.unique(_bucketed(np.concatenate(self._blocks)), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            histogram.record_value(value, count)
        return str(histogram.encode().decode("ascii"))


def encoded(values_ns: list[int]) -> str | None:
    """Return some latencies alone as such a blob."""
    recording = Recording()
    recording.add(values_ns)
    return recording.encode()


def merge_histograms(one: str | None, other: str | None) -> str | None:
    """Return the sum of two encoded histograms of the same shape: no count is lost or moved."""
    if one is None or other is None:
        return one or other
    histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)
    histogram.decode_and_add(one)
    histogram.decode_and_add(other)
    return str(histogram.encode().decode("ascii"))


def _bucketed(values_ns: Nanoseconds) -> Nanoseconds:
    """Round each value down to the start of a bucket at least as fine as the histogram's.

    Keeps 12 significant bits: one more than the histogram resolves, so nothing is lost and a
    trial has a few thousand distinct values at most.
    """
    _, exponents = np.frexp(values_ns.astype(np.float64))
    shifts = np.maximum(exponents - (_SUB_BUCKET_BITS + 1), 0)
    bucketed: Nanoseconds = (values_ns >> shifts) << shifts
    return bucketed
