"""Which of a run's server settings to deploy, what that rests on, and what it does not show."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.metrics import figure_of
from asgi_bench.analysis.percentiles import merge_histograms, quantile_s
from asgi_bench.analysis.ranking import MIN_CLAIM_ROUNDS, compare, stand
from asgi_bench.analysis.report import Comparison
from asgi_bench.analysis.samples import Sample, over_reference, sample_cells
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.analysis.sweeps import (
    LEAST_KEPT_SHARE,
    bracket,
    is_trial_overloaded,
    open_figures,
    rate_ratio,
)
from asgi_bench.errors import BenchError
from asgi_bench.model import RESPONSE_TIME, Load, Objective, Plan, PlannedCell, Run, Trial
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import CPU, THROUGHPUT

# What settings are compared on: requests per second at saturation, the highest rate that kept the
# objective, or the CPU time per request at a rate at which all of them keep it.
Basis: TypeAlias = Literal["throughput", "kept-rate", "cpu"]
Figure: TypeAlias = Callable[[Trial], float | None]
DEFAULT_VARIANT = "default"


class Elsewhere(msgspec.Struct, frozen=True):
    """How a recommended setting ranks in a closed loop with other connection counts.

    `better` compares it (a) with those that are distinguishably better there (b), the best first.
    """

    connections: int
    better: tuple[Comparison, ...]


class Recommendation(msgspec.Struct, frozen=True):
    """A setting, and everything that was compared with it on one basis.

    `estimate` is its figure relative to the reference's if `reference` names one, otherwise the
    figure itself. `beaten` and `tied` compare it (a) with the others (b): those it is
    distinguishably better than, and those it can't be told apart from. `left_out` says by cell
    why it wasn't considered, `apart` which other scenarios and loads (`hello/r500`) the run has
    that it says nothing about, and `elsewhere` how its throughput compares at other connection
    counts. `workers_most` is how many workers were allowed, and `rounds` the fewest that a
    comparison rests on; null if there was nothing to compare.
    """

    run_id: str
    planned: PlannedCell
    basis: Basis
    objective: Objective | None
    workers_most: int
    estimate: Interval
    reference: str | None
    beaten: tuple[Comparison, ...]
    tied: tuple[Comparison, ...]
    left_out: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]
    rounds: int | None
    apart: tuple[str, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()


class _Question(msgspec.Struct, frozen=True):
    """Which samples may be the answer, what they are compared on, and why others may not."""

    basis: Basis
    figure: Figure
    candidates: tuple[Sample, ...]
    left_out: tuple[tuple[str, str], ...]


def recommend(
    run: Run, *, objective: Objective | None = None, workers_most: int | None = None
) -> Recommendation:
    """The setting to deploy, with at most this many workers; by default, the servers' CPUs.

    A CPU quota counts as that many CPUs.

    Without an objective, the setting with the highest throughput in the closed loop that the plan
    names first. With one, the setting that meets it at the highest rate of a sweep or, if only
    fixed rates were offered, at the highest of these for the least CPU time. Among those that
    can't be told apart it has the fewest workers, then the default variant, then the best
    estimate.

    Raises BenchError if the run can't say: an A/B, nothing sound, too few rounds.
    """
    plan = run.header.plan
    if plan.gate is not None:
        raise BenchError(
            f"{run.header.run_id} is an A/B of one setting: there is nothing to choose from"
        )
    if any(planned.target is not None for planned in plan.cells):
        raise BenchError(
            f"{run.header.run_id} loaded a server that was already running: there is no command "
            "line to recommend"
        )
    samples = sample_cells(run)
    quota_cpus = _quota_cpus(run)
    most = workers_most or max(int(min(len(plan.server_cpus), quota_cpus or math.inf)), 1)
    allowed, left_out = _allowed(samples.values(), plan, most)
    question = _question(allowed, objective, run.header.run_id)
    values, reference = _values(question, samples, run)
    if not values:
        raise BenchError(f"{run.header.run_id}: no setting has usable figures")
    metric = CPU if question.basis == "cpu" else THROUGHPUT
    looked = is_looked(plan)
    best = _best(values, samples, metric, looked=looked, run_id=run.header.run_id)
    # Put first, so that every comparison is of it with the others.
    ordered = {best: values[best], **values}
    ours = [each for each in compare(ordered, metric, looked=looked) if each.a == best]
    rounds = [len(each.round_ratios) for each in ours]
    elsewhere = _elsewhere(samples[best], allowed, samples, run) if objective is None else {}
    return Recommendation(
        run_id=run.header.run_id,
        planned=samples[best].planned,
        basis=question.basis,
        objective=objective,
        workers_most=most,
        estimate=log_interval(list(values[best].values()), looked=looked),
        reference=reference,
        beaten=tuple(each for each in ours if each.distinguishable),
        tied=tuple(each for each in ours if not each.distinguishable),
        left_out=(*left_out, *question.left_out),
        doubts=(
            *(reason.text for reason in samples[best].verdict.validity_reasons),
            *_limited(quota_cpus, plan),
            *_unmeasured(allowed, most),
        ),
        rounds=min(rounds, default=None),
        apart=_apart(samples, (best, *elsewhere)),
        elsewhere=tuple(elsewhere.values()),
    )


def _elsewhere(
    best: Sample, allowed: Sequence[Sample], samples: Mapping[str, Sample], run: Run
) -> dict[str, Elsewhere]:
    """How it stands over other connections, by its cell there; only where an order is claimed."""
    cell = best.planned.cell
    found: dict[str, Elsewhere] = {}
    for sample in allowed:
        load, key = sample.planned.cell.load, sample.planned.cell.key
        is_other = load.is_closed and load != cell.load
        if not is_other or sample.planned.cell != msgspec.structs.replace(cell, load=load):
            continue
        rivals = (one for one in allowed if one.planned.cell.load == load)
        like = tuple(one for one in rivals if one.planned.cell.request_key == cell.request_key)
        question = _Question("throughput", partial(figure_of, THROUGHPUT), like, ())
        values, _ = _values(question, samples, run)
        if key not in values:
            continue
        ordered = {key: values[key], **values}
        pairs = compare(ordered, THROUGHPUT, looked=is_looked(run.header.plan))
        ours = [pair for pair in pairs if pair.a == key]
        if any(len(pair.round_ratios) >= MIN_CLAIM_ROUNDS for pair in ours):
            better = [p for p in ours if p.distinguishable and (p.ratio.value or 0.0) < 1]
            better.sort(key=lambda pair: pair.ratio.value or 0.0)
            found[key] = Elsewhere(load.connections, tuple(better))
    return found


def _apart(samples: Mapping[str, Sample], compared: Iterable[str]) -> tuple[str, ...]:
    """The scenarios and loads that were measured and not compared: another may be better there."""
    measured = [_condition(sample) for sample in samples.values() if sample.measured]
    known = {_condition(samples[key]) for key in compared}
    return tuple(dict.fromkeys(each for each in measured if each not in known))


def _condition(sample: Sample) -> str:
    """A cell's scenario and load, as its key ends."""
    cell = sample.planned.cell
    return f"{cell.request_key}/{cell.load.key}"


