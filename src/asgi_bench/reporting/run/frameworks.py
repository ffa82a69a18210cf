"""How much of a framework's request the server takes: compared with `hello` without one."""

from collections.abc import Iterator
from typing import NamedTuple

from asgi_bench.analysis.report import CellReport
from asgi_bench.model import Load
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import load_words, plain

# The scenario that a framework's is compared with, and how those are called.
BARE, PREFIX = "hello", "framework-"
NOTE = (
    "Server: the CPU time of `hello` without a framework, with the same server and load; share: "
    "how much of the framework's request is spent on the server. Where that share is small, "
    "another server gains little."
)


class Pair(NamedTuple):
    """A framework's cell, and the same server's cell without a framework."""

    cell: CellReport
    bare: CellReport

    @property
    def share(self) -> float | None:
        """The server's part of the CPU time of a request."""
        bare, whole = (each.server_cpu_s_per_request.value for each in (self.bare, self.cell))
        return bare / whole if bare and whole else None


def frameworks_section(source: Source) -> Section:
    """A table for each load under which both were measured."""
    pairs = list(_pairs(source.report.cells))
    loads: dict[str, Load] = {pair.cell.load.key: pair.cell.load for pair in pairs}
    tables = tuple(_table(load, pairs) for load in loads.values())
    return Section("frameworks", "Frameworks", (*tables, Notes((NOTE,) if tables else ())))


def _pairs(cells: tuple[CellReport, ...]) -> Iterator[Pair]:
    bare = {_place(cell): cell for cell in cells if cell.scenario == BARE}
    for cell in cells:
        beside = bare.get(_place(cell))
        if cell.scenario.startswith(PREFIX) and cell.outcome == "ok" and beside is not None:
            yield Pair(cell, beside)


def _place(cell: CellReport) -> tuple[str, str, int, str, str, str]:
    way = (cell.http, cell.transport)
    return (cell.server, cell.variant, cell.workers, *way, cell.load.key)


def _share(pair: Pair) -> str:
    return numbers.MISSING if pair.share is None else numbers.percent(pair.share)


def _table(load: Load, pairs: list[Pair]) -> Table:
    chosen = [pair for pair in pairs if pair.cell.load.key == load.key]
    return table_of(_COLUMNS, chosen, f"Frameworks · {load_words(load)}")


_COLUMNS = (
    Column("server", "", lambda p: plain(p.cell.server), "left"),
    Column("variant", "", lambda p: plain(p.cell.variant), "left"),
    Column("w", "", lambda p: str(p.cell.workers)),
    Column("framework", "", lambda p: plain(p.cell.scenario.removeprefix(PREFIX)), "left"),
    Column("req", "per s", lambda p: numbers.rate(p.cell.throughput_rps.value)),
    Column("CPU", "µs", lambda p: numbers.microseconds(p.cell.server_cpu_s_per_request.value)),
    Column("server", "µs", lambda p: numbers.microseconds(p.bare.server_cpu_s_per_request.value)),
    Column("share", "%", _share),
)
