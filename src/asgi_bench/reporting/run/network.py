"""The network to load hosts: response times with and without the round trip, bytes it carried."""

from asgi_bench.analysis.report import CellReport
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.run.rows import caption, grouped_rows
from asgi_bench.reporting.run.source import Source

NOTE = (
    "Round trip: the shortest TCP handshake with the farthest load host. Without: response times "
    "less the round trip of the host that sent the request. Link: the least bandwidth measured "
    "from the server's host to a load process, all at once; used: by the load. Left out: slices in "
    "which a load host was late or starved."
)


def network_section(source: Source) -> Section:
    """A table for each group of cells that load hosts have loaded."""
    groups = [
        group
        for group in group_cells(source.report.cells)
        if any(cell.network is not None for cell in group.cells)
    ]
    tables = tuple(map(_table, groups))
    return Section("network", "Network", (*tables, Notes((NOTE,) if tables else ())))


def _table(group: Group[CellReport]) -> Table:
    sections = (section.cells for section in group.sections)
    rows = tuple(grouped_rows(sections, _COLUMNS))
    return Table(heads(_COLUMNS), rows, f"Network · {caption(group)}")


def _trip_ms(cell: CellReport) -> str:
    return numbers.milliseconds(cell.network.longest_round_trip_s if cell.network else None)


def _p50_ms(cell: CellReport) -> str:
    times = cell.network.response_time_less_round_trip_s if cell.network else None
    return numbers.milliseconds(times.p50 if times else None)


def _p99_ms(cell: CellReport) -> str:
    times = cell.network.response_time_less_round_trip_s if cell.network else None
    return numbers.milliseconds(times.p99 if times else None)


def _link(cell: CellReport) -> str:
    return numbers.megabytes(cell.network.to_host_bytes_per_s if cell.network else None)


def _used(cell: CellReport) -> str:
    return numbers.percent(cell.network.link_share if cell.network else None)


def _left_out(cell: CellReport) -> str:
    return numbers.count(cell.network.left_out_slices if cell.network else None)


_COLUMNS = (
    *IDENTITY[1:],
    Column("round trip", "ms", _trip_ms),
    Column("p50", "ms", lambda cell: numbers.milliseconds(cell.response_time_s.p50)),
    Column("without", "ms", _p50_ms),
    Column("p99", "ms", lambda cell: numbers.milliseconds(cell.response_time_s.p99)),
    Column("without", "ms", _p99_ms),
    Column("link", "MB/s", _link),
    Column("used", "%", _used),
    Column("left out", "", _left_out),
    VERDICT[-1],
)
