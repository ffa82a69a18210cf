"""Streams: when their bodies begin, how evenly their parts come, what each costs."""

from asgi_bench.analysis.report import CellReport
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.run.rows import caption, grouped_rows
from asgi_bench.reporting.run.source import Source

NOTE = (
    "First byte: of the body, from the sending. Gap: from the end of one part to that of the next; "
    "parts are events where an answer is an event stream, otherwise its chunks. CPU: of a whole "
    "stream."
)


def streams_section(source: Source) -> Section:
    """A table for each group of cells whose answers are timed by their parts."""
    tables = tuple(map(_table, filter(_has_streams, group_cells(source.report.cells))))
    return Section(
        "streams",
        "Streams",
        (*source.charts.about("first-byte", "gap"), *tables, Notes((NOTE,) if tables else ())),
    )


def _has_streams(group: Group[CellReport]) -> bool:
    return any(cell.first_byte_time_s.max is not None for cell in group.cells)


def _table(group: Group[CellReport]) -> Table:
    columns = (*IDENTITY[1:], *_COLUMNS, VERDICT[-1])
    sections = (section.cells for section in group.sections)
    return Table(
        heads(columns), tuple(grouped_rows(sections, columns)), f"Streams · {caption(group)}"
    )


_COLUMNS = (
    Column("first byte", "p50 ms", lambda c: numbers.milliseconds(c.first_byte_time_s.p50)),
    Column("", "p99 ms", lambda c: numbers.milliseconds(c.first_byte_time_s.p99)),
    Column("gap", "p50 ms", lambda c: numbers.milliseconds(c.gap_time_s.p50)),
    Column("", "p99 ms", lambda c: numbers.milliseconds(c.gap_time_s.p99)),
    Column("", "max ms", lambda c: numbers.milliseconds(c.gap_time_s.max)),
    Column("last byte", "p50 ms", lambda c: numbers.milliseconds(c.response_time_s.p50)),
    Column("CPU", "µs", lambda c: numbers.microseconds(c.server_cpu_s_per_request.value)),
)
