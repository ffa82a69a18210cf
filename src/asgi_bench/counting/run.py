"""A run that counts: locks the machine, makes the folder, counts lives of each layout."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from asgi_bench.analysis.counts import per_request
from asgi_bench.counting.backends.callgrind import Callgrind
from asgi_bench.counting.backends.counting import Counting
from asgi_bench.counting.backends.hardware import Hardware
from asgi_bench.counting.backends.monitoring import Monitoring
from asgi_bench.counting.backends.strace import Strace
from asgi_bench.counting.backends.valgrind import Valgrind
from asgi_bench.counting.lives import Asked, Patience, count_lives
from asgi_bench.errors import BenchError
from asgi_bench.machine.affinity import usable_count
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.expectations import learn_answers
from asgi_bench.measurement.interruption import orderly_interruption
from asgi_bench.measurement.run import Order, header_of
from asgi_bench.model import Cell, Plan, PlannedCell
from asgi_bench.model.counts import Life
from asgi_bench.store.counts import append_life
from asgi_bench.store.runs import RunWriter

# Within the first CPython specialises its bytecode, caches fill, and connections are opened: both
# lives of a layout have that behind them. Between the two lies what is counted; some thousand
# requests make whole cycles of the garbage collector's young generations.
BASE_ANSWERS = 400
MORE_ANSWERS = 2000
# From the second layout on it is as many as take what a start takes: more of a light server, whose
# life is spent on starting, and fewer of a heavy one.
LEAST_ANSWERS, MOST_ANSWERS = 1000, 6000
# System calls scatter so little that more layouts tell nothing.
SYSCALL_LAYOUTS = 3
# Fewer have no interval.
LEAST_LAYOUTS = 3


class Pass(NamedTuple):
    """A backend with the maximum number of layouts that it counts."""

    backend: Counting
    layouts: int


def passes(layouts: int) -> tuple[Pass, ...]:
    """What counts in a run of this many layouts.

    Raises BenchError if it isn't available, in a line that says what to install.
    """
    instructions = Hardware() if Hardware().missing() is None else Valgrind()
    found = (
        Pass(instructions, layouts),
        Pass(Strace(), min(layouts, SYSCALL_LAYOUTS)),
    )
    lacks = [lack for one in found if (lack := one.backend.missing()) is not None]
    if lacks:
        raise BenchError("; ".join(lacks))
    return found


def explaining() -> tuple[Counting, ...]:
    """What explains a count: one layout each, after everything that judges is counted.

    Raises BenchError if it isn't available, in a line that says what to install.
    """
    placing = Callgrind()
    if (lack := placing.missing()) is not None:
        raise BenchError(f"--explain: {lack}")
    return (placing, Monitoring())


def backend_words() -> str:
    """What counts instructions here, and why."""
    if (lack := Hardware().missing()) is not None:
        return f"valgrind counts instructions: {lack}"
    return (
        "the CPU's own counters count instructions; this has been tested with the kernel's "
        "software counters only, not on hardware"
    )


def check_countable(plan: Plan) -> None:
    """Raise BenchError for scenarios that a plain client can't request."""
    for scenario in plan.scenarios:
        open_end = scenario.stream is not None and scenario.stream.leave_after is not None
        if scenario.requests or open_end or scenario.is_broadcast:
            raise BenchError(
                f"{scenario.name}: counting repeats a single request, but this scenario has "
                "several, an endless stream or a broadcast"
            )


def carry_out_counts(
    order: Order,
    *,
    announce: Callable[[str], None],
    folder_made: Callable[[Path], None],
    budget_s: float = math.inf,
    explains: bool = False,
) -> None:
    """Count what a plan contains into a new run folder; `folder_made` is called with it.

    The plan's rounds are its layouts; with a budget they end before the next would exceed it, once
    there are three. `announce` is called with the progress. A server that fails once is skipped.
    `explains` comes last, and beyond the budget.

    Raises BenchError if another run holds the machine or a backend is missing, Interrupted on a
    signal. What was stored until then is kept.
    """
    chosen = passes(order.plan.rounds)
    placing = explaining() if explains else ()
    check_countable(order.plan)
    lock = measuring_lock(order.lock_wait_s, announce=announce, shared=True)
    with orderly_interruption(), lock:
        began_s = time.perf_counter() - order.prepared_s
        announce(backend_words())
        with tempfile.TemporaryDirectory(prefix="asgi-bench-ask-") as logs:
            preparation = learn_answers(order.plan, Path(logs), announce)
        plan = preparation.answered(order.plan)
        header = header_of(order, describe_machine(), preparation)
        with RunWriter(order.parent, header) as writer:
            folder_made(writer.folder)
            run = _Run(plan, writer, began_s, announce)
            longest_s = 0.0
            for layout in range(plan.rounds):
                layout_s = time.perf_counter()
                if layout >= LEAST_LAYOUTS and layout_s - began_s + longest_s > budget_s:
                    break
                for backend, layouts in chosen:
                    if layout < layouts:
                        run.judge(backend, layout)
                longest_s = max(longest_s, time.perf_counter() - layout_s)
            for backend in placing:
                run.explain(backend)
            writer.write_phases({"count": time.perf_counter() - began_s})


