"""The vocabulary of a calibration as frozen structs: what this machine and the generator can do.

Imports nothing of ours. Files hold exactly these structs, in SI units, times in UTC.
"""

from typing import Literal, TypeAlias

import msgspec

CALIBRATION_SCHEMA = "asgi-bench/calibration"
CALIBRATION_VERSION = 1

CalibrationKind: TypeAlias = Literal["full", "quick"]
LengthVerdict: TypeAlias = Literal["same", "undecided", "different"]


class LatencyFigures(msgspec.Struct, frozen=True):
    """Percentiles of one histogram in seconds; null without samples enough."""

    samples: int
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


class CeilingPoint(msgspec.Struct, frozen=True):
    """What one load process could reach over so many connections, were the server no limit.

    `ceiling_rps` = 1 / `load_cpu_s_per_request`, the median over the slices, which scatter by
    `coefficient_of_variation`; `throughput_rps` is what the null server answered meanwhile.
    """

    connections: int
    ceiling_rps: float
    load_cpu_s_per_request: float
    coefficient_of_variation: float
    throughput_rps: float
    slices: int


class TimerError(msgspec.Struct, frozen=True):
    """How late the generator sends what is due at an even rate, far below its ceiling."""

    rate_rps: float
    generator_lag_s: LatencyFigures


class LatencyBias(msgspec.Struct, frozen=True):
    """What an open loop measures of a server that does nothing: the least any server can show."""

    rate_rps: float
    connections: int
    response_time_s: LatencyFigures
    generator_lag_s: LatencyFigures


class SliceNoise(msgspec.Struct, frozen=True):
    """The throughput of many slices of one server, one after another."""

    server: str
    slice_s: float
    slices: int
    coefficient_of_variation: float
    lag1_autocorrelation: float | None


class Variation(msgspec.Struct, frozen=True):
    """Standard deviations of log throughput: between starts of a server, with 95 % bounds.

    `within` is what is left from slice to slice of one start.
    """

    between: float
    between_lower: float
    between_upper: float
    within: float


class AAFloor(msgspec.Struct, frozen=True):
    """Two identical servers, interleaved, over blocks of fresh processes.

    `mean` and `half_width` (95 %) are of the natural logarithm of their throughput ratio: 0.01 is
    about 1 %. A difference below the floor can't be seen in as many blocks of `duration_s` a side.
    """

    server: str
    blocks: int
    duration_s: float
    mean: float
    half_width: float | None
    starts: Variation | None


class LengthEffect(msgspec.Struct, frozen=True):
    """The throughput ratio of two servers in slices of one length, with its 95 % bounds.

    `change` is what the length makes of it, against a slice without end, by what slices of all
    lengths lost. It is `different` where its whole interval lies further than the tolerance from
    1, `same` where it lies within, else `undecided`.
    """

    slice_s: float
    ratio: float
    ratio_lower: float | None
    ratio_upper: float | None
    change: float
    change_lower: float | None
    change_upper: float | None
    verdict: LengthVerdict


class SliceLoss(msgspec.Struct, frozen=True):
    """The time that a slice of any length loses of a server, with its 95 % bounds.

    It begins cold: in caches that others have filled, with a server that slept.
    """

    server: str
    loss_s: float
    lower_s: float | None
    upper_s: float | None


class SliceLengths(msgspec.Struct, frozen=True):
    """Whether short slices change the ratio of `server` to `reference`.

    All lengths had their slices in each of the `segments`; before each slice one of the
    `neighbours`, which were up as well, had one. `shortest_slice_s` is the shortest length to use:
    one that is the `same`, or the default where none shorter is shown to be, or a longer one where
    that is `different`.
    """

    server: str
    reference: str
    connections: int
    segments: int
    tolerance: float
    lengths: tuple[LengthEffect, ...]
    shortest_slice_s: float
    neighbours: tuple[str, ...] = ()
    losses: tuple[SliceLoss, ...] = ()


class Calibration(msgspec.Struct, frozen=True):
    """What `asgi-bench calibrate` found on one machine; what wasn't measured is null.

    A `quick` one has the ceiling at 64 connections and the timer error alone. `notes` say what
    could not be measured, and what was wrong with the machine meanwhile.
    """

    fingerprint: str
    kind: CalibrationKind
    measured_at: str
    duration_s: float
    tool_version: str
    hostname: str
    cpu_model: str
    cpu_count: int
    kernel: str
    python: str
    seed: int
    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    ceiling: tuple[CeilingPoint, ...]
    timer_error: TimerError
    latency_bias: LatencyBias | None = None
    slice_noise: SliceNoise | None = None
    aa_floor: AAFloor | None = None
    slice_lengths: SliceLengths | None = None
    notes: tuple[str, ...] = ()
    schema: str = CALIBRATION_SCHEMA
    schema_version: int = CALIBRATION_VERSION

    @property
    def shortest_slice_s(self) -> float | None:
        """The shortest slice to use on this machine; None if that wasn't measured.

        Nor if it was before losses were: pairs of lengths left nearly all undecided.
        """
        lengths = self.slice_lengths
        return lengths.shortest_slice_s if lengths is not None and lengths.losses else None
