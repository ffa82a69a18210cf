"""Estimates for a cell: intervals, ratios, percentiles, and what its server costs."""

import msgspec


class Interval(msgspec.Struct, frozen=True):
    """An estimate over rounds."""

    value: float | None = None
    """The estimate."""
    lower: float | None = None
    """Its lower 95 % bound; null with fewer than 3 rounds."""
    upper: float | None = None
    """Its upper 95 % bound; null with fewer than 3 rounds."""


class Ratio(msgspec.Struct, frozen=True):
    """A cell's figure relative to the reference cell's, from pairs in the same round and block."""

    reference: str
    """The key of the reference cell."""
    value: float
    """The ratio."""
    lower: float | None
    """Its lower 95 % bound; null with fewer than 3 rounds."""
    upper: float | None
    """Its upper 95 % bound; null with fewer than 3 rounds."""


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


class Costs(msgspec.Struct, frozen=True):
    """What a cell's server costs beside `server_cpu_s_per_request` and `server_pss_bytes`."""

    server_user_s_per_request: Interval = Interval()
    """The part of `server_cpu_s_per_request` in user mode."""
    server_system_s_per_request: Interval = Interval()
    """The part of `server_cpu_s_per_request` in the kernel."""
    throughput_rps_per_core: Interval = Interval()
    """Correct responses per second of the server's CPU time: per core it kept busy, not per core it
    was given."""
    server_pss_idle_bytes: int | None = None
    """Memory when the server was ready, before the load; median of rounds."""
    server_pss_peak_bytes: int | None = None
    """The most memory that was seen between slices; median of rounds."""
    server_pss_kept_bytes: int | None = None
    """What stays after the load: memory with all connections closed, less what it was idle; median
    of rounds."""
    startup_s: Interval = Interval()
    """Time to start, next to the other servers of the block."""
    stop_s: Interval = Interval()
    """Time to stop, next to the other servers of the block."""
    voluntary_switches_per_request: float | None = None
    """Context switches of the server's threads that were waits, per request sent, over all
    rounds."""
    involuntary_switches_per_request: float | None = None
    """Context switches of the server's threads that were losses of the CPU, per request sent, over
    all rounds."""
    response_bytes: int | None = None
    """Size of one response, head and body."""
    machine_energy_j_per_request: Interval = Interval()
    """Energy that all CPUs took per request, for the load generator too, in joules."""
