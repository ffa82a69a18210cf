"""A run that counts: locks the machine, makes the folder, counts each cell in each layout."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import stdev
from typing import NamedTuple, Protocol

import msgspec

from asgi_bench.analysis.counts import per_request
from asgi_bench.counting.backends.counting import Counting, CountingWindows
from asgi_bench.counting.backends.hardware import Hardware
from asgi_bench.counting.backends.monitoring import Monitoring
from asgi_bench.counting.backends.strace import Strace
from asgi_bench.counting.backends.valgrind import Valgrind
from asgi_bench.counting.lives import count_lives
from asgi_bench.counting.members import Asked, Patience
from asgi_bench.counting.windows import count_windows
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

# Within the first of these, CPython specialises its bytecode, caches fill, and connections are
# opened. They come before a window, and are the same in both lives of a layout.
BASE_ANSWERS = 400
MORE_ANSWERS = 400
# How the parts of the first layout scatter tells how many answers make a window this exact, within
# bounds: in a second some 100 million instructions are counted. Layouts differ by more, so time is
# better spent on more of them.
PARTS = 4
# The first layout is counted again if its window was that many times too short.
MOST_SHORT = 1.5
MOST_SCATTER = 0.0005
LEAST_ANSWERS = 100
# Four parts may scatter little by chance.
LEAST_INSTRUCTIONS, MOST_INSTRUCTIONS = 40e6, 1e9
# System calls scatter so little that more layouts tell nothing.
SYSCALL_LAYOUTS = 3
# Fewer have wide intervals: Student's t of three is half as large again as that of four.
LEAST_LAYOUTS = 4


class Pass(NamedTuple):
    """A backend with the maximum number of layouts that it counts."""

    backend: Counting
    layouts: int


def passes(layouts: int, *, explains: bool = False) -> tuple[Pass, ...]:
    """What counts in a run of this many layouts; what is to be explained, valgrind counts.

    Raises BenchError if it isn't available, in a line that says what to install.
    """
    found = (
        Pass(Valgrind() if explains else _instructions(), layouts),
        Pass(Strace(), min(layouts, SYSCALL_LAYOUTS)),
    )
    lacks = [lack for one in found if (lack := one.backend.missing()) is not None]
    if lacks:
        raise BenchError("; ".join(lacks))
    return found


def _instructions() -> Counting:
    return Hardware() if Hardware().missing() is None else Valgrind()


def backend_words(backend: Counting) -> str:
    """What counts instructions here, and why."""
    if backend.backend == "hardware":
        return (
            "the CPU's own counters count instructions; this has been tested with the kernel's "
            "software counters only, not on hardware"
        )
    why = Hardware().missing() or "the CPU's own counters don't know where they are"
    return f"valgrind counts instructions: {why}"


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
    there are four. `announce` is called with the progress. A server that fails once is skipped.
    `explains` comes last, and beyond the budget.

    Raises BenchError if another run holds the machine or a backend is missing, Interrupted on a
    signal. What was stored until then is kept.
    """
    chosen = passes(order.plan.rounds, explains=explains)
    check_countable(order.plan)
    lock = measuring_lock(order.lock_wait_s, announce=announce, shared=True)
    with orderly_interruption(), lock:
        began_s = time.perf_counter() - order.prepared_s
        announce(backend_words(chosen[0].backend))
        with tempfile.TemporaryDirectory(prefix="asgi-bench-ask-") as logs:
            preparation = learn_answers(order.plan, Path(logs), announce)
        plan = preparation.answered(order.plan)
        header = header_of(order, describe_machine(), preparation)
        with RunWriter(order.parent, header) as writer:
            folder_made(writer.folder)
            run = _Run(plan, writer, began_s, announce)
            last_s = 0.0
            for layout in range(plan.rounds):
                layout_s = time.perf_counter()
                if layout >= LEAST_LAYOUTS and layout_s - began_s + last_s > budget_s:
                    break
                for backend, layouts in chosen:
                    if layout < layouts:
                        run.judge(backend, layout)
                last_s = time.perf_counter() - layout_s
            if explains:
                run.explain(Monitoring())
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
            lives = self._count(cells, backend, layout)
            if layout == 0 and (found := exact(cells, lives)):
                self._more |= found
                if max(found.values()) > MOST_SHORT * MORE_ANSWERS:
                    failed = {life.cell: life for life in lives if life.reason is not None}
                    again = [planned for planned in cells if planned.cell.key not in failed]
                    lives = [*failed.values(), *self._count(again, backend, layout)]
            for life in lives:
                ended_s = round(time.perf_counter() - self._began_s, 3)
                append_life(self._writer.folder, msgspec.structs.replace(life, ended_s=ended_s))
                if life.reason is not None:
                    self._failed.add(life.cell)

    def _count(self, cells: Sequence[PlannedCell], backend: Counting, layout: int) -> list[Life]:
        return count_layout(self._plan, cells, backend, layout, self._writer, self._more)

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
        group = list(sides)
        # One side alone decides nothing.
        if any(planned.cell.key in failed for planned in group):
            continue
        if chunk and len(chunk) + len(group) > most:
            yield chunk
            chunk = []
        chunk += group if layout % 2 == 0 else group[::-1]
    if chunk:
        yield chunk


