"""A stored run into the report document: estimates, verdicts, nothing invented."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import add
from statistics import fmean, median

import msgspec

from asgi_bench.analysis.document import (
    CellReport,
    ErrorTotals,
    Interval,
    Percentiles,
    Ratio,
    Report,
    RunFacts,
)
from asgi_bench.analysis.intervals import log_interval, paired_ratio
from asgi_bench.analysis.percentiles import Histogram, merge_histograms, percentiles_s
from asgi_bench.analysis.samples import Sample, sample_cells, throughput_pairs
from asgi_bench.analysis.validity import load_cpu_share, sent_in_slices
from asgi_bench.errors import BenchError
from asgi_bench.model import ErrorCounts, Plan, Run, RunHeader, Trial

HISTOGRAMS = ("response_time_hdr", "service_time_hdr", "generator_lag_hdr")


def summarize(run: Run) -> Report:
    """The report document of a run: one entry for every planned cell, in the plan's order.

    Raises BenchError for a stored histogram that can't be read.
    """
    samples = sample_cells(run)
    plan = run.header.plan
    cells = tuple(_cell(sample, samples, plan) for sample in samples.values())
    return Report(run=_run_facts(run.header), cells=cells)


def merged_histogram(sample: Sample, field: str) -> Histogram | None:
    """One of a cell's `HISTOGRAMS`, merged over the trials its estimates rest on.

    Raises BenchError for text that is no histogram, naming cell and field.
    """
    try:
        return merge_histograms(getattr(trial, field) for trial in sample.estimating)
    except BenchError as error:
        raise BenchError(f"{sample.planned.cell.key}: {field} is {error}") from None


def _run_facts(header: RunHeader) -> RunFacts:
    """The run's own part of the document."""
    return RunFacts(
        id=header.run_id,
        label=header.label,
        started_at=header.started_at,
        tool_version=header.tool_version,
        machine=header.machine,
        seed=header.plan.seed,
        reference=header.plan.reference,
    )


def _cell(sample: Sample, samples: Mapping[str, Sample], plan: Plan) -> CellReport:
    """One cell's entry."""
    planned, verdict, used = sample.planned, sample.verdict, sample.estimating
    cell = planned.cell
    response, service, lag = (_percentiles(sample, field) for field in HISTOGRAMS)
    return CellReport(
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
        errors=_error_totals(trial.errors for trial in sample.measured),
        sent_total=sum(trial.sent_total for trial in sample.everywhere),
        errors_total=_error_totals(trial.errors_total for trial in sample.everywhere),
        throughput_rps=_interval(trial.throughput_rps for trial in used),
        throughput_ratio=_ratio(sample, samples, plan),
        server_cpu_s_per_request=_interval(map(_server_cpu_s_per_request, used)),
        server_pss_bytes=_pss_bytes(used),
        load_cpu_s_per_request=_interval(map(_load_cpu_s_per_request, used)).value,
        load_cpu_share=_load_share(used, plan),
        response_time_s=response,
        service_time_s=service,
        generator_lag_s=lag,
    )


def _percentiles(sample: Sample, field: str) -> Percentiles:
    """The percentiles of one of a cell's histograms."""
    return percentiles_s(merged_histogram(sample, field))


def _interval(values: Iterable[float | None]) -> Interval:
    """An interval over the rounds that have the figure: none of them can be 0."""
    return log_interval([value for value in values if value])


def _ratio(sample: Sample, samples: Mapping[str, Sample], plan: Plan) -> Ratio | None:
    """The cell's throughput over the reference's, where both were measured in one round."""
    paired = throughput_pairs(sample, samples, plan)
    if paired is None:
        return None
    reference, pairs = paired
    estimate = paired_ratio(pairs)
    if estimate.value is None:
        return None
    return Ratio(reference, estimate.value, estimate.lower, estimate.upper)


def _error_totals(counts: Iterable[ErrorCounts]) -> ErrorTotals:
    """Errors by kind, summed over trials."""
    total = reduce(add, counts, ErrorCounts())
    return ErrorTotals(total=total.total, **msgspec.structs.asdict(total))


def _server_cpu_s_per_request(trial: Trial) -> float | None:
    """CPU time of the server's process tree over all requests between the clock reads."""
    sent = sent_in_slices(trial)
    return trial.server_cpu_s / sent if sent else None


def _load_cpu_s_per_request(trial: Trial) -> float | None:
    """The same of the load generator."""
    sent = sent_in_slices(trial)
    return trial.load_cpu_s / sent if sent else None


def _pss_bytes(trials: Sequence[Trial]) -> int | None:
    """The median over rounds of the tree's proportional set size."""
    sizes = [trial.server_pss_bytes for trial in trials if trial.server_pss_bytes is not None]
    return round(median(sizes)) if sizes else None


def _load_share(trials: Sequence[Trial], plan: Plan) -> float | None:
    """The mean over rounds of the share of its CPU the generator used."""
    shares = [share for trial in trials if (share := load_cpu_share(trial, plan)) is not None]
    return fmean(shares) if shares else None
