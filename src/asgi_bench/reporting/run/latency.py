"""Response times: percentiles of each cell, their curves, and each of several requests."""

from typing import NamedTuple

from asgi_bench.analysis.report import CellReport, RequestReport, SweepReport
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Aside, Notes, Section, Table
from asgi_bench.reporting.groups import AnyGroup, Group, group_cells, report_groups
from asgi_bench.reporting.run.rows import caption, cell_row, grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import TONES, latency_words, plain, verdict_word

NOTE = (
    "Percentiles with fewer than ten samples beyond them are left out. Service: measured from "
    "sending, not from the intended time."
)
REQUESTS_NOTE = (
    "By request: requests are drawn by weight; a response counts as correct if it is right for "
    "its own request."
)


class RequestRow(NamedTuple):
    """One request of one cell."""

    cell: CellReport | SweepReport
    request: RequestReport


def latency_section(source: Source) -> Section:
    """All percentiles of each cell; the most important ones are in the ranking."""
    tables = tuple(map(_table, group_cells(source.report.cells)))
    notes = (NOTE,) if tables else ()
    return Section(
        "latency",
        "Latency",
        (*source.charts.about("latency"), Aside((*tables, Notes(notes)))),
        least="markdown",
    )


def load_curve_section(source: Source) -> Section:
    """How response times rise with the load."""
    return Section("load-curve", "Load curve", source.charts.about("curve"), least="markdown")


def requests_section(source: Source) -> Section:
    """Each request of cells that send several."""
    groups = report_groups(source.report)
    tables = tuple(table for table in map(request_table, groups) if table.rows)
    notes = (REQUESTS_NOTE,) if tables else ()
    return Section("requests", "By request", (*tables, Notes(notes)))


def request_table(group: AnyGroup) -> Table:
    """A row for each request of each cell; none if each cell sends one request."""
    rows = tuple(
        cell_row(cell, (column.cell(RequestRow(cell, request)) for column in REQUEST_COLUMNS))
        for cell in group.cells
        if cell.outcome == "ok"
        for request in cell.by_request
    )
    return Table(heads(REQUEST_COLUMNS), rows, f"By request · {caption(group)}")


def _table(group: Group[CellReport]) -> Table:
    """A group's percentiles of response times, as far as there are samples for them."""
    service = () if group.load.is_closed else _SERVICE
    columns = (*IDENTITY[1:], *_PERCENTILES, *service, VERDICT[-1])
    words = f"{latency_words(group.load)}, ms · {caption(group)}"
    sections = (section.cells for section in group.sections)
    rows = tuple(grouped_rows(sections, columns))
    return Table(heads(columns), rows, words[:1].upper() + words[1:])


def _errors(row: RequestRow) -> str:
    answers = row.request.requests + row.request.errors.total
    return numbers.percent(row.request.errors.total / answers if answers else 0.0)


REQUEST_COLUMNS = (
    Column("server", "", lambda row: plain(row.cell.server), "left"),
    Column("variant", "", lambda row: plain(row.cell.variant), "left"),
    Column("w", "", lambda row: str(row.cell.workers)),
    Column("request", "", lambda row: plain(row.request.name), "left"),
    Column("weight", "%", lambda row: numbers.percent(row.request.share)),
    Column("sent", "", lambda row: numbers.count(row.request.sent)),
    Column("p50", "ms", lambda row: numbers.milliseconds(row.request.response_time_s.p50)),
    Column("p99", "ms", lambda row: numbers.milliseconds(row.request.response_time_s.p99)),
    Column("answer", "bytes", lambda row: numbers.count(row.request.response_bytes)),
    Column("err", "%", _errors),
    Column("validity", "", lambda row: verdict_word(row.cell), "left", TONES),
)
_PERCENTILES = (
    Column("p50", "", lambda cell: numbers.milliseconds(cell.response_time_s.p50)),
    Column("p90", "", lambda cell: numbers.milliseconds(cell.response_time_s.p90)),
    Column("p99", "", lambda cell: numbers.milliseconds(cell.response_time_s.p99)),
    Column("p99.9", "", lambda cell: numbers.milliseconds(cell.response_time_s.p999)),
    Column("p99.99", "", lambda cell: numbers.milliseconds(cell.response_time_s.p9999)),
    Column("max", "", lambda cell: numbers.milliseconds(cell.response_time_s.max)),
)
_SERVICE = (
    Column("service", "p50", lambda cell: numbers.milliseconds(cell.service_time_s.p50)),
    Column("service", "p99", lambda cell: numbers.milliseconds(cell.service_time_s.p99)),
)
