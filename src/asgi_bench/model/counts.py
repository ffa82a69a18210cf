"""Counts of servers, in place of times: the counted lives, and what a request takes."""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.run import Machine
from asgi_bench.model.trial import Outcome

COUNTS_VERSION = 1

# What is counted. Each has lives of its own, because a backend counts one thing at a time.
Counter: TypeAlias = Literal["instructions", "syscalls", "python_calls"]
# The last says where a count comes from, by Python function, and judges nothing.
EXPLAINING: tuple[Counter, ...] = ("python_calls",)
# What counts it: valgrind's callgrind, the CPU's own counters, strace, and `sys.monitoring` within
# CPython.
Backend: TypeAlias = Literal["valgrind", "hardware", "strace", "monitoring"]
# By what a total is taken apart: instructions by shared object, by C function, by user and kernel
# mode; system calls by name; calls by Python function. `wait` is beside the total: the system calls
# in which a server waits.
Breakdown: TypeAlias = Literal["object", "function", "mode", "name", "wait", "python_function"]
# What can't be placed, among the names of a breakdown.
UNPLACED = "?"


class Tally(msgspec.Struct, frozen=True):
    """What was counted in one life of a server, or a window of it, over all its processes."""

    total: int
    """All that was counted."""
    parts: dict[Breakdown, dict[str, int]] = {}
    """The total taken apart, by what and by name. What can't be placed is under `?`; names of a
    breakdown add up to the total, but for `wait`, which is beside it."""
    processes: int = 0
    """How many processes were counted."""


class Life(msgspec.Struct, frozen=True):
    """One life of a server, counted from its start to its end, or a window of it."""

    cell: str
    """The cell's key, in an A/B with its side."""
    counter: Counter
    """What was counted."""
    backend: Backend
    """What counted it."""
    layout: int
    """The number of its layout: lives of the same have the same added to their environment, in an
    A/B on both sides."""
    requests: int
    """How many requests it responded to while it was counted: in a life with warm-up and probes."""
    serving_s: float
    """How long it served while it was counted (a life from ready to the request to stop): timers
    count by it."""
    ended_s: float = 0.0
    """When it had ended, in seconds since the command began."""
    tally: Tally | None = None
    """What was counted; null if it failed."""
    by_part: tuple[int, ...] = ()
    """What was counted in equal parts of a window, one after the other: how they scatter tells how
    exact it is. Empty for a life, and for a window without requests."""
    reason: str | None = None
    """Why it failed."""
    log: str | None = None
    """The path of its output within the run folder."""
    code: dict[str, str] = {}
    """The files of machine code that its processes had mapped as it served (interpreter, libraries,
    extension modules, what counts), by name, with the first letters of their SHA-256: counts hang
    on them. Of a cell's first life alone, and empty in older runs."""


class PerRequest(msgspec.Struct, frozen=True):
    """What one request takes, by lives or windows that differ only in their requests."""

    value: float
    """The estimate."""
    lower: float | None = None
    """Lower bound of its 95 % interval over layouts; null under 3 of them."""
    upper: float | None = None
    """Upper bound of its 95 % interval over layouts; null under 3 of them."""
    standard_error: float | None = None
    """Its standard error; null under 2 layouts."""


class CountFigures(msgspec.Struct, frozen=True):
    """The figures of one counter for one cell."""

    counter: Counter
    """What was counted."""
    backend: Backend
    """What counted it."""
    per_request: PerRequest
    """What comes to a request."""
    parts: dict[Breakdown, dict[str, float]] = {}
    """What comes to a request taken apart, by what and by name, the largest first. Small parts are
    left out."""
    by_layout: tuple[float, ...] = ()
    """The estimate of each layout, in order."""


class Change(msgspec.Struct, frozen=True):
    """One part of a request's count that differs between the sides."""

    name: str
    """Its name: a shared object, a function or a system call."""
    baseline: float
    """What comes to a request on the baseline."""
    candidate: float
    """What comes to a request on the candidate."""


class Explanation(msgspec.Struct, frozen=True):
    """Where the counts of the two sides of a cell differ, in one breakdown."""

    cell: str
    """The cell's key in a run without sides."""
    counter: Counter
    """What was counted."""
    by: Breakdown
    """By what it is taken apart."""
    baseline: float
    """All that comes to a request on the baseline."""
    candidate: float
    """All that comes to a request on the candidate."""
    changes: tuple[Change, ...]
    """The ten that changed most, the largest change first; changes too small to be certain are left
    out."""


class CellCounts(msgspec.Struct, frozen=True):
    """What one request takes, by what is counted."""

    instructions: PerRequest | None
    """Instructions; null if they weren't counted."""
    syscalls: PerRequest | None
    """System calls, without those in which a server waits; null if they weren't counted."""
    by_object: dict[str, float]
    """Instructions by shared object, the largest first; empty if their places aren't known."""
    syscalls_by_name: dict[str, float]
    """System calls by name, the most frequent first."""
    backend: Backend
    """What counted the instructions, or else the system calls."""


class CountedCell(msgspec.Struct, frozen=True):
    """One cell with a counted server."""

    cell: str
    """The cell's key, in an A/B with its side."""
    outcome: Outcome
    """Whether it was counted, failed, or couldn't be counted here."""
    reason: str | None = None
    """Why it wasn't counted."""
    server_version: str | None = None
    """The version that was counted."""
    counts: CellCounts | None = None
    """What one request takes; null if nothing was counted."""
    figures: tuple[CountFigures, ...] = ()
    """The result of each counter in full, in the order requested."""


class CountsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `asgi-bench report --format json` prints for a run that counted."""

    schema: Literal["asgi-bench/counts"] = "asgi-bench/counts"
    """What it is."""
    version: int = COUNTS_VERSION
    """Its version."""
    run: str
    """The run's id."""
    label: str | None
    """The run's label."""
    started_at: str
    """When the run began (UTC)."""
    tool_version: str
    """The version of asgi-bench."""
    machine: Machine
    """Where it was counted."""
    cells: tuple[CountedCell, ...]
    """Every cell. Counts never rank servers: a cell is to be compared with itself alone, before and
    after a change."""
    notes: tuple[str, ...]
    """What a count says, and what it doesn't see."""
