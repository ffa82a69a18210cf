"""Counts as CSV: a line for each counter of a cell, or for each layout of it."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from asgi_bench.analysis.counts import layout_estimates
from asgi_bench.analysis.history.counted import Counted
from asgi_bench.model.counts import CountsReport
from asgi_bench.reporting.exports.figures import ExportFile, labels_of
from asgi_bench.reporting.run.report_csv import field

RUN = ("run", "started_at", "tool_version", "machine")
FIGURES = ("value", "lower", "upper", "standard_error", "layouts")
WHAT = ("server", "variant", "side", "workers", "scenario", "http", "transport", "load")


def render_counts_csv(report: CountsReport) -> str:
    """A run that counted, a line for each counter of a cell; a cell without any has its reason."""
    facts = dict(
        zip(
            RUN,
            (report.run, report.started_at, report.tool_version, report.machine.fingerprint),
            strict=True,
        )
    )
    columns = (*RUN, "cell", "server_version", "outcome", "reason", "counter", "backend", *FIGURES)
    return _csv(columns, ({**facts, **line} for line in _cell_lines(report)))


def _cell_lines(report: CountsReport) -> Iterator[dict[str, Any]]:
    for cell in report.cells:
        told = {
            "cell": cell.cell,
            "server_version": cell.server_version,
            "outcome": cell.outcome,
            "reason": cell.reason,
        }
        for one in cell.figures:
            each = one.per_request
            yield {
                **told,
                "counter": one.counter,
                "backend": one.backend,
                "value": each.value,
                "lower": each.lower,
                "upper": each.upper,
                "standard_error": each.standard_error,
                "layouts": len(one.by_layout),
            }
        if not cell.figures:
            yield told


def layouts_csv(counted: Counted) -> tuple[ExportFile, ...]:
    """`layouts.csv`: what a request takes in each layout, a line for each counter of a cell."""
    columns = (
        *("run", "time", "cell", *WHAT, "server_version"),
        *("layout", "counter", "backend", "per_request"),
    )
    return (ExportFile("layouts.csv", _csv(columns, _layout_lines(counted))),)


def _layout_lines(counted: Counted) -> Iterator[dict[str, Any]]:
    for planned in counted.header.plan.cells:
        lives = counted.lives_of(planned)
        for counter in dict.fromkeys(life.counter for life in lives):
            mine = [life for life in lives if life.counter == counter]
            for layout, value in layout_estimates(mine).items():
                yield {
                    "run": counted.header.run_id,
                    "time": counted.header.started_at,
                    "cell": planned.cell.key,
                    **labels_of(planned.cell),
                    "server_version": planned.server_version,
                    "layout": layout,
                    "counter": counter,
                    "backend": mine[0].backend,
                    "per_request": value,
                }


def _csv(columns: Sequence[str], lines: Iterable[dict[str, Any]]) -> str:
    out = StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: field(value) for name, value in line.items() if value is not None})
    return out.getvalue()
