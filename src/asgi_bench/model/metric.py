"""What a metric is: its name and unit, what it is computed from, and what it is used for."""

from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.goal import Gate
from asgi_bench.model.plan import Loop
from asgi_bench.model.trial import Slice, Trial

Pooling: TypeAlias = Literal["geometric", "arithmetic", "median", "per request"]
Family: TypeAlias = Literal["speed", "memory"]


class Unit(msgspec.Struct, frozen=True):
    """The unit in which a figure is stored, always SI, and the one in which people read it."""

    si: str
    shown: str
    factor: float = 1.0
    """What an SI value is multiplied with to be shown."""
    digits: int = 3
    """How many significant digits are shown."""


PER_SECOND = Unit("requests/s", "requests/s")
MESSAGES_PER_SECOND = Unit("messages/s", "messages/s")
RATIO = Unit("", "ratio")
MILLISECONDS = Unit("s", "ms", 1e3)
MICROSECONDS = Unit("s", "µs", 1e6)
MICROSECONDS_PER_SECOND = Unit("", "µs/s", 1e6)
MEGABYTES_PER_SECOND = Unit("B/s", "MB/s", 1e-6)
MEBIBYTES = Unit("B", "MiB", 2**-20, digits=2)
KIBIBYTES = Unit("B", "KiB", 2**-10)


class Times(msgspec.Struct, frozen=True):
    """A figure of a trial's times, in seconds."""

    of: str
    """The name of the times."""
    quantile: float | None
    """Which quantile it is; None: the mean."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """A metric over all slices of all blocks, including stalls, if it differs from the metric."""

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
    """Whether it isn't judged if no block has it, as in older runs."""
    of_side: Callable[[Trial], float | None] | None = None
    """What sides are compared by. Default: its value in a trial, or in its slices."""
    total: Total | None = None
    """What is shown beside it for all slices, and fails an A/B if it alone reveals stalls."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A bar chart, with one bar per cell."""

    loops: tuple[Loop, ...]
    """Under which loads: the throughput of an open loop is merely what was offered."""
    name: str
    """The first part of its files' names."""
    title: str
    axis: str
    note: str = ""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric."""

    name: str
    """Its name in every file, which states its unit."""
    title: str
    """Its name by itself, as in other tools' formats."""
    label: str = ""
    """Its name in a narrow table of metrics."""
    phrase: str = ""
    """Its name in a sentence. Default: the label."""
    change_phrase: str = ""
    """Its name behind `3 % more`. Default: the phrase."""
    comparative: tuple[str, str] = ("more", "less")
    """A worse and a better one, in a word each."""
    column: tuple[str, str] = ("", "")
    """Its heading in the tables of cells: title and unit."""
    ratio_title: str = ""
    """The title of the column with its ratio to the reference."""
    unit: Unit
    more_is_better: bool = False
    is_linear: bool = False
    """Whether it may be 0 or below: changes are then differences, not ratios."""

    of_slice: Callable[[Slice], float | None] | None = None
    """Its value in one slice, if an A/B compares slices."""
    of_trial: Callable[[Trial], float | None] | None = None
    """Its value in one trial; None if only a report has it."""
    per: Times | None = None
    """Which figure of a trial's times its value there is divided by."""
    times: Times | None = None
    """Which figure of a trial's times it is, if it is one."""
    pooling: Pooling = "geometric"
    """How the rounds of a cell become one figure: their geometric mean, their mean or their
    median, or the sum over all rounds by all their requests. Times are read from one histogram."""
    key: str = ""
    """Where a report's cell has it. Default: under its name."""
    ratio_key: str = ""
    """Where a report's cell has its ratio to the reference."""

    ranks: tuple[Loop, ...] = ()
    """Cells under these loads are ranked by it."""
    compared: tuple[Loop, ...] = ()
    """Cells under these loads are compared on it, in a run and between two."""
    tracked: tuple[Loop, ...] = ()
    """A history follows it under these loads."""
    exported: tuple[Loop, ...] = ()
    """Other tools' formats have it."""
    tabled: tuple[Loop, ...] = ()
    """The tables of cells under these loads have a column for it."""
    by_round: bool = False
    """Whether `rounds.csv` has it."""
    gating: Gating | None = None
    """How an A/B judges it, if it does."""
    chart: Chart | None = None

    @property
    def key_of_cell(self) -> str:
        """The key of a report's cell that is or contains it."""
        return (self.key or self.name).partition(".")[0]

    @property
    def total(self) -> "Metric | None":
        """The same over all slices of all blocks, if an A/B shows it."""
        total = None if self.gating is None else self.gating.total
        if total is None:
            return None
        return Metric(
            name=total.name,
            title=total.phrase,
            label=total.label,
            phrase=total.phrase,
            comparative=self.comparative,
            unit=self.unit,
            more_is_better=self.more_is_better,
            of_trial=self.of_trial,
            times=total.times,
        )

    @property
    def told(self) -> str:
        """Its name in a sentence."""
        return self.phrase or self.label

    @property
    def told_of_change(self) -> str:
        """Its name after `3 % more`."""
        return self.change_phrase or self.told
