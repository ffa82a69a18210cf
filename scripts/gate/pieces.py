"""Counting piece by piece: each call goes on where the last one was cut, after any piece.

What is being counted is a run folder, as `asgi-bench count` makes it: what it holds says what is
left to do.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from asgi_bench.counting.backends.counting import Counting
from asgi_bench.counting.backends.monitoring import Monitoring
from asgi_bench.counting.run import Logs, count_layout, counted_cells, passes
from asgi_bench.errors import BenchError
from asgi_bench.machine.fingerprint import describe_machine
from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.expectations import learn_answers
from asgi_bench.measurement.run import Order, header_of
from asgi_bench.model import Plan, PlannedCell, RunHeader
from asgi_bench.model.counts import Life
from asgi_bench.store.counts import append_life, has_counts, read_lives
from asgi_bench.store.folders import HEADER_FILE
from asgi_bench.store.runs import encode_header, read_run
from gate.records import without_places
from gate.sides import say

LOCK_WAIT_S = 600.0
# Two lives, or two windows of one.
LIVES = 2
# What a piece takes, until one of this call has taken longer.
PIECE_S = 9.0


class Piece(NamedTuple):
    """Cells that are counted side by side, by one backend, in one layout."""

    backend: Counting
    layout: int
    cells: tuple[PlannedCell, ...]

    def is_in(self, lives: list[Life]) -> bool:
        """Whether all of it was counted, or has failed."""
        return all(
            sum(
                life.cell == planned.cell.key
                and life.layout == self.layout
                and life.counter == self.backend.counter
                for life in lives
            )
            >= LIVES
            for planned in self.cells
        )


class _Logs:
    """Where the output of lives goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log_path(self, cell_key: str, round: int) -> Path:
        """The file of a cell and a layout."""
        path = self.folder / "logs" / cell_key.replace("/", "-") / f"{round}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def logs_in(folder: Path) -> Logs:
    """Return where the output of lives goes that are counted into a folder."""
    return _Logs(folder)


def begin(folder: Path, plan: Plan) -> None:
    """Make the folder of a run of this plan, with the answers that count as correct."""
    order = Order(plan, folder.parent)
    lock = measuring_lock(LOCK_WAIT_S, announce=say, shared=True)
    with lock, tempfile.TemporaryDirectory(prefix="asgi-bench-ask-") as logs:
        header = header_of(order, describe_machine(), learn_answers(plan, Path(logs), say))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HEADER_FILE).write_bytes(encode_header(header))


def go_on(folder: Path, layouts: int, deadline_s: float, *, explains: bool = False) -> bool:
    """Count the pieces that are left, and return whether all are done.

    None is begun that would end after the deadline, by the clock of `time.monotonic`, if it takes
    as long as the longest of this call.

    Raises:
        BenchError: a server that can't be counted.
    """
    header = read_run(folder).header
    plan = header.preparation.answered(header.plan)
    longest_s = PIECE_S
    for piece in _pieces(plan, layouts, explains=explains):
        lives = list(read_lives(folder)) if has_counts(folder) else []
        if piece.is_in(lives):
            continue
        began_s = time.monotonic()
        if began_s + longest_s > deadline_s:
            return False
        _count(folder, plan, piece)
        longest_s = max(longest_s, time.monotonic() - began_s)
    return True


def _pieces(plan: Plan, layouts: int, *, explains: bool) -> Iterator[Piece]:
    cells = tuple(counted_cells(plan))
    if explains:
        yield Piece(Monitoring(), 0, cells)
    for layout in range(layouts):
        for backend, most in passes(layouts, explains=explains):
            if layout < most:
                yield Piece(backend, layout, cells)


def _count(folder: Path, plan: Plan, piece: Piece) -> None:
    say(f"{folder.name}: layout {piece.layout + 1}: {piece.backend.counter}")
    with measuring_lock(LOCK_WAIT_S, announce=say, shared=True):
        found = count_layout(plan, piece.cells, piece.backend, piece.layout, _Logs(folder), {})
    for life in found:
        if life.reason is not None:
            raise BenchError(f"{life.cell}: {life.reason}")
    for life in found:
        append_life(folder, life)


def counted(folder: Path) -> tuple[RunHeader, tuple[Life, ...]]:
    """Return what is in the folder, without where this checkout lies."""
    told = without_places(msgspec.json.encode(read_run(folder).header))
    lives = read_lives(folder) if has_counts(folder) else ()
    return msgspec.json.decode(told, type=RunHeader), lives


def without_functions(life: Life) -> Life:
    """A life without its parts by C function, of which there are many."""
    if life.tally is None:
        return life
    parts = {kind: parts for kind, parts in life.tally.parts.items() if kind != "function"}
    return msgspec.structs.replace(life, tally=msgspec.structs.replace(life.tally, parts=parts))
