"""Turns a stored run into the report document: estimates and verdicts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

import msgspec

from asgi_bench.analysis.cell_facts import by_request, cell_facts, merged
from asgi_bench.analysis.estimates import Costs, Interval, Ratio
from asgi_bench.analysis.intervals import interval_over, paired_ratio
from asgi_bench.analysis.levels import levels_of, turn_findings
from asgi_bench.analysis.load_curves import sweep_report
from asgi_bench.analysis.metrics import FURTHER, estimate
from asgi_bench.analysis.network import network_of
from asgi_bench.analysis.percentiles import Histogram, percentiles_s
from asgi_bench.analysis.ranking import Ranking, rank_cells
from asgi_bench.analysis.report import CellReport, Report, RunFacts, RunGoal, SettingReport
from asgi_bench.analysis.samples import (
    Sample,
    figures_in_block,
    reference_pairs,
    sample_cells,
)
from asgi_bench.analysis.scaling import scaling_of
from asgi_bench.analysis.stopping import is_looked, reached
from asgi_bench.analysis.sweeps import is_trial_overloaded, open_figures, rate_ratio
from asgi_bench.analysis.utilization import load_busy_s, load_cpu_share
from asgi_bench.analysis.validity.cell import growth_findings, stall_findings, unshown_percentiles
from asgi_bench.analysis.validity.leftovers import leftover_findings, most_left
from asgi_bench.analysis.ways import interpreters_of, setup_ratios_of, ways_of
from asgi_bench.model import (
    GENERATOR_LAG,
    NEARBY_TIME,
    RESPONSE_TIME,
    TIME_NAMES,
    Plan,
    Proof,
    Reason,
    Run,
    RunHeader,
    Trial,
)
from asgi_bench.model.figures import (
    is_cpu_known,
    per_request,
    received_bytes_per_s,
    sent_in_slices,
    server_cpu_s_per_request,
)
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import (
    CONNECTION_MEMORY,
    CPU,
    GROWTH,
    MEMORY,
    MESSAGES,
    STREAM_CPU,
    THROUGHPUT,
)


class Survey(NamedTuple):
    """A run as read, its report, and what that rests on by the key of the cell.

    That is the merged response times of cells that have any, and the judged trials.
    """

    run: Run
    report: Report
    response_times: Mapping[str, Histogram]
    samples: Mapping[str, Sample]


def summarize(run: Run) -> Report:
    """The report document of a run: an entry for every planned cell, in the plan's order.

    Raises BenchError for a stored histogram that can't be read.
    """
    return survey(run).report


def survey(run: Run) -> Survey:
    """The report with what it rests on, for drawing or exporting; raises as `summarize`."""
    samples = sample_cells(run)
    plan = run.header.plan
    sweeps = [s for s in samples.values() if s.planned.cell.load.is_sweep]
    others = [s for s in samples.values() if not s.planned.cell.load.is_sweep]
    times = {s.planned.cell.key: _histogram(s, RESPONSE_TIME) for s in others}
    ranking = rank_cells(samples, plan)
    levels = levels_of(samples, plan, ranking.comparisons)
    turns = turn_findings(levels, samples, plan)
    cells = (_cell(s, samples, plan, times[s.planned.cell.key]) for s in others)
    report = Report(
        run=_run_facts(run.header, samples),
        cells=tuple(_with(turns.get(cell.cell), _ranked(cell, ranking)) for cell in cells),
        comparisons=ranking.comparisons,
        sweeps=tuple(sweep_report(sample, plan) for sample in sweeps),
        behaviour=run.behaviours,
        latency_comparisons=ranking.latency_comparisons,
        scaling=scaling_of(samples, plan),
        ways=ways_of(samples, plan),
        interpreters=interpreters_of(plan, run.proofs),
        setup_ratios=setup_ratios_of(samples, plan),
        levels=levels,
        settings=settings_of(plan, run.proofs),
    )
    known = {key: found for key, found in times.items() if found is not None}
    return Survey(run, report, known, samples)


def _histogram(sample: Sample, time: str) -> Histogram | None:
    """The histogram of one of a cell's times, merged over the trials its estimates rest on.

    Latencies of an overloaded trial only tell how long its schedule was, so they are left out; and
    a cell that was overloaded has none. Raises BenchError for text that is no histogram, naming
    cell and time.
    """
    trials: Sequence[Trial] = sample.estimating
    if time != GENERATOR_LAG:
        trials = [] if sample.overloaded else [t for t in trials if not is_trial_overloaded(t)]
    blobs = (trial.times_hdr.get(time) for trial in trials)
    return merged(sample.planned.cell.key, time, blobs)


def _run_facts(header: RunHeader, samples: Mapping[str, Sample]) -> RunFacts:
    """The run's own part of the document."""
    goal, spent_s = header.plan.goal, header.preparation.spent_s
    return RunFacts(
        id=header.run_id,
        label=header.label,
        started_at=header.started_at,
        tool_version=header.tool_version,
        machine=header.machine,
        seed=header.plan.seed,
        reference=header.plan.reference,
        goal=None if goal is None else RunGoal(**msgspec.structs.asdict(goal), spent_s=spent_s),
        reached=reached(header.plan, samples, _preparing_s(header) if goal is not None else 0.0),
        resumed=header.resumed,
    )


