"""What is said of every cell whatever its load, and intervals over its rounds."""

from collections.abc import Iterable
from typing import Any

from asgi_bench.analysis.cell_report import CellFacts
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.pooling import error_totals
from asgi_bench.analysis.samples import Sample
from asgi_bench.model import Plan, merged_wrong_answers


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
