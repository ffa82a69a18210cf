"""The table of a cell's requests, where its scenario has several: below that of its group."""

from collections.abc import Iterator
from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport, RequestReport, SweepReport
from asgi_bench.analysis.document import Report
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.groups import AnyGroup
from asgi_bench.reporting.wording import plain, verdict_word

NOTE = (
    "By request: of all that was sent, drawn by weight; an answer counts if it is right for its "
    "own request."
)


class RequestRow(NamedTuple):
    """One request of one cell."""

    cell: CellReport | SweepReport
    request: RequestReport


def request_rows(group: AnyGroup) -> Iterator[RequestRow]:
    """The rows of a group, its cells in their order; none where each sends one request."""
    for cell in group.cells:
        if cell.outcome == "ok":
            yield from (RequestRow(cell, request) for request in cell.by_request)


def request_notes(report: Report) -> tuple[str, ...]:
    """What the tables mean, for under them all."""
    return (NOTE,) if any(cell.by_request for cell in report.everything) else ()


def _errors(row: RequestRow) -> str:
    answers = row.request.requests + row.request.errors.total
    return numbers.percent(row.request.errors.total / answers if answers else 0.0)


COLUMNS = (
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
    Column("validity", "", lambda row: verdict_word(row.cell), "left"),
)
