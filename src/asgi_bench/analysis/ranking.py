"""Which cells can be told apart, and the ranks each may have in its group.

Sound cells of one scenario, load and worker count are compared. If they share a block, each round
measured them in the same minutes; if they are in several, each is taken relative to the reference
beside it, so that what the machine did between blocks cancels out and the reference's noise comes
in. The unit is the round; a claim needs six of them, and is corrected for the number of pairs that
were compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asgi_bench.analysis.pairs import Pair, holm, pairs
from asgi_bench.analysis.report import Comparison, Rank
from asgi_bench.analysis.samples import Sample, over_reference
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.model import Load, Plan
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import metric_of, ranking_metric, used_under

MIN_CLAIM_ROUNDS = 6
SIGNIFICANCE = 0.05


class Standing(NamedTuple):
    """A cell's rank, and the cells that it can't be told apart from."""

    rank: Rank
    tied_with: tuple[str, ...]


class Ranking(NamedTuple):
    """The comparisons of a run, grouped as in its report, and the rank of each ranked cell."""

    comparisons: tuple[Comparison, ...]
    latency_comparisons: tuple[Comparison, ...]
    standings: Mapping[str, Standing]


def rank_cells(samples: Mapping[str, Sample], plan: Plan) -> Ranking:
    """Compare and rank all cells of a run except sweeps, by the cell's key.

    Failed, invalid and overloaded cells are excluded.

    Raises BenchError for a stored histogram that can't be read.
    """
    groups: dict[tuple[str, Load, int], list[Sample]] = {}
    for sample in samples.values():
        cell = sample.planned.cell
        if sample.is_sound and not sample.overloaded and not cell.load.is_sweep:
            groups.setdefault((cell.request_key, cell.load, cell.workers), []).append(sample)
    comparisons: list[Comparison] = []
    standings: dict[str, Standing] = {}
    for (_, load, _), members in groups.items():
        for metric in used_under(load, lambda one: one.compared):
            values = _by_round(members, metric, samples, plan)
            found = compare(values, metric, looked=is_looked(plan))
            comparisons += found
            if metric == ranking_metric(load):
                standings |= stand(list(values), found)
    return Ranking(
        comparisons=tuple(c for c in comparisons if metric_of(c.metric).times is None),
        latency_comparisons=tuple(c for c in comparisons if metric_of(c.metric).times is not None),
        standings=standings,
    )


def compare(
    values: Mapping[str, Mapping[int, float]], metric: Metric, *, looked: bool = False
) -> list[Comparison]:
    """Compare every two cells on a metric; `values` are positive, by cell and round."""
    keys = list(values)
    rounds = sorted({number for of_rounds in values.values() for number in of_rounds})
    logs = np.full((len(rounds), len(keys)), np.nan)
    for column, of_rounds in enumerate(values.values()):
        for row, number in enumerate(rounds):
            if number in of_rounds:
                logs[row, column] = np.log(of_rounds[number])
    found = pairs(logs, looked=looked)
    adjusted = holm([pair.p for pair in found])
    return [_comparison(keys, metric, pair, p) for pair, p in zip(found, adjusted, strict=True)]


def stand(cells: Sequence[str], comparisons: Iterable[Comparison]) -> dict[str, Standing]:
    """The rank of each cell, from the comparisons on the metric that ranks."""
    better: dict[str, int] = dict.fromkeys(cells, 0)
    worse: dict[str, int] = dict.fromkeys(cells, 0)
    told_apart: dict[str, set[str]] = {key: {key} for key in cells}
    for comparison in comparisons:
        if not comparison.distinguishable:
            continue
        a_leads = (comparison.ratio.value or 0.0) > 1
        if not metric_of(comparison.metric).more_is_better:
            a_leads = not a_leads
        ahead, behind = (comparison.a, comparison.b) if a_leads else (comparison.b, comparison.a)
        worse[ahead] += 1
        better[behind] += 1
        told_apart[ahead].add(behind)
        told_apart[behind].add(ahead)
    return {
        key: Standing(
            Rank(1 + better[key], len(cells) - worse[key]),
            tuple(other for other in cells if other not in told_apart[key]),
        )
        for key in cells
    }


def _by_round(
    members: Sequence[Sample], metric: Metric, samples: Mapping[str, Sample], plan: Plan
) -> dict[str, dict[int, float]]:
    """The cells' figures by round, those of several blocks over the reference's beside them.

    Where a block has no reference to be believed, figures stand as they are for all.
    """
    values = {one.planned.cell.key: _values(one, metric) for one in members}
    values = {key: of_rounds for key, of_rounds in values.items() if of_rounds}
    if len({one.planned.blocks[0] for one in members}) == 1:
        return values
    known = [one for one in members if one.planned.cell.key in values]
    return over_reference(known, samples, plan, lambda one: one.compared_by(metric)) or values


def _values(sample: Sample, metric: Metric) -> dict[int, float]:
    """A cell's figure in each round that has one."""
    figure = sample.compared_by(metric)
    found = {trial.round: figure(trial) for trial in sample.estimating}
    return {number: value for number, value in found.items() if value}


def _comparison(keys: Sequence[str], metric: Metric, pair: Pair, p_adjusted: float) -> Comparison:
    """What a pair says, in the document's words."""
    rounds = len(pair.round_ratios)
    reason = None
    if rounds < MIN_CLAIM_ROUNDS:
        common = "1 common round is" if rounds == 1 else f"{rounds} common rounds are"
        reason = f"{common} too few: an order needs {MIN_CLAIM_ROUNDS}"
    elif p_adjusted >= SIGNIFICANCE:
        reason = f"p = {p_adjusted:.2g} is not below {SIGNIFICANCE:g}: this could be chance"
    return Comparison(
        a=keys[pair.a],
        b=keys[pair.b],
        metric=metric.name,
        ratio=pair.ratio,
        p_adjusted=p_adjusted,
        distinguishable=reason is None,
        reason=reason,
        round_ratios=pair.round_ratios,
        trimmed=pair.trimmed,
        holds_trimmed=_holds_trimmed(pair) if reason is None else None,
    )


def _holds_trimmed(pair: Pair) -> bool:
    """Whether the trimmed interval too lies on the ratio's side of 1."""
    value, lower, upper = pair.ratio.value, pair.trimmed.lower, pair.trimmed.upper
    if value is None or lower is None or upper is None:
        return False
    return lower > 1 if value > 1 else upper < 1