def _allowed(
    samples: Iterable[Sample], plan: Plan, workers_most: int
) -> tuple[list[Sample], list[tuple[str, str]]]:
    """The samples that may be recommended at all, and why others may not."""
    allowed, left_out = [], []
    for sample in samples:
        cell, verdict = sample.planned.cell, sample.verdict
        reason = None
        if verdict.outcome != "ok":
            reason = f"{verdict.outcome}: {verdict.reason}"
        elif not sample.is_sound:
            reason = "its measurement is invalid"
        elif cell.workers > workers_most:
            reason = f"{cell.workers} workers are more than the {workers_most} allowed"
        elif plan.is_oversubscribed(cell):
            where = _where_crowded(plan)
            reason = (
                f"measured with {cell.workers} workers {where}, which shows what workers cost, "
                "not what they gain"
            )
        if reason is None:
            allowed.append(sample)
        else:
            left_out.append((cell.key, reason))
    return allowed, left_out


def _where_crowded(plan: Plan) -> str:
    """What holds fewer workers than were measured: the servers' CPUs, or a quota."""
    count = len(plan.server_cpus)
    if plan.quota_cpus is not None and not 0 < count <= plan.quota_cpus:
        return f"under a quota of {plan.quota_cpus:g} CPUs"
    return "on 1 CPU" if count == 1 else f"on {count} CPUs"


