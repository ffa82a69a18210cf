"""What more workers gain and cost: each worker count of a server setting compared with its fewest.

Blocks have one worker count each and run one after another, so two counts are minutes apart. What
the machine did meanwhile cancels out if the base was up in the same block, as the reference is, or
relative to the reference, which is up in all of them: at the price of the reference's own noise.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Literal, TypeAlias

from asgi_bench.analysis.across_cells import Scaling, ScalingPoint
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.metrics import figure_of
from asgi_bench.analysis.samples import Sample, figures_in_block, reference_key
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.model import ClosedLoop, Plan, Trial
from asgi_bench.model.metrics import CPU, THROUGHPUT

Basis: TypeAlias = Literal["block", "reference", "round"]
Figure: TypeAlias = Callable[[Trial], float | None]


def scaling_of(samples: Mapping[str, Sample], plan: Plan) -> tuple[Scaling, ...]:
    """An entry for each server setting that was measured at saturation with several counts.

    The sides of an A/B are settings of their own: what serves them differs.
    """
    settings: dict[tuple[str, str, ClosedLoop], list[Sample]] = {}
    for sample in samples.values():
        cell = sample.planned.cell
        if isinstance(cell.load, ClosedLoop) and sample.estimating:
            key = (cell.setting.rpartition("/")[0], cell.request_key, cell.load)
            settings.setdefault(key, []).append(sample)
    return tuple(
        _scaling(load, sorted(members, key=_workers), samples, plan)
        for (_, _, load), members in settings.items()
        if len(members) > 1
    )


def _workers(sample: Sample) -> int:
    return sample.planned.cell.workers


def _scaling(
    load: ClosedLoop, members: Sequence[Sample], samples: Mapping[str, Sample], plan: Plan
) -> Scaling:
    """One setting's entry; the first member has the fewest workers."""
    base = members[0]
    cell = base.planned.cell
    return Scaling(
        server=cell.server,
        variant=plan.variant_of(cell),
        scenario=cell.scenario,
        load=load,
        http=cell.http,
        transport=cell.transport,
        base=cell.key,
        points=tuple(_point(member, base, samples, plan) for member in members),
    )


def _point(sample: Sample, base: Sample, samples: Mapping[str, Sample], plan: Plan) -> ScalingPoint:
    """One worker count against the base."""
    cell, trials = sample.planned.cell, sample.estimating
    basis, speedups = None, Interval()
    cpu_ratio, added_bytes = Interval(), None
    pss_bytes = _median(trial.server_pss_bytes for trial in trials)
    if sample is not base:
        basis, values = _ratios(sample, base, samples, plan, partial(figure_of, THROUGHPUT))
        speedups = log_interval(values, looked=is_looked(plan))
        _, values = _ratios(sample, base, samples, plan, partial(figure_of, CPU))
        cpu_ratio = log_interval(values, looked=is_looked(plan))
        base_bytes = _median(trial.server_pss_bytes for trial in base.estimating)
        if pss_bytes is not None and base_bytes is not None:
            added_bytes = round((pss_bytes - base_bytes) / (cell.workers - _workers(base)))
    return ScalingPoint(
        cell=cell.key,
        workers=cell.workers,
        oversubscribed=plan.is_oversubscribed(cell),
        validity=sample.verdict.validity,
        basis=basis,
        speedup=speedups,
        efficiency=_scaled(speedups, _workers(base) / cell.workers),
        server_cpu_ratio=cpu_ratio,
        pss_bytes_per_worker=None if pss_bytes is None else round(pss_bytes / cell.workers),
        pss_bytes_per_added_worker=added_bytes,
        connections_imbalance=_imbalance(trials, lambda t: t.connections_by_process, cell.workers),
        cpu_imbalance=_imbalance(trials, lambda t: t.cpu_s_by_process, cell.workers),
    )


def _ratios(
    sample: Sample, base: Sample, samples: Mapping[str, Sample], plan: Plan, figure: Figure
) -> tuple[Basis | None, list[float]]:
    """A figure over the base's, round by round, and what makes the two comparable."""

    def figures(of: Sample, block: int) -> dict[int, float]:
        return figures_in_block(of, block, plan, figure)

    here, there = sample.planned.blocks[0], base.planned.blocks[0]
    ours, beside, theirs = figures(sample, here), figures(base, here), figures(base, there)
    if beside:
        return "block", [ours[n] / beside[n] for n in sorted(ours.keys() & beside.keys())]
    key = reference_key(base.planned.cell, plan.reference)
    if key is not None and key in samples:
        near, far = figures(samples[key], here), figures(samples[key], there)
        rounds = ours.keys() & theirs.keys() & near.keys() & far.keys()
        if rounds:
            return "reference", [(ours[n] / near[n]) / (theirs[n] / far[n]) for n in sorted(rounds)]
    common = sorted(ours.keys() & theirs.keys())
    return "round" if common else None, [ours[n] / theirs[n] for n in common]


def _scaled(estimate: Interval, factor: float) -> Interval:
    """The estimate and its bounds times a factor."""
    bounds = (estimate.value, estimate.lower, estimate.upper)
    return Interval(*(None if bound is None else bound * factor for bound in bounds))


def _imbalance(
    trials: Iterable[Trial], by_process: Callable[[Trial], Mapping[str, float]], workers: int
) -> float | None:
    """The busiest worker's share over an equal one: 1 is even, the worker count is all on one."""
    shares = [list(by_process(trial).values()) for trial in trials]
    known = [max(each) * workers / sum(each) for each in shares if sum(each) > 0]
    return median(known) if known and workers > 1 else None


def _median(sizes: Iterable[int | None]) -> float | None:
    known = [size for size in sizes if size is not None]
    return median(known) if known else None
