"""The vocabulary of a calibration as frozen structs: what this machine and the generator can do.

Imports nothing of ours. Files hold exactly these structs, in SI units, with times in UTC.
"""

from typing import Literal, TypeAlias

import msgspec

CALIBRATION_SCHEMA = "asgi-bench/calibration"
CALIBRATION_VERSION = 1

CalibrationKind: TypeAlias = Literal["full", "quick"]
LengthVerdict: TypeAlias = Literal["same", "undecided", "different"]


class LatencyFigures(msgspec.Struct, frozen=True):
    """Percentiles of one histogram in seconds; null if there are too few samples."""

    samples: int
    """How many values the histogram contains."""
    p50: float | None = None
    """The median."""
    p90: float | None = None
    """The 90th percentile."""
    p99: float | None = None
    """The 99th percentile."""
    max: float | None = None
    """The largest value."""


class CeilingPoint(msgspec.Struct, frozen=True):
    """What one load process can reach over this many connections if the server is no limit."""

    connections: int
    """Over how many connections."""
    ceiling_rps: float
    """1 over `load_cpu_s_per_request`: the requests per second that one load process could send."""
    load_cpu_s_per_request: float
    """CPU time that a request costs one load process; median over the slices."""
    coefficient_of_variation: float
    """How that scatters over the slices."""
    throughput_rps: float
    """Responses per second of the null server meanwhile."""
    slices: int
    """How many interleaved slices it rests on."""


class TimerError(msgspec.Struct, frozen=True):
    """How late the load generator sends requests that are due evenly, far below its ceiling."""

    rate_rps: float
    """The rate."""
    generator_lag_s: LatencyFigures
    """Sent minus due."""


class LatencyBias(msgspec.Struct, frozen=True):
    """Open-loop latency of a server that does nothing: the least that any server can show."""

    rate_rps: float
    """The rate."""
    connections: int
    """Over how many connections."""
    response_time_s: LatencyFigures
    """Response times of the null server."""
    generator_lag_s: LatencyFigures
    """How late the load generator sent."""


class SliceNoise(msgspec.Struct, frozen=True):
    """The throughput of many consecutive slices of one server."""

    server: str
    """The server."""
    slice_s: float
    """Length of a slice."""
    slices: int
    """How many slices."""
    coefficient_of_variation: float
    """How their throughput scatters."""
    lag1_autocorrelation: float | None
    """Correlation of their throughput with that of the slice before: near 0 if slices are
    independent."""


class Variation(msgspec.Struct, frozen=True):
    """Standard deviations of the logarithm of throughput."""

    between: float
    """Between starts of the server."""
    between_lower: float
    """Its lower 95 % bound."""
    between_upper: float
    """Its upper 95 % bound."""
    within: float
    """Within a start, from slice to slice."""


class AAFloor(msgspec.Struct, frozen=True):
    """Two identical servers side by side, in blocks of fresh processes.

    As many blocks of that length can't detect a difference below this floor.
    """

    server: str
    """The server."""
    blocks: int
    """How many blocks."""
    duration_s: float
    """Load for each of the two in a block."""
    mean: float
    """Mean of the logarithm of their throughput ratio: 0.01 is about 1 %."""
    half_width: float | None
    """Half-width of its 95 % interval."""
    starts: Variation | None
    """How starts of that server scatter."""


class LengthEffect(msgspec.Struct, frozen=True):
    """The throughput ratio of two servers in slices of one length."""

    slice_s: float
    """Length of a slice."""
    ratio: float
    """The ratio."""
    ratio_lower: float | None
    """Its lower 95 % bound."""
    ratio_upper: float | None
    """Its upper 95 % bound."""
    change: float
    """What the length makes of that ratio against a slice without end, by a straight line over 1 /
    length through the ratios of all lengths."""
    change_lower: float | None
    """Its lower 95 % bound."""
    change_upper: float | None
    """Its upper 95 % bound."""
    verdict: LengthVerdict
    """`different` if the whole interval of the change is further than `tolerance` from 1, `same` if
    it is within, otherwise `undecided`."""


class SliceLoss(msgspec.Struct, frozen=True):
    """The time that a server loses in each slice, however long the slice is.

    A slice begins cold: the caches hold other data, and the server was asleep.
    """

    server: str
    """The server."""
    loss_s: float
    """The time lost."""
    lower_s: float | None
    """Its lower 95 % bound."""
    upper_s: float | None
    """Its upper 95 % bound."""


class SliceLengths(msgspec.Struct, frozen=True):
    """Whether short slices change the throughput ratio of two servers."""

    server: str
    """The server."""
    reference: str
    """The server it is compared with."""
    connections: int
    """Over how many connections."""
    segments: int
    """Segments of time, each of which contains slices of every length."""
    tolerance: float
    """The change that does not matter, as a share."""
    lengths: tuple[LengthEffect, ...]
    """The result of each length."""
    shortest_slice_s: float
    """The shortest length to use: 20 ms, or a longer one if that is `different`."""
    neighbours: tuple[str, ...] = ()
    """Servers that were up as well; before each slice one of them had one."""
    losses: tuple[SliceLoss, ...] = ()
    """The time a slice loses of each server. Empty in calibrations from before it was measured:
    their `change` was against the longest slices and is not used."""
    lead_in_s: float | None = None
    """How long the lead-in before each slice was; null in calibrations from before slices had one:
    what they say of short slices is not used."""


class Calibration(msgspec.Struct, frozen=True):
    """What `asgi-bench calibrate` found on one machine; what wasn't measured is null."""

    fingerprint: str
    """The machine's fingerprint, as in `machine` of `run.json`."""
    kind: CalibrationKind
    """`full`, or `quick`: `ceiling` at 64 connections and `timer_error` alone."""
    measured_at: str
    """When it began (UTC)."""
    duration_s: float
    """How long it took."""
    tool_version: str
    """Version of asgi-bench: another version is another load generator."""
    hostname: str
    """The machine's name."""
    cpu_model: str
    """The processor's name."""
    cpu_count: int
    """How many CPUs the machine has."""
    kernel: str
    """The kernel's release."""
    python: str
    """The Python that ran asgi-bench."""
    seed: int
    """Decides the order of slices."""
    server_cpus: tuple[int, ...]
    """The CPUs that servers were given."""
    load_cpus: tuple[int, ...]
    """The CPUs that the load generator was given."""
    ceiling: tuple[CeilingPoint, ...]
    """What one load process could reach, by connections."""
    timer_error: TimerError
    """How late the load generator sends."""
    latency_bias: LatencyBias | None = None
    """What it measures of a server that does nothing."""
    slice_noise: SliceNoise | None = None
    """How slices of one server scatter."""
    aa_floor: AAFloor | None = None
    """How far apart two identical servers come out."""
    slice_lengths: SliceLengths | None = None
    """Whether short slices change a ratio."""
    notes: tuple[str, ...] = ()
    """What could not be measured, and what was wrong with the machine meanwhile."""
    schema: str = CALIBRATION_SCHEMA
    """What the file is."""
    schema_version: int = CALIBRATION_VERSION
    """Version of the file."""

    @property
    def shortest_slice_s(self) -> float | None:
        """The shortest slice to use on this machine; None if that wasn't measured.

        None too if it was measured before slices had a lead-in: it then described how cold they
        began.
        """
        lengths = self.slice_lengths
        return lengths.shortest_slice_s if lengths is not None and lengths.lead_in_s else None