def _quota_cpus(run: Run) -> float | None:
    """The CPU quota that the run was measured under, the tightest that there was."""
    found = [t.throttling.quota_cpus for t in run.trials if t.throttling is not None]
    planned = run.header.plan.quota_cpus
    return min([*found, *(() if planned is None else (planned,))], default=None)


def _limited(quota_cpus: float | None, plan: Plan) -> Iterator[str]:
    """Say what a recommendation under a quota is good for."""
    if quota_cpus is not None:
        shared = "" if plan.load_hosts else ", shared with the load generator"
        yield (
            f"measured under a CPU quota of {quota_cpus:g} CPUs{shared}: with more CPUs, another "
            "setting may be better; by default, only settings with no more workers than CPUs in "
            "the quota are considered"
        )


def _unmeasured(allowed: Sequence[Sample], workers_most: int) -> Iterator[str]:
    """Say what more workers would do, where nothing tells."""
    measured = max((sample.planned.cell.workers for sample in allowed), default=0)
    if measured < workers_most:
        yield (
            f"at most {measured} worker{'' if measured == 1 else 's'} had a CPU each: for "
            f"{workers_most}, measure with --workers and --server-cpus on a machine with enough "
            "CPUs"
        )


def _question(samples: Sequence[Sample], objective: Objective | None, run_id: str) -> _Question:
    """What to compare, from the loads that the run has."""
    if objective is None:
        loads = [s.planned.cell.load for s in samples if s.planned.cell.load.is_closed]
        if not loads:
            raise BenchError(
                f"{run_id}: no usable closed-loop cell to base a recommendation on; measure "
                "one, or state an objective (--slo p99=10ms)"
            )
        candidates = _under(samples, loads[0])
        return _Question("throughput", candidates[0].compared_by(THROUGHPUT), candidates, ())
    sweeps = [s for s in samples if s.planned.cell.load.is_sweep]
    if sweeps:
        sweeps = list(_under(sweeps, sweeps[0].planned.cell.load))
        kept_rate = partial(_kept_rate_rps, objective)
        kept = [
            s
            for s in sweeps
            if sum(kept_rate(t) is not None for t in s.estimating) * 2 > len(s.estimating)
        ]
        if not kept:
            raise BenchError(f"{run_id}: no setting met the objective at any rate of its sweep")
        unkept = [s for s in sweeps if s not in kept]
        return _Question("kept-rate", kept_rate, tuple(kept), _not_kept(unkept))
    return _at_fixed_rates(samples, objective, run_id)


def _at_fixed_rates(samples: Sequence[Sample], objective: Objective, run_id: str) -> _Question:
    """The settings that keep the objective at the highest rate at which any does."""
    fixed = [s for s in samples if _fixed_rate_rps(s) is not None]
    if not fixed:
        raise BenchError(
            f"{run_id}: nothing in this run shows whether an objective was met; measure with "
            "--sweep, or at a --rate in requests per second"
        )
    holding = [s for s in fixed if _holds(s, objective)]
    if not holding:
        raise BenchError(f"{run_id}: no setting was shown to meet the objective at a measured rate")
    highest = max(holding, key=lambda s: _fixed_rate_rps(s) or 0.0).planned.cell.load
    at_rate = _under(fixed, highest)
    return _Question(
        "cpu",
        partial(figure_of, CPU),
        tuple(s for s in at_rate if s in holding),
        _not_kept([s for s in at_rate if s not in holding]),
    )


