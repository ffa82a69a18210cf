"""What a report says about a server setting across its cells: workers, connections, protocols."""

from typing import Literal

import msgspec

from asgi_bench.analysis.estimates import Interval
from asgi_bench.model import ClosedLoop, ValidityLevel
from asgi_bench.model.endpoint import HttpVersion, Transport, way_suffix


class ScalingPoint(msgspec.Struct, frozen=True):
    """One worker count of a server setting compared with its fewest."""

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
    `reference`: each relative to the reference beside it in the same round, so that the machine's
    drift between their blocks cancels out and the reference's noise comes in. `round`: only the
    same round, minutes apart. Null for the base, or without common rounds."""
    speedup: Interval
    """Throughput relative to the base's. Without a value for the base and if one of the two is
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
    http: HttpVersion = "1"
    """The HTTP version, as in `cells[]`."""
    transport: Transport = "tcp"
    """What carried the bytes, as in `cells[]`."""

    @property
    def request_key(self) -> str:
        """What was requested and how, as in the keys of its cells."""
        return f"{self.scenario}{way_suffix(self.http, self.transport)}"


class Level(msgspec.Struct, frozen=True):
    """A closed loop of a server setting that was measured over several connection counts."""

    cell: str
    """The cell's key."""
    base: str
    """The key of the setting's cell with the fewest connections."""
    connections: int
    """The connections."""
    may_be_first: bool | None
    """Whether it may rank first among the settings of its scenario and worker count that were
    measured at all of their counts; null if no order is claimed among these."""
    overtakes: tuple[str, ...]
    """The cells that are distinguishably slower here, and whose settings are distinguishably faster
    over fewer connections."""
    ratio_change: Interval
    """The throughput ratio to the reference over that of the base, paired by rounds; without a
    value for the base and the reference."""


class Interpreter(msgspec.Struct, frozen=True):
    """One of several interpreters that a run measures servers under."""

    name: str
    """Its name behind the variant in the keys of cells: `3.12`."""
    version: str
    """What it is: `CPython 3.12.1`."""
    other_packages: dict[str, str]
    """What servers had loaded there in other versions than under the first, by distribution."""


class CellRatio(msgspec.Struct, frozen=True):
    """A cell relative to another one of the same server that was up at the same time."""

    cell: str
    """The cell's key."""
    base: str
    """The key of the cell beside it: over HTTP/1.1 by TCP, or under the plan's first setup."""
    throughput_ratio: Interval
    """Its throughput over that of `base`, paired by rounds."""
    server_cpu_ratio: Interval
    """Its CPU time per request over that of `base`, likewise."""
    response_time_p50_ratio: Interval
    """Its median response time over that of `base`, likewise."""
    response_time_p99_ratio: Interval
    """The 99th percentile of its response times over that of `base`, likewise."""
