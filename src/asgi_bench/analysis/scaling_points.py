"""What the report says of more workers: its part of the document."""

from typing import Literal

import msgspec

from asgi_bench.analysis.estimates import Interval
from asgi_bench.model import ClosedLoop, ValidityLevel


class ScalingPoint(msgspec.Struct, frozen=True):
    """One worker count of a server setting against its fewest (`Scaling.base`).

    `speedup` is of throughput, from pairs by `basis`: within the `block` (the base was up beside
    it), each over the `reference` of its own block and round, or of a `round` alone, minutes apart;
    null for the base itself and where one of the two is invalid. `efficiency` is the speed-up over
    the growth in workers. The imbalances are the busiest worker's share over an equal one, medians
    of rounds. Memory of an added worker is what the tree grew by for each beyond the base's.
    """

    cell: str
    workers: int
    oversubscribed: bool
    validity: ValidityLevel
    basis: Literal["block", "reference", "round"] | None
    speedup: Interval
    efficiency: Interval
    server_cpu_ratio: Interval
    pss_bytes_per_worker: int | None
    pss_bytes_per_added_worker: int | None
    connections_imbalance: float | None
    cpu_imbalance: float | None


class Scaling(msgspec.Struct, frozen=True):
    """A server setting under one load at several worker counts, in rising order."""

    server: str
    variant: str
    scenario: str
    load: ClosedLoop
    base: str
    points: tuple[ScalingPoint, ...]
