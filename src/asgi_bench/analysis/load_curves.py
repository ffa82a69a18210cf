"""Load curves: what a sweep found at each rate, and the highest rate that met the objective."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, median

import msgspec

from asgi_bench.analysis.cell_facts import by_request, cell_facts, merged
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import interval_over, log_interval
from asgi_bench.analysis.percentiles import percentiles_s
from asgi_bench.analysis.report import SweepPoint, SweepReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.sweeps import Bracket, bracket, open_figures, rate_ratio, taken_slices
from asgi_bench.analysis.validity.cell import unshown_points
from asgi_bench.errors import BenchError
from asgi_bench.model import (
    RESPONSE_TIME,
    Load,
    Objective,
    Plan,
    Reason,
    Slice,
    Trial,
)


def sweep_report(sample: Sample, plan: Plan) -> SweepReport:
    """The entry of a cell whose load is a sweep.

    Raises BenchError for a stored histogram that can't be read, TypeError for another load.
    """
    load = sample.planned.cell.load
    if not load.is_sweep:
        raise TypeError(f"{sample.planned.cell.key} is not a sweep")
    used = sample.estimating
    brackets = _brackets(sample, load.objective)
    steps = _steps(used, load)
    points = tuple(
        _point(sample.planned.cell.key, share, members) for share, members in steps.items()
    )
    facts = cell_facts(sample, plan)
    own = (*_unkept(brackets), *_unsaturated(points), *unshown_points(points))
    facts = msgspec.structs.replace(facts, validity_reasons=(*facts.validity_reasons, *own))
    return SweepReport(
        **msgspec.structs.asdict(facts),
        points=points,
        objective=load.objective,
        highest_rate_rps=_highest_rate_rps(brackets),
        highest_rate_is_least=any(
            each.broken_rps is None and each.kept_rps is not None for each in brackets
        ),
        saturation_rps=_saturation_rps(points, steps),
        by_request=by_request(sample, plan),
    )


def _brackets(sample: Sample, objective: Objective | None) -> list[Bracket]:
    """Where the objective broke in each round; nothing without one."""
    if objective is None:
        return []
    try:
        return [bracket(trial.slices, objective) for trial in sample.estimating]
    except BenchError as error:
        raise BenchError(f"{sample.planned.cell.key}: a histogram is {error}") from None


def _steps(trials: Iterable[Trial], load: Load) -> dict[float, list[Slice]]:
    """The steps of all rounds by their share, rising; none without a measured round.

    A trial's first slices are the shares in random order; what the search tried comes after them.
    With fewer slices than shares nothing tells which is missing.
    """
    shares = sorted(load.shares)
    steps: dict[float, list[Slice]] = {}
    for trial in trials:
        planned = sorted(trial.slices[: len(shares)], key=lambda step: step.offered_rps or 0.0)
        if len(planned) == len(shares):
            for share, step in zip(shares, planned, strict=True):
                steps.setdefault(share, []).append(step)
    return steps


def _point(cell: str, share: float, steps: Sequence[Slice]) -> SweepPoint:
    """One offered rate over all rounds."""
    figures = open_figures(steps)
    taken = taken_slices(steps)
    overloaded = 2 * len(taken) <= len(steps)
    response = None
    if not overloaded:
        blobs = (step.times_hdr.get(RESPONSE_TIME) for step in taken)
        response = merged(cell, f"a slice's {RESPONSE_TIME}", blobs)
    rates_rps = [step.offered_rps for step in steps if step.offered_rps is not None]
    return SweepPoint(
        share=share,
        offered_rps=median(rates_rps) if rates_rps else None,
        throughput_rps=interval_over(map(_throughput_rps, steps)),
        response_time_s=percentiles_s(response),
        rate_ratio=rate_ratio(figures),
        overloaded=overloaded,
        samples=0 if response is None else response.total,
    )


def _highest_rate_rps(brackets: Sequence[Bracket]) -> Interval:
    """The highest rate that kept the objective, over the rounds in which one did.

    Null where that was in half of the rounds or fewer: the mean of the lucky ones would flatter.
    """
    kept_rps = [each.kept_rps for each in brackets if each.kept_rps is not None]
    return log_interval(kept_rps) if 2 * len(kept_rps) > len(brackets) else Interval()


def _unkept(brackets: Sequence[Bracket]) -> Iterator[Reason]:
    """Say in how many rounds no rate kept the objective."""
    unkept = sum(each.kept_rps is None for each in brackets)
    if not unkept:
        return
    text = f"no rate met the objective in {unkept} of {len(brackets)} rounds"
    if 2 * unkept < len(brackets):
        text += ", which are excluded from the highest rate"
    yield Reason("objective-not-kept", "valid", float(unkept), float(len(brackets)), text)


def _unsaturated(points: Sequence[SweepPoint]) -> Iterator[Reason]:
    """Say that a curve ends before its knee: its shares are of what a warm-up of a second gave."""
    if not points or any(point.overloaded for point in points):
        return
    highest = max(point.share for point in points)
    text = (
        f"no rate overloaded it, although the highest was {highest:.0%} of its throughput in "
        "the warm-up: the curve ends before its knee; measure again, or with more --duration"
    )
    yield Reason("not-saturated", "valid", 0.0, 1.0, text)


def _saturation_rps(
    points: Sequence[SweepPoint], steps: Mapping[float, Sequence[Slice]]
) -> Interval:
    """What was answered at the rates from which on all overload the server, over rounds."""
    taken = [point.share for point in points if not point.overloaded]
    beyond = [steps[point.share] for point in points if point.share > max(taken, default=0.0)]
    rounds = zip(*beyond, strict=True)
    return interval_over(
        fmean([_throughput_rps(step) or 0.0 for step in of_round]) for of_round in rounds
    )


def _throughput_rps(step: Slice) -> float | None:
    """Correct answers per second of one step."""
    return step.requests / step.duration_s if step.duration_s > 0 else None
