"""What a figure of the report is: an estimate over rounds, a ratio, the percentiles of latencies.

Whoever reads the report takes them from `document`, which holds all its parts.
"""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """An estimate over rounds."""

    value: float | None = None
    """The estimate."""
    lower: float | None = None
    """Its lower 95 % bound; null under 3 rounds."""
    upper: float | None = None
    """Its upper 95 % bound; null under 3 rounds."""


class Ratio(msgspec.Struct, frozen=True):
    """A cell's figure over the reference cell's, from pairs within the same round and block."""

    reference: str
    """The key of the reference cell."""
    value: float
    """The ratio."""
    lower: float | None
    """Its lower 95 % bound; null under 3 rounds."""
    upper: float | None
    """Its upper 95 % bound; null under 3 rounds."""


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of a merged histogram, in seconds; each is null without ten samples beyond it."""

    p50: float | None = None
    """The median."""
    p90: float | None = None
    """The 90th percentile."""
    p99: float | None = None
    """The 99th percentile."""
    p999: float | None = None
    """The 99.9th percentile."""
    p9999: float | None = None
    """The 99.99th percentile."""
    max: float | None = None
    """The largest value."""