def _not_kept(samples: Iterable[Sample]) -> tuple[tuple[str, str], ...]:
    return tuple((s.planned.cell.key, "was not shown to meet the objective") for s in samples)


def _under(samples: Sequence[Sample], load: Load) -> tuple[Sample, ...]:
    """Those under a load, of the first request that has it."""
    found = [s for s in samples if s.planned.cell.load == load]
    return tuple(
        s for s in found if s.planned.cell.request_key == found[0].planned.cell.request_key
    )


def _fixed_rate_rps(sample: Sample) -> float | None:
    return sample.planned.cell.load.rate_rps


def _values(
    question: _Question, samples: Mapping[str, Sample], run: Run
) -> tuple[dict[str, dict[int, float]], str | None]:
    """Each candidate's figure by round, over the reference's where all have it.

    Worker counts are measured in blocks of their own: through the reference, which is in each,
    they can be compared. Without it only the most workers are, which share a block.
    """
    plan = run.header.plan
    ratios = over_reference(question.candidates, samples, plan, lambda _: question.figure)
    if ratios is not None:
        return ratios, plan.reference
    most = max(sample.planned.cell.workers for sample in question.candidates)
    figures = {
        s.planned.cell.key: {t.round: value for t in s.estimating if (value := question.figure(t))}
        for s in question.candidates
        if s.planned.cell.workers == most
    }
    return {key: of_rounds for key, of_rounds in figures.items() if of_rounds}, None


def _best(
    values: Mapping[str, Mapping[int, float]],
    samples: Mapping[str, Sample],
    metric: Metric,
    *,
    looked: bool,
    run_id: str,
) -> str:
    """The key of the cell that nothing is better than, and of several such the simplest."""
    comparisons = compare(values, metric, looked=looked)
    if comparisons and max(len(c.round_ratios) for c in comparisons) < MIN_CLAIM_ROUNDS:
        raise BenchError(
            f"{run_id}: too few rounds to tell servers apart; measure {MIN_CLAIM_ROUNDS} or "
            "more (--rounds, or --budget)"
        )
    standings = stand(list(values), comparisons)
    leading = [key for key, standing in standings.items() if standing.rank.best == 1]
    sign = -1 if metric.more_is_better else 1

    def order(key: str) -> tuple[int, bool, float]:
        cell = samples[key].planned.cell
        estimate = log_interval(list(values[key].values())).value or 0.0
        return (cell.workers, cell.variant != DEFAULT_VARIANT, sign * estimate)

    return min(leading, key=order)


def _kept_rate_rps(objective: Objective, trial: Trial) -> float | None:
    """The highest rate of a sweep's trial that kept an objective, whichever it searched for.

    Raises BenchError for a stored histogram that can't be read, naming cell and round.
    """
    try:
        return bracket(trial.slices, objective).kept_rps
    except BenchError as error:
        raise BenchError(f"{trial.cell}, round {trial.round}: a histogram is {error}") from None


def _holds(sample: Sample, objective: Objective) -> bool:
    """Whether an open loop kept an objective over all its rounds together.

    Not where it was overloaded, where the schedule wasn't kept, or where there are too few
    samples to tell. Raises as `_kept_rate_rps`.
    """
    trials = sample.estimating
    kept = rate_ratio([each for trial in trials for each in open_figures(trial.slices)])
    if sample.overloaded or (kept or 0.0) < LEAST_KEPT_SHARE:
        return False
    try:
        histogram = merge_histograms(
            trial.times_hdr.get(RESPONSE_TIME) for trial in trials if not is_trial_overloaded(trial)
        )
    except BenchError as error:
        raise BenchError(f"{sample.planned.cell.key}: a histogram is {error}") from None
    found_s = None if histogram is None else quantile_s(histogram, objective.quantile)
    return found_s is not None and found_s <= objective.limit_s
