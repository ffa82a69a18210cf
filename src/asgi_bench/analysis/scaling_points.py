"""What the report says of more workers: its part of the document."""

from typing import Literal

import msgspec

from asgi_bench.analysis.estimates import Interval
from asgi_bench.model import ClosedLoop, ValidityLevel


class ScalingPoint(msgspec.Struct, frozen=True):
    """One worker count of a server setting against its fewest."""

    cell: str
    """The cell's key."""
    workers: int
    """The worker count."""
    oversubscribed: bool
    """Whether there are more workers than server CPUs."""
    validity: ValidityLevel
    """The cell's validity, as in `cells[]`."""
    basis: Literal["block", "reference", "round"] | None
    """What `speedup` and `server_cpu_ratio` rest on. `block`: both were up side by side.
    `reference`: each over the reference beside it in the same round, so that the machine's drift
    between their blocks drops out and the reference's noise comes in. `round`: the same round
    alone, minutes apart. Null of the base, or without common rounds."""
    speedup: Interval
    """Throughput over the base's. Without a value for the base and where one of the two is
    invalid."""
    efficiency: Interval
    """The speed-up over the growth in workers: 1 is perfect."""
    server_cpu_ratio: Interval
    """CPU time per request over the base's."""
    pss_bytes_per_worker: int | None
    """Memory of the whole tree over its workers."""
    pss_bytes_per_added_worker: int | None
    """What the tree grew by for each worker more than the base's."""
    connections_imbalance: float | None
    """Connections of the busiest worker over an equal share, median of rounds: 1 is even, the
    worker count is all on one. Null for one worker."""
    cpu_imbalance: float | None
    """CPU time of the busiest worker over an equal share, likewise."""


class Scaling(msgspec.Struct, frozen=True):
    """A server setting at saturation under one load at several worker counts."""

    server: str
    """The server."""
    variant: str
    """Its variant."""
    scenario: str
    """The scenario."""
    load: ClosedLoop
    """The load."""
    base: str
    """The key of its cell with the fewest workers, which the others are compared with."""
    points: tuple[ScalingPoint, ...]
    """Each worker count, rising, the base's too."""
