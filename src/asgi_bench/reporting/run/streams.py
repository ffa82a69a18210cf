"""Streams: when their bodies begin, how evenly their parts arrive, what each costs."""

from collections.abc import Callable, Sequence
from functools import partial

from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport
from asgi_bench.model import Leftovers
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CONNECTION_MEMORY, STREAM_CPU
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.run.rows import caption, grouped_rows
from asgi_bench.reporting.run.source import Source

NOTE = (
    "First byte: of the body, measured from sending. Gap: from the end of one part to the end "
    "of the next; parts are events in an event stream, otherwise chunks. CPU: per whole stream."
)
HELD_NOTE = (
    "Events: of all streams together. CPU, memory: per stream while it is open. Left: what "
    "remains {after_s:.0f} s after all clients have gone, the most in any round: streams still "
    "running in the app, connections and descriptors of the server's processes, memory above "
    "what it used before the load, and CPU use."
)


def streams_section(source: Source) -> Section:
    """A table for each group of cells whose responses are timed by their parts or held open."""
    groups = tuple(filter(_has_streams, group_cells(source.report.cells)))
    left = [cell.leftovers for group in groups for cell in group.cells if cell.leftovers]
    notes = (
        *((NOTE,) if groups else ()),
        *((HELD_NOTE.format(after_s=min(one.after_s for one in left)),) if left else ()),
    )
    return Section(
        "streams",
        "Streams",
        (
            *source.charts.about("first-byte", "gap", "stream-cpu"),
            *(_table(group, _COLUMNS, "Streams") for group in groups),
            *(_table(group, _HELD, "Streams held open") for group in groups if _is_held(group)),
            Notes(notes),
        ),
    )


def _has_streams(group: Group[CellReport]) -> bool:
    return any(cell.first_byte_time_s.max is not None for cell in group.cells)


def _is_held(group: Group[CellReport]) -> bool:
    return any(cell.leftovers is not None for cell in group.cells)


def _table(group: Group[CellReport], told: Sequence[Column], title: str) -> Table:
    columns = (*IDENTITY[1:], *told, VERDICT[-1])
    sections = (section.cells for section in group.sections)
    return Table(
        heads(columns), tuple(grouped_rows(sections, columns)), f"{title} · {caption(group)}"
    )


def _metric_text(metric: Metric, cell: CellReport) -> str:
    return numbers.figure(metric, cell_figure(metric, cell).value)


def _left(text: Callable[[Leftovers], str]) -> Callable[[CellReport], str]:
    """Something of what is left."""
    return lambda cell: numbers.MISSING if cell.leftovers is None else text(cell.leftovers)


_COLUMNS = (
    Column("first byte", "p50 ms", lambda c: numbers.milliseconds(c.first_byte_time_s.p50)),
    Column("", "p99 ms", lambda c: numbers.milliseconds(c.first_byte_time_s.p99)),
    Column("gap", "p50 ms", lambda c: numbers.milliseconds(c.gap_time_s.p50)),
    Column("", "p99 ms", lambda c: numbers.milliseconds(c.gap_time_s.p99)),
    Column("", "max ms", lambda c: numbers.milliseconds(c.gap_time_s.max)),
    Column("last byte", "p50 ms", lambda c: numbers.milliseconds(c.response_time_s.p50)),
    Column("CPU", "µs", lambda c: numbers.microseconds(c.server_cpu_s_per_request.value)),
)
_HELD = (
    Column("events", "per s", lambda c: numbers.rate(c.messages_per_s.value)),
    *(
        Column(*metric.column, partial(_metric_text, metric))
        for metric in (STREAM_CPU, CONNECTION_MEMORY)
    ),
    Column("left", "streams", _left(lambda left: numbers.count(left.streams))),
    Column("", "conn.", _left(lambda left: numbers.count(left.connections))),
    Column("", "descr.", _left(lambda left: numbers.count(left.descriptors))),
    Column("", "MiB", _left(lambda left: numbers.change_in_mebibytes(left.pss_kept_bytes))),
    Column("", "CPU %", _left(lambda left: numbers.percent(left.cpu_share))),
)
