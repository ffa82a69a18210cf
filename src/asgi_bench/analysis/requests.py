"""A cell's figures parted by its requests, where its scenario has several."""

from collections.abc import Iterable, Sequence

from asgi_bench.analysis.cell_facts import error_totals, merged
from asgi_bench.analysis.percentiles import percentiles_s
from asgi_bench.analysis.report import RequestReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.model import RESPONSE_TIME, Plan, Request, RequestFigures, Trial


def by_request(sample: Sample, plan: Plan) -> tuple[RequestReport, ...]:
    """An entry for each request in the order of their file; none where there is but one.

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
