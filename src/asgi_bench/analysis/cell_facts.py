"""What applies to every cell whatever its load, and figures combined over its rounds."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from typing import Any

import msgspec

from asgi_bench.analysis.percentiles import Histogram, merge_histograms, percentiles_s
from asgi_bench.analysis.report import CellFacts, ErrorTotals, RequestReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    RESPONSE_TIME,
    ErrorCounts,
    Plan,
    Request,
    RequestFigures,
    Trial,
    merged_wrong_answers,
)


def cell_facts(sample: Sample, plan: Plan) -> CellFacts[Any]:
    """The cell, its outcome and verdict, and what was sent to it."""
    planned, verdict = sample.planned, sample.verdict
    cell = planned.cell
    return CellFacts(
        cell=cell.key,
        server=cell.server,
        server_version=planned.server_version,
        variant=plan.variant_of(cell),
        workers=cell.workers,
        scenario=cell.scenario,
        load=cell.load,
        http=cell.http,
        transport=cell.transport,
        client=plan.client,
        outcome=verdict.outcome,
        reason=verdict.reason,
        validity=verdict.validity,
        validity_reasons=verdict.validity_reasons,
        oversubscribed=plan.is_oversubscribed(cell),
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


def merged(cell: str, what: str, blobs: Iterable[str | None]) -> Histogram | None:
    """A cell's stored histograms merged into one; None without samples.

    Raises BenchError for text that is no histogram, naming the cell and the histogram.
    """
    try:
        return merge_histograms(blobs)
    except BenchError as error:
        raise BenchError(f"{cell}: {what} is {error}") from None


def error_totals(counts: Iterable[ErrorCounts]) -> ErrorTotals:
    """Errors by kind, summed over trials."""
    total = reduce(add, counts, ErrorCounts())
    return ErrorTotals(total=total.total, **msgspec.structs.asdict(total))


def by_request(sample: Sample, plan: Plan) -> tuple[RequestReport, ...]:
    """An entry for each request in the order of their file; none if there is only one.

    Raises BenchError for a stored histogram that can't be read.
    """
    scenario = next((s for s in plan.scenarios if s.name == sample.planned.cell.scenario), None)
    requests = scenario.requests if scenario is not None else ()
    weights = sum(request.weight for request in requests)
    return tuple(_entry(sample, request, request.weight / weights) for request in requests)


def _entry(sample: Sample, request: Request, share: float) -> RequestReport:
    used: Sequence[Trial] = sample.estimating
    # As in the cell: latencies of an overloaded trial only tell how long its schedule was.
    timed = [] if sample.overloaded else [t for t in used if not is_trial_overloaded(t)]
    counted = _figures(sample.measured, request.name)
    sizes = [
        each.response_bytes
        for each in _figures(used, request.name)
        if each.response_bytes is not None
    ]
    times = merged(
        sample.planned.cell.key,
        f"{RESPONSE_TIME} of {request.name}",
        [each.times_hdr.get(RESPONSE_TIME) for each in _figures(timed, request.name)],
    )
    return RequestReport(
        name=request.name,
        method=request.method,
        path=request.path,
        share=share,
        requests=sum(each.requests for each in counted),
        sent=sum(each.sent for each in counted),
        errors=error_totals(each.errors for each in counted),
        response_time_s=percentiles_s(times),
        response_bytes=max(sizes, default=None),
    )


def _figures(trials: Iterable[Trial], name: str) -> list[RequestFigures]:
    return [each for trial in trials for each in trial.by_request if each.name == name]
