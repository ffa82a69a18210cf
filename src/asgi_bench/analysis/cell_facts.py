"""What is said of every cell whatever its load, and figures of its rounds put together."""

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Any

import msgspec

from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.percentiles import Histogram, merge_histograms
from asgi_bench.analysis.report import CellFacts, ErrorTotals, Interval
from asgi_bench.analysis.samples import Sample
from asgi_bench.errors import BenchError
from asgi_bench.model import ErrorCounts, Plan, merged_wrong_answers


def cell_facts(sample: Sample, plan: Plan) -> CellFacts[Any]:
    """The cell, its outcome and verdict, and what was sent to it."""
    planned, verdict = sample.planned, sample.verdict
    cell = planned.cell
    return CellFacts(
        cell=cell.key,
        server=cell.server,
        server_version=planned.server_version,
        variant=cell.variant,
        workers=cell.workers,
        scenario=cell.scenario,
        load=cell.load,
        client=plan.client,
        outcome=verdict.outcome,
        reason=verdict.reason,
        validity=verdict.validity,
        validity_reasons=verdict.validity_reasons,
        oversubscribed=bool(plan.server_cpus) and cell.workers > len(plan.server_cpus),
        rounds=len(sample.measured),
        requests=sum(trial.requests for trial in sample.measured),
        errors=error_totals(trial.errors for trial in sample.measured),
        sent_total=sample.asked + sum(trial.sent_total for trial in sample.everywhere),
        errors_total=error_totals(trial.errors_total for trial in sample.everywhere),
        wrong_answers=merged_wrong_answers(
            wrong for trial in sample.measured for wrong in trial.wrong_answers
        ),
        unanswered_connections=max(
            (trial.unanswered_connections for trial in sample.measured), default=0
        ),
    )


def interval_over(values: Iterable[float | None]) -> Interval:
    """An interval over the rounds that have the figure: none of them can be 0."""
    return log_interval([value for value in values if value])


def merged(cell: str, what: str, blobs: Iterable[str | None]) -> Histogram | None:
    """Stored histograms of a cell merged into one; None without samples.

    Raises BenchError for text that is no histogram, naming the cell and what it was.
    """
    try:
        return merge_histograms(blobs)
    except BenchError as error:
        raise BenchError(f"{cell}: {what} is {error}") from None


def error_totals(counts: Iterable[ErrorCounts]) -> ErrorTotals:
    """Errors by kind, summed over trials."""
    total = reduce(add, counts, ErrorCounts())
    return ErrorTotals(total=total.total, **msgspec.structs.asdict(total))
