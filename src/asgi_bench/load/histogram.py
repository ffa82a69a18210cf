"""Latencies in nanoseconds into HDR histograms, binned by numpy.

`record_value` takes about 1 microsecond and drops out-of-range values silently, so values are
clamped and counted here and recorded once per distinct bucket.
"""

from collections import defaultdict
from collections.abc import Mapping
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
    """The latencies of one trial as they arrive, encoded when it ends."""

    def __init__(self) -> None:
        self._blocks: list[Nanoseconds] = []
        self.clamped = 0

    def add(self, values_ns: list[int]) -> None:
        """Take a block of latencies; out-of-range values are clamped and counted."""
        if values_ns:
            block = np.array(values_ns, dtype=np.int64)
            within = np.clip(block, LOWEST_NS, HIGHEST_NS)
            self.clamped += int(np.count_nonzero(within != block))
            self._blocks.append(within)

    def take(self, other: "Recording") -> None:
        """Take all that another has."""
        self._blocks += other._blocks
        self.clamped += other.clamped

    def encode(self, less_ns: int = 0) -> str | None:
        """Return the base64 HDR V2 blob, or None if nothing was recorded.

        `less_ns` is subtracted from each latency, down to the lowest that can be recorded.
        """
        if not self._blocks:
            return None
        histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)
        latencies = np.maximum(np.concatenate(self._blocks) - less_ns, LOWEST_NS)
        values, counts = np.unique(_bucketed(latencies), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            histogram.record_value(value, count)
        return str(histogram.encode().decode("ascii"))


class Recordings:
    """The times of one trial by name."""

    def __init__(self) -> None:
        self._by_name: defaultdict[str, Recording] = defaultdict(Recording)

    def add(self, times_ns: Mapping[str, list[int]]) -> None:
        """Take a block of each time."""
        for name, values_ns in times_ns.items():
            self._by_name[name].add(values_ns)

    def take(self, other: "Recordings") -> None:
        """Take all that others have."""
        for name, recording in other._by_name.items():
            self._by_name[name].take(recording)

    def encode_one(self, name: str, less_ns: int) -> str | None:
        """Return the histogram of one time, less so much of each."""
        return self._by_name[name].encode(less_ns)

    def encode(self) -> dict[str, str]:
        """Return the histogram of each time that was recorded."""
        found = {name: recording.encode() for name, recording in self._by_name.items()}
        return {name: blob for name, blob in found.items() if blob is not None}

    def clamped(self, name: str) -> int:
        """How many values of one time were out of range."""
        return self._by_name[name].clamped


def encoded(times_ns: Mapping[str, list[int]]) -> dict[str, str]:
    """Return the histograms of some times."""
    recordings = Recordings()
    recordings.add(times_ns)
    return recordings.encode()


def merge_times(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Return the sums of the histograms of each time: no count is lost or moved."""
    both = one.keys() & other.keys()
    return {**one, **other, **{name: _merged(one[name], other[name]) for name in both}}


def _merged(one: str, other: str) -> str:
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
