"""What a history keeps of each run: its ratios, what could have changed them, and what it found.

These are stored in `index.jsonl` and `changes.json`, which are derived from the runs and can be
deleted at any time.
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.metrics import TrackedName
from asgi_bench.model.run import Source

# Raised when entries hold other figures than before.
INDEX_VERSION = 6

StepKind: TypeAlias = Literal["step", "drift"]


class Step(msgspec.Struct, frozen=True):
    """A change of level in a series."""

    kind: StepKind
    """`step`, or `drift` if the level goes on changing."""
    place: int
    """The likeliest first value after the step."""
    first: int
    """The change comes after the value before this one."""
    last: int
    """The first value that surely has the new level; a drift goes on until here."""
    change: float
    """The change of the level as a share."""
    lower: float
    """Lower 95 % bound of the change, given that it is where it is."""
    upper: float
    """Upper 95 % bound of the change, given that it is where it is."""


class Segmentation(msgspec.Struct, frozen=True):
    """What was found in a series."""

    steps: tuple[Step, ...]
    """The changes of level, in order."""
    spikes: tuple[int, ...]
    """The places of single values that stand out."""


# Finds the changes of level in the values of a series.
Search: TypeAlias = Callable[[Sequence[float]], Segmentation]


class RatioPoint(msgspec.Struct, frozen=True, gc=False):
    """A cell's metric divided by the reference cell's in the same run; a count stays as it is."""

    cell: str
    """The cell's key."""
    metric: TrackedName
    """The metric."""
    reference: str
    """The key of the reference cell; empty of a count, which needs none."""
    ratio: float
    """The ratio of the two; of a count what comes to a request."""
    lower: float | None = None
    """Its lower 95 % bound."""
    upper: float | None = None
    """Its upper 95 % bound."""


class RunEntry(msgspec.Struct, frozen=True, gc=False):
    """One run in a history."""

    run_id: str
    """The run's id."""
    label: str | None
    """Its label."""
    started_at: str
    """When it began (UTC)."""
    tool_version: str
    """Version of asgi-bench."""
    fingerprint: str
    """The machine's fingerprint."""
    hostname: str
    """The machine's name."""
    cpu_model: str
    """The processor's name."""
    cpu_count: int
    """How many CPUs the machine has."""
    environment: str
    """The key of the facts of its surroundings."""
    source: Source | None
    """The commit of the measured app; null if none is known."""
    cells: int
    """Cells that were measured or skipped."""
    unusable: int
    """Of these, the cells that failed, were skipped or are invalid."""
    without_ratio: int
    """Sound cells that have nothing to be compared with: the reference itself, or any cell of a run
    whose reference is missing or invalid."""
    is_ab: bool
    """Whether it is an A/B."""
    points: tuple[RatioPoint, ...]
    """The ratios; an A/B has none, for its sides are compared with each other and not over time."""
    is_counted: bool = False
    """Whether it counted instead of timing. Its points are then counts; for an A/B, those of its
    baseline."""
    resumed: int = 0
    """How often it was resumed: that many pauses are between its rounds."""