def _preparing_s(header: RunHeader) -> float:
    """The time before the first round of each part."""
    return header.preparation.spent_s + sum(part.spent_s for part in header.resumed)


def _cell(
    sample: Sample, samples: Mapping[str, Sample], plan: Plan, response_times: Histogram | None
) -> CellReport:
    """One cell's entry."""
    used = sample.estimating
    figures = [each for trial in used for each in open_figures(trial.slices)]
    facts = cell_facts(sample, plan)
    few = unshown_percentiles(response_times, facts.load)
    times = {time: _histogram(sample, time) for time in TIME_NAMES if time != RESPONSE_TIME}
    times_s = {f"{time}_s": percentiles_s(found) for time, found in times.items()}
    growth, costs = estimate(GROWTH, used, looked=is_looked(plan)), costs_of(used)
    grows = growth_findings(growth, costs.server_pss_kept_bytes, used)
    stalls = stall_findings(sample.stall(THROUGHPUT))
    left = most_left(used)
    left_over = leftover_findings(left)
    reasons = (*facts.validity_reasons, *few, *grows, *stalls, *left_over)
    facts = msgspec.structs.replace(facts, validity_reasons=reasons)
    return CellReport(
        **msgspec.structs.asdict(facts) | times_s,
        response_time_s=percentiles_s(response_times),
        throughput_rps=estimate(THROUGHPUT, used),
        throughput_ratio=_ratio(sample, samples, plan, THROUGHPUT),
        server_cpu_s_per_request=estimate(CPU, used),
        server_pss_bytes=_whole(estimate(MEMORY, used)),
        load_cpu_s_per_request=interval_over(map(_load_cpu_s_per_request, used)).value,
        load_cpu_share=_load_share(used, plan),
        offered_rps=_offered_rps(sample),
        rate_ratio=rate_ratio(figures),
        overloaded=sample.overloaded,
        in_flight_max=max((each.in_flight_max for each in figures), default=None),
        server_cpu_ratio=_ratio(sample, samples, plan, CPU),
        by_request=by_request(sample, plan),
        costs=costs,
        sent_bytes_per_s=interval_over(map(_sent_bytes_per_s, used)),
        received_bytes_per_s=interval_over(map(received_bytes_per_s, used)),
        messages_per_s=estimate(MESSAGES, used),
        pss_bytes_per_connection=estimate(CONNECTION_MEMORY, used).value,
        server_cpu_share_per_stream=estimate(STREAM_CPU, used),
        leftovers=left,
        growth_bytes_per_1000_requests=growth,
        network=network_of(used, percentiles_s(_histogram(sample, NEARBY_TIME))),
        compared_rounds=len(
            figures_in_block(sample, sample.planned.blocks[0], plan, sample.compared_by(THROUGHPUT))
        ),
        metrics=_further(used, looked=is_looked(plan)),
    )


def _further(trials: Sequence[Trial], *, looked: bool) -> dict[str, Interval] | msgspec.UnsetType:
    """The metrics that a cell has no key of its own for."""
    found = {metric.name: estimate(metric, trials, looked=looked) for metric in FURTHER}
    return found or msgspec.UNSET


def _ranked(cell: CellReport, ranking: Ranking) -> CellReport:
    """The cell with its rank, where it has one."""
    standing = ranking.standings.get(cell.cell)
    if standing is None:
        return cell
    return msgspec.structs.replace(cell, rank=standing.rank, tied_with=standing.tied_with)


def _with(reason: Reason | None, cell: CellReport) -> CellReport:
    """The cell with one more finding, where there is one."""
    if reason is None:
        return cell
    return msgspec.structs.replace(cell, validity_reasons=(*cell.validity_reasons, reason))


def _offered_rps(sample: Sample) -> float | None:
    """The rate of an open loop; a share of the cell's own throughput is what it came to."""
    load = sample.planned.cell.load
    if not load.has_one_rate:
        return None
    if load.rate_rps is not None:
        return load.rate_rps
    rates_rps = [t.offered_rps for t in sample.estimating if t.offered_rps is not None]
    return median(rates_rps) if rates_rps else None


def _ratio(
    sample: Sample,
    samples: Mapping[str, Sample],
    plan: Plan,
    metric: Metric,
) -> Ratio | None:
    """The cell's figure over the reference's, where both were measured in one round."""
    paired = reference_pairs(sample, samples, plan, sample.compared_by(metric))
    if paired is None:
        return None
    reference, pairs = paired
    found = paired_ratio(pairs.values(), looked=is_looked(plan))
    if found.value is None:
        return None
    return Ratio(reference, found.value, found.lower, found.upper)


