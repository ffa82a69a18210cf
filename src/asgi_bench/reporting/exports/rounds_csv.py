"""Every round as a line of CSV, for a spreadsheet or a data frame.

`report --format csv` has one line per cell, with estimates; this has what they rest on. All cells
are in one file, so a tool that takes a file for one series (Apache Otava) needs one cell's lines.
"""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from asgi_bench.analysis.metrics import stored_figure
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey
from asgi_bench.analysis.validity.cell import is_usable
from asgi_bench.model import Trial
from asgi_bench.model.metrics import METRICS
from asgi_bench.reporting.exports.figures import ExportFile
from asgi_bench.reporting.run.report_csv import field

WHAT = (
    *("run", "time", "cell", "server", "server_version", "variant", "side", "workers"),
    *("scenario", "http", "transport", "load"),
    *("client", "round", "block", "outcome", "reason", "validity", "cell_validity"),
)
# Times last.
BY_ROUND = sorted(
    (metric for metric in METRICS if metric.by_round), key=lambda metric: metric.times is not None
)
FIGURES = (
    *("requests", "errors", "duration_s", "offered_rps"),
    *(metric.name for metric in BY_ROUND),
)


def rounds_csv(surveyed: Survey) -> tuple[ExportFile, ...]:
    """`rounds.csv`: a line for each trial of a cell's own block, and one for a cell without any.

    Failed, skipped and invalid trials have a line with the reason, and no figures.
    """
    out = StringIO()
    writer = csv.DictWriter(out, (*WHAT, *FIGURES), restval="", lineterminator="\r\n")
    writer.writeheader()
    for sample in surveyed.samples.values():
        for line in _lines(sample, surveyed):
            writer.writerow(
                {name: field(value) for name, value in line.items() if value is not None}
            )
    return (ExportFile("rounds.csv", out.getvalue()),)


def _lines(sample: Sample, surveyed: Survey) -> Iterator[dict[str, Any]]:
    """The lines of one cell."""
    planned, verdict = sample.planned, sample.verdict
    cell = planned.cell
    facts = {
        "run": surveyed.report.run.id,
        "cell": cell.key,
        "server": cell.server,
        "server_version": planned.server_version,
        "variant": cell.variant,
        "side": cell.setup,
        "workers": cell.workers,
        "scenario": cell.scenario,
        "http": cell.http,
        "transport": cell.transport,
        "load": cell.load.key,
        "client": surveyed.run.header.plan.client,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "cell_validity": verdict.validity,
    }
    if not sample.own:
        yield facts
    for trial in sample.own:
        told = {"time": trial.started_at, "round": trial.round, "block": trial.block}
        verdict_of = {"outcome": trial.outcome, "reason": trial.reason, "validity": trial.validity}
        sound = is_usable(trial) and verdict.outcome == "ok" and verdict.validity != "invalid"
        yield {**facts, **told, **verdict_of, **(_figures(trial) if sound else {})}


def _figures(trial: Trial) -> dict[str, Any]:
    """The figures of a trial that can be believed."""
    return {
        "requests": trial.requests,
        "errors": trial.errors.total,
        "duration_s": trial.duration_s,
        "offered_rps": trial.offered_rps,
        **{metric.name: stored_figure(metric, trial) for metric in BY_ROUND},
    }