def exact(cells: Sequence[PlannedCell], lives: Sequence[Life]) -> dict[Cell, int]:
    """How many responses to count in a window, by cells without their sides.

    As many as make a window of instructions exact. Its parts scatter by what comes once in many
    requests, such as collecting garbage: one more or less of these is an error of the whole window,
    however long.
    """
    found: dict[Cell, int] = {}
    counted = [life for life in lives if life.counter == "instructions"]
    for planned in cells:
        mine = [life for life in counted if life.cell == planned.cell.key]
        each = per_request(mine)
        scatters = [stdev(life.by_part) for life in mine if len(life.by_part) > 1]
        if each is not None and each > 0 and scatters:
            least = max(LEAST_ANSWERS, LEAST_INSTRUCTIONS / each)
            most = max(least, MOST_INSTRUCTIONS / each)
            count = min(most, max(least, max(scatters) / (MOST_SCATTER * each)))
            side = planned.cell.without_setup
            # The same on both sides.
            found[side] = max(found.get(side, 0), round(count))
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
    """Count each cell in a layout, side by side: two lives, or two windows of one.

    They differ in the number of counted responses. `more` is that difference, by cells without
    their sides.
    """
    further = [more.get(planned.cell.without_setup, MORE_ANSWERS) for planned in cells]
    patience = Patience(plan.startup_timeout_s, plan.request_timeout_s)
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}

    def asked(planned: PlannedCell, answers: int, *, tells_code: bool) -> Asked:
        path = writer.log_path(f"{planned.cell.key}/{backend.counter}-{answers}", layout)
        return Asked(
            planned,
            scenarios[planned.cell.scenario],
            layout,
            answers,
            path,
            str(path.relative_to(writer.folder)),
            tells_code=tells_code and layout == 0 and backend.counter == "instructions",
        )

    with tempfile.TemporaryDirectory(prefix="asgi-bench-count-") as folder:
        if isinstance(backend, CountingWindows):
            windows = [
                asked(planned, count, tells_code=True)
                for planned, count in zip(cells, further, strict=True)
            ]
            return count_windows(
                windows,
                backend,
                Path(folder),
                patience,
                warm_up=BASE_ANSWERS,
                parts=PARTS if layout == 0 else 1,
            )
        lives = [
            asked(planned, BASE_ANSWERS + more_of_it, tells_code=not more_of_it)
            for planned, count in zip(cells, further, strict=True)
            for more_of_it in (0, count)
        ]
        return count_lives(lives, backend, Path(folder), patience)