def _load_cpu_s_per_request(trial: Trial) -> float | None:
    """CPU time of the load generator per request, without what it spent waiting precisely."""
    return per_request(trial, load_busy_s(trial))


def _sent_bytes_per_s(trial: Trial) -> float | None:
    """Bytes of requests per second of load, where requests have a body."""
    known = [piece.sent_bytes for piece in trial.slices if piece.sent_bytes is not None]
    return sum(known) / trial.duration_s if known and trial.duration_s > 0 else None


def _whole(size_bytes: Interval) -> int | None:
    return None if size_bytes.value is None else round(size_bytes.value)


def _load_share(trials: Sequence[Trial], plan: Plan) -> float | None:
    """The mean over rounds of the share of its CPU the generator used."""
    shares = [share for trial in trials if (share := load_cpu_share(trial, plan)) is not None]
    return fmean(shares) if shares else None


def settings_of(plan: Plan, proofs: tuple[Proof, ...]) -> tuple[SettingReport, ...]:
    """Each server setting of the plan once, in its order."""
    by_setting = {proof.setting: proof for proof in proofs}
    found: dict[str, SettingReport] = {}
    for planned in plan.cells:
        cell = planned.cell
        if cell.start not in found:
            found[cell.start] = SettingReport(
                setting=cell.start,
                server=cell.server,
                variant=plan.variant_of(cell),
                workers=cell.workers,
                server_version=planned.server_version,
                command=planned.command,
                env=planned.env,
                reason=planned.skip_reason,
                proof=by_setting.get(cell.start),
                environment=planned.environment,
            )
    return tuple(found.values())


def costs_of(trials: Sequence[Trial]) -> Costs:
    """The costs of one cell, from the trials that its estimates rest on."""
    return Costs(
        server_user_s_per_request=interval_over(_parted(trial, system=False) for trial in trials),
        server_system_s_per_request=interval_over(_parted(trial, system=True) for trial in trials),
        throughput_rps_per_core=interval_over(map(_per_core, trials)),
        server_pss_idle_bytes=_median_bytes(trial.server_pss_idle_bytes for trial in trials),
        server_pss_peak_bytes=_median_bytes(trial.server_pss_peak_bytes for trial in trials),
        server_pss_kept_bytes=_median_bytes(map(kept_bytes, trials)),
        startup_s=interval_over(trial.startup_s for trial in trials),
        stop_s=interval_over(trial.stop_s for trial in trials),
        voluntary_switches_per_request=_pooled(trials, lambda trial: trial.voluntary_switches),
        involuntary_switches_per_request=_pooled(trials, lambda trial: trial.involuntary_switches),
        response_bytes=next((t.response_bytes for t in trials if t.response_bytes), None),
        machine_energy_j_per_request=interval_over(map(_energy_j, trials)),
    )


def _parted(trial: Trial, *, system: bool) -> float | None:
    """User or system time per request.

    The kernel parts a process's time by sampling, in steps of 10 ms; the whole is exact, so only
    the parts' ratio is taken from there.
    """
    user_s, system_s = trial.server_user_s, trial.server_system_s
    cpu_s = server_cpu_s_per_request(trial)
    if user_s is None or system_s is None or cpu_s is None or user_s + system_s <= 0:
        return None
    share = (system_s if system else user_s) / (user_s + system_s)
    return max(share, 0.0) * cpu_s


def _per_core(trial: Trial) -> float | None:
    """Correct answers per second of the server's CPU time."""
    is_known = trial.server_cpu_s > 0 and is_cpu_known(trial)
    return trial.requests / trial.server_cpu_s if is_known else None


def _energy_j(trial: Trial) -> float | None:
    """Joules of all CPUs per request."""
    return per_request(trial, trial.machine_energy_j)


def _pooled(trials: Sequence[Trial], count: Callable[[Trial], int | None]) -> float | None:
    """A count per request over all trials that have it: a mean of rounds would not do for zeros."""
    counted = [(number, sent_in_slices(t)) for t in trials if (number := count(t)) is not None]
    sent = sum(sent for _, sent in counted)
    return sum(number for number, _ in counted) / sent if sent else None


def _median_bytes(sizes: Iterable[int | None]) -> int | None:
    """The median of the sizes there are."""
    known = [size for size in sizes if size is not None]
    return round(median(known)) if known else None


def kept_bytes(trial: Trial) -> int | None:
    """What stays after the load: memory with all connections closed, minus that before it."""
    if trial.server_pss_after_bytes is None or trial.server_pss_idle_bytes is None:
        return None
    return trial.server_pss_after_bytes - trial.server_pss_idle_bytes
