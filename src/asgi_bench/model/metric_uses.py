"""What a metric may be read from and used for: times, the gate of an A/B, a chart."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.goal import Gate
from asgi_bench.model.plan import Loop
from asgi_bench.model.trial import Trial

Family: TypeAlias = Literal["speed", "memory"]


class Times(msgspec.Struct, frozen=True):
    """A figure of a trial's times, in seconds."""

    of: str
    """The name of the times."""
    quantile: float | None
    """Which quantile it is; None: the mean."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """A metric over all slices of all blocks, stalls included: what is not the metric's own."""

    name: str
    label: str
    phrase: str
    times: Times | None = None


class Gating(msgspec.Struct, frozen=True, kw_only=True):
    """How an A/B judges a metric."""

    loops: tuple[Loop, ...]
    """Under which loads."""
    least_change: Callable[[Gate], float | None]
    """The smallest change that matters: a share, or of a linear metric its own unit. None: it
    isn't judged in this A/B."""
    family: Family = "speed"
    """Holm's procedure goes over all metrics of a family, in all cells."""
    is_optional: bool = False
    """Whether it isn't judged where no block tells it, as in older runs."""
    of_side: Callable[[Trial], float | None] | None = None
    """What sides are compared by. Default: its value in a trial, or in its slices."""
    total: Total | None = None
    """What is shown beside it of all slices, and fails an A/B where it alone tells of stalls."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of bars, one for each cell."""

    loops: tuple[Loop, ...]
    """Under which loads: the throughput of an open loop is merely what was offered."""
    name: str
    """The first part of its files' names."""
    title: str
    axis: str
    note: str = ""