class _Run:
    """A run that counts: which cells have failed, and how many answers are asked of the others."""

    def __init__(
        self, plan: Plan, writer: RunWriter, began_s: float, announce: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._began_s = began_s
        self._announce = announce
        self._failed: set[str] = set()
        self._more: dict[Cell, int] = {}

    def judge(self, backend: Counting, layout: int) -> None:
        """Count all cells in a layout; one whose server fails is left alone from then on."""
        for cells in chunks(self._plan, self._failed, layout):
            self._announce(_told(backend, layout, cells))
            lives = count_layout(self._plan, cells, backend, layout, self._writer, self._more)
            if backend.counter == "instructions":
                self._more = {**balanced(cells, lives), **self._more}
            for life in lives:
                ended_s = round(time.perf_counter() - self._began_s, 3)
                append_life(self._writer.folder, msgspec.structs.replace(life, ended_s=ended_s))
                if life.reason is not None:
                    self._failed.add(life.cell)

    def explain(self, backend: Counting) -> None:
        """Count by what says where a count comes from; where it fails, what judges stands."""
        for cells in chunks(self._plan, self._failed, 0):
            self._announce(f"to explain: {_told(backend, 0, cells)}")
            for life in count_layout(self._plan, cells, backend, 0, self._writer, {}):
                append_life(self._writer.folder, life)
                if life.reason is not None:
                    self._announce(f"{life.cell}: no {life.counter}: {life.reason}")


def _told(backend: Counting, layout: int, cells: Sequence[PlannedCell]) -> str:
    names = ", ".join(planned.cell.setting for planned in cells)
    return f"layout {layout + 1}: {backend.counter} of {names}"


def counted_cells(plan: Plan) -> Iterator[PlannedCell]:
    """The cells that can be counted; for an A/B without its control, which would only repeat."""
    for planned in plan.cells:
        if planned.skip_reason is None and planned.cell.setup != "control":
            yield planned


def chunks(plan: Plan, failed: set[str], layout: int) -> Iterator[list[PlannedCell]]:
    """The cells that are counted side by side: as many as there are CPUs, a cell's sides together.

    Sides swap places from one layout to the next.
    """
    most = usable_count()
    chunk: list[PlannedCell] = []
    for _, sides in groupby(counted_cells(plan), key=lambda one: one.cell.without_setup):
        group = [planned for planned in sides if planned.cell.key not in failed]
        if chunk and len(chunk) + len(group) > most:
            yield chunk
            chunk = []
        chunk += group if layout % 2 == 0 else group[::-1]
    if chunk:
        yield chunk


def balanced(cells: Sequence[PlannedCell], lives: Sequence[Life]) -> dict[Cell, int]:
    """How many responses take as many instructions as a start, by cells without their sides."""
    found: dict[Cell, int] = {}
    for planned in cells:
        mine = [life for life in lives if life.cell == planned.cell.key]
        each = per_request(mine)
        if each is not None and each > 0:
            least = min(life.tally.total for life in mine if life.tally is not None)
            count = round((least - BASE_ANSWERS * each) / each)
            # The same on both sides.
            count = max(LEAST_ANSWERS, min(MOST_ANSWERS, round(count, -3)))
            found.setdefault(planned.cell.without_setup, count)
    return found


class Logs(Protocol):
    """Where the output of lives goes."""

    folder: Path
    """The run's folder."""

    def log_path(self, cell_key: str, round: int) -> Path:
        """The file of a cell and a layout; creates its folder."""


def count_layout(
    plan: Plan,
    cells: Sequence[PlannedCell],
    backend: Counting,
    layout: int,
    writer: Logs,
    more: Mapping[Cell, int],
) -> list[Life]:
    """Count two lives of each cell, side by side, which differ in the number of counted requests.

    `more` is that difference, by cells without their sides.
    """
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}
    asked = []
    for planned in cells:
        further = more.get(planned.cell.without_setup, MORE_ANSWERS)
        for answers in (BASE_ANSWERS, BASE_ANSWERS + further):
            path = writer.log_path(f"{planned.cell.key}/{backend.counter}-{answers}", layout)
            asked.append(
                Asked(
                    planned,
                    scenarios[planned.cell.scenario],
                    layout,
                    answers,
                    path,
                    str(path.relative_to(writer.folder)),
                    tells_code=layout == 0
                    and answers == BASE_ANSWERS
                    and backend.counter == "instructions",
                )
            )
    patience = Patience(plan.startup_timeout_s, plan.request_timeout_s)
    with tempfile.TemporaryDirectory(prefix="asgi-bench-count-") as folder:
        return count_lives(asked, backend, Path(folder), patience)
