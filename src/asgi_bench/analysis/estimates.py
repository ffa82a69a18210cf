"""What a figure of the report is: an estimate over rounds, a ratio, the percentiles of latencies.

Whoever reads the report takes them from `document`, which holds all its parts.
"""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """An estimate over rounds with its 95 % bounds; the bounds are null under 3 rounds."""

    value: float | None = None
    lower: float | None = None
    upper: float | None = None


class Ratio(msgspec.Struct, frozen=True):
    """A cell's figure over the reference cell's, from pairs within the same round and block."""

    reference: str
    value: float
    lower: float | None
    upper: float | None


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of one merged histogram, in seconds; null without samples enough."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    p9999: float | None = None
    max: float | None = None
