"""What servers cost: CPU, memory, traffic, energy, start and stop."""

from collections.abc import Sequence

from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport
from asgi_bench.model.metrics import CONNECTION_MEMORY
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.groups import AnyGroup, report_groups
from asgi_bench.reporting.run.rows import caption, grouped_rows
from asgi_bench.reporting.run.source import Source


def costs_section(source: Source) -> Section:
    """A table for each group of cells with any costs."""
    tables = cost_tables(report_groups(source.report))
    titles = {head.title for table in tables for head in table.columns}
    notes = (" ".join(text for title, text in _NOTES.items() if title in titles),)
    return Section(
        "costs",
        "Costs",
        (
            *source.charts.about("cpu", "memory", "connection-memory", "received", "messages"),
            *tables,
            Notes(notes if tables else ()),
        ),
    )


def cost_tables(groups: Sequence[AnyGroup]) -> tuple[Table, ...]:
    """A table for each group of cells with any costs; columns without a figure are left out.

    What a process costs whatever its load is only in the table of the closed loops, if there are
    any: the processes are the same.
    """
    has_closed = any(group.load.is_closed for group in groups)
    tables = []
    for group in groups:
        cells = [cell for cell in group.cells if isinstance(cell, CellReport)]
        columns: tuple[Column, ...] = _OF_LOAD
        if group.load.is_closed:
            columns = (*_OF_LOAD, *_OF_PROCESS)
        elif not has_closed:
            columns = (*_OF_LOAD, _LOADED, *_OF_PROCESS)
        known = [
            column
            for column in columns
            if any(column.text(cell) != numbers.MISSING for cell in cells)
        ]
        if known:
            shown = (*IDENTITY[1:], *known, *VERDICT[1:])
            sections = (section.cells for section in group.sections)
            rows = tuple(grouped_rows(sections, shown))
            tables.append(Table(heads(shown), rows, f"Costs · {caption(group)}"))
    return tuple(tables)


_NOTES = {
    "user": "User, sys: user and system CPU time per request.",
    "req/s": "Per core: requests per second per CPU that the server kept busy.",
    "waits": "Waits, lost: voluntary and involuntary context switches.",
    "sent": "Sent: bytes of requests per second, including heads.",
    "messages": "Messages: WebSocket messages, or events, in correct responses.",
    "received": "Received: bytes of correct responses per second, including heads; shown for "
    "large ones only.",
    "size": "Size: of a response, including its head.",
    "mJ": "mJ: energy of all CPUs, including the load generator's.",
    "idle": "Idle, peak: PSS before the load, and the highest seen between slices.",
    "conn.": "Conn.: memory per open connection, beyond what the idle server uses; for streams, "
    "while they are open.",
    "grows": "Grows: memory growth per 1,000 requests under load, with its 95% interval.",
    "stays": "Stays: memory above idle that remains after the load, with all connections closed.",
    "start": "Start: time to the first correct response. Start and stop happen beside the block's "
    "other servers.",
}
_OF_LOAD = (
    Column("user", "µs", lambda c: numbers.microseconds(c.costs.server_user_s_per_request.value)),
    Column("sys", "µs", lambda c: numbers.microseconds(c.costs.server_system_s_per_request.value)),
    Column("req/s", "/core", lambda c: numbers.rate(c.costs.throughput_rps_per_core.value)),
    Column("waits", "/req.", lambda c: numbers.share(c.costs.voluntary_switches_per_request)),
    Column("lost", "/req.", lambda c: numbers.share(c.costs.involuntary_switches_per_request)),
    Column("sent", "MB/s", lambda c: numbers.megabytes(c.sent_bytes_per_s.value)),
    Column("messages", "per s", lambda c: numbers.rate(c.messages_per_s.value)),
    Column("received", "MB/s", lambda c: numbers.megabytes(c.received_bytes_per_s.value)),
    Column("size", "B", lambda c: numbers.count(c.costs.response_bytes)),
    Column(
        "mJ", "/req.", lambda c: numbers.millijoules(c.costs.machine_energy_j_per_request.value)
    ),
)
# Beside the tables of closed loops, which have it.
_LOADED = Column("loaded", "MiB", lambda c: numbers.mebibytes(c.server_pss_bytes))
_OF_PROCESS = (
    Column("idle", "MiB", lambda c: numbers.mebibytes(c.costs.server_pss_idle_bytes)),
    Column("peak", "MiB", lambda c: numbers.mebibytes(c.costs.server_pss_peak_bytes)),
    Column(
        *CONNECTION_MEMORY.column,
        lambda c: numbers.figure(CONNECTION_MEMORY, cell_figure(CONNECTION_MEMORY, c).value),
    ),
    Column("grows", "KiB/1k", lambda c: numbers.growth(c.growth_bytes_per_1000_requests)),
    Column("stays", "MiB", lambda c: numbers.change_in_mebibytes(c.costs.server_pss_kept_bytes)),
    Column("start", "s", lambda c: numbers.significant(c.costs.startup_s.value, 2)),
    Column("stop", "s", lambda c: numbers.significant(c.costs.stop_s.value, 2)),
)
