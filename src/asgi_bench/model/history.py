"""What a history keeps of each run, its ratios and what could have changed them, and what it found.

`index.jsonl` and `changes.json` hold these; they are derived from the runs and can be deleted at
any time.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.run import Source

# Raised when entries hold other figures than before.
INDEX_VERSION = 4

TrackedMetric: TypeAlias = Literal[
    "throughput_rps", "server_cpu_s_per_request", "response_time_p50_s"
]
StepKind: TypeAlias = Literal["step", "drift"]


class Step(msgspec.Struct, frozen=True):
    """A change between `first - 1` and `last`, the first value that surely has the new level.

    `place` is the likeliest first value after a step; a drift goes on from `first` to `last`.
    `change` is that of the level, with its 95 % bounds given that it is where it is.
    """

    kind: StepKind
    place: int
    first: int
    last: int
    change: float
    lower: float
    upper: float


class Segmentation(msgspec.Struct, frozen=True):
    """The changes of a series in order, and the places of its spikes."""

    steps: tuple[Step, ...]
    spikes: tuple[int, ...]


# Finds the changes of level in the values of a series.
Search: TypeAlias = Callable[[Sequence[float]], Segmentation]


class RatioPoint(msgspec.Struct, frozen=True, gc=False):
    """A cell's metric over that of the run's reference cell, with its 95 % bounds."""

    cell: str
    metric: TrackedMetric
    reference: str
    ratio: float
    lower: float | None = None
    upper: float | None = None


class RunEntry(msgspec.Struct, frozen=True, gc=False):
    """One run in a history.

    `environment` is the key of its facts. Of `cells` measured or skipped, `unusable` failed, were
    skipped or are invalid; `without_ratio` are sound and have nothing to be compared with: the
    reference itself, or any cell of a run whose reference is missing or invalid. An A/B has no
    points: its sides are compared with each other, not over time.
    """

    run_id: str
    label: str | None
    started_at: str
    tool_version: str
    fingerprint: str
    hostname: str
    cpu_model: str
    cpu_count: int
    environment: str
    source: Source | None
    cells: int
    unusable: int
    without_ratio: int
    is_ab: bool
    points: tuple[RatioPoint, ...]
