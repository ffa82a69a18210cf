"""How much a calibration measures: everything, the generator alone, or what fits into a time."""

import math

import msgspec

from asgi_bench.calibration import CalibrationKind
from asgi_bench.errors import UsageError
from asgi_bench.measurement.calibration_bench import CONNECTIONS
from asgi_bench.measurement.calibration_generator import CEILING_SLICE_S
from asgi_bench.measurement.calibration_noise import (
    AA_DURATION_S,
    SEGMENT_LOAD_S,
    SHORT_SLICE_S,
)

# What a full calibration takes beside its repetitions, and for one block and its segments
# (measured on a machine of 2 CPUs).
FIXED_S = 28.0
REPETITION_S = 10.0
SEGMENTS_PER_BLOCK = 3
# Under three there are no intervals.
FEWEST_REPETITIONS = 3


class Extent(msgspec.Struct, frozen=True):
    """How much is measured; 0 leaves a stage out."""

    kind: CalibrationKind
    ceiling_connections: tuple[int, ...]
    ceiling_slices: int
    timer_s: float
    bias_s: float = 0.0
    noise_slices: int = 0
    length_segments: int = 0
    aa_blocks: int = 0

    @property
    def load_s(self) -> float:
        """The load of all stages together."""
        return (
            len(self.ceiling_connections) * self.ceiling_slices * CEILING_SLICE_S
            + self.timer_s
            + self.bias_s
            + self.noise_slices * SHORT_SLICE_S
            + self.length_segments * SEGMENT_LOAD_S
            + self.aa_blocks * 2 * AA_DURATION_S
        )


# A p99 needs 1,000 samples: of the timer at 1,000/s, and of the bias at 500/s.
# What one connection can carry is a quarter of what 64 can, so that even a quick one has both.
QUICK = Extent("quick", ceiling_connections=(1, CONNECTIONS), ceiling_slices=4, timer_s=1.2)
FULL = Extent(
    "full",
    ceiling_connections=(1, 8, 64, 256, 1024),
    ceiling_slices=6,
    timer_s=3.0,
    bias_s=4.0,
    noise_slices=200,
    length_segments=8 * SEGMENTS_PER_BLOCK,
    aa_blocks=8,
)


def extent_within(budget_s: float, flag: str = "--budget") -> Extent:
    """The full extent with as many blocks and segments as about fit into that time.

    Raises:
        UsageError: there isn't time for three of each.
    """
    repetitions = int((budget_s - FIXED_S) / REPETITION_S)
    if repetitions < FEWEST_REPETITIONS:
        least_s = math.ceil(FIXED_S + FEWEST_REPETITIONS * REPETITION_S)
        raise UsageError(
            f"{flag}: a full calibration takes at least {least_s}s, and {budget_s:g}s were given; "
            f"--quick measures the generator alone, in a few seconds"
        )
    return msgspec.structs.replace(
        FULL, aa_blocks=repetitions, length_segments=repetitions * SEGMENTS_PER_BLOCK
    )
