"""What keeps an A/B's cell from passing whatever its effects, or fails it at once.

A metric that few blocks have, or a rate that a side could not handle. For stalls see `totals`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from scipy.special import bdtrc

from asgi_bench.analysis.ab.block_effects import is_baseline_overloaded
from asgi_bench.analysis.ab.rule import worst
from asgi_bench.analysis.percentiles import SAMPLES_BEYOND
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.analysis.validity.cell import MIN_USABLE_SHARE
from asgi_bench.model import Cell, MetricVerdict, Reason, Role, Trial, Verdict
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import P50

Blocks = Mapping[int, Mapping[Role, Trial]]

# Of three sides that are alike any may fall behind alone. As rarely as this a candidate does so by
# chance as often as it did, where it is called a regression: that has no interval, and so no part
# in Holm's procedure.
OVERLOAD_LEVEL = 0.001
P50_SAMPLES = 2 * SAMPLES_BEYOND


class Veto(NamedTuple):
    """The best verdict that a metric can still get, and why."""

    metric: str
    verdict: Verdict
    reason: Reason


def vetoed(judged: Iterable[MetricVerdict], vetoes: Sequence[Veto]) -> list[MetricVerdict]:
    """The metrics of a cell, none with a better verdict than its vetoes allow."""
    return [_vetoed(one, [d.verdict for d in vetoes if d.metric == one.metric]) for one in judged]


def _vetoed(one: MetricVerdict, most: Sequence[Verdict]) -> MetricVerdict:
    if not most:
        return one
    own = () if one.verdict is None else (one.verdict,)
    return msgspec.structs.replace(one, verdict=worst((*own, *most)))


def few_blocks_veto(metric: Metric, found: int, usable: int) -> Veto | None:
    """The veto on a gated metric that fewer than two thirds of the usable blocks have."""
    if not usable or found >= MIN_USABLE_SHARE * usable:
        return None
    if not found and metric.gating is not None and metric.gating.is_optional:
        return None
    why = (
        f"a block needs {P50_SAMPLES} response times; use more --duration or a higher rate"
        if metric == P50
        else "use more --duration"
    )
    text = f"{metric.told} is known in only {found} of {usable} blocks, and two thirds are needed: "
    reason = Reason(
        "few-measured", "suspect", found / usable, float(MIN_USABLE_SHARE), f"{text}{why}"
    )
    return Veto(metric.name, "undecided", reason)


def overload_veto(cell: Cell, blocks: Blocks) -> Veto | None:
    """The veto on an open loop's median if a side's queue grew in a third of the blocks.

    If that is only the candidate's, and not by chance, it is a regression: it can't handle what
    its baseline handles.
    """
    if not cell.load.has_one_rate or not blocks:
        return None
    count, most = len(blocks), float(1 - MIN_USABLE_SHARE)
    behind = [
        {role for role, trial in sides.items() if is_trial_overloaded(trial)}
        for sides in blocks.values()
    ]
    alone = behind.count({"candidate"})
    others = behind.count({"baseline"}) + behind.count({"control"})
    told = (
        f"the candidate alone could not keep up with the rate in {alone} of {count} blocks, a "
        f"baseline process alone in {others}: the queue grew until the end"
    )
    by_chance = float(bdtrc(alone - 1, alone + others, 1 / 3)) if alone else 1.0
    if alone >= most * count and by_chance <= OVERLOAD_LEVEL:
        reason = Reason("candidate-overloaded", "suspect", alone / count, most, told)
        return Veto(P50.name, "regression", reason)
    baseline = sum(map(is_baseline_overloaded, blocks.values()))
    if baseline >= most * count:
        text = (
            "the rate is more than the baseline can handle: its queue grew until the end in "
            f"{baseline} of {count} blocks, so response times only reflect how long it was "
            "loaded; use a lower rate, such as -r 50%"
        )
        reason = Reason("baseline-overloaded", "suspect", baseline / count, most, text)
        return Veto(P50.name, "undecided", reason)
    if alone >= most * count:
        reason = Reason(
            "perhaps-overloaded", "suspect", alone / count, most, f"{told}, which may be chance"
        )
        return Veto(P50.name, "undecided", reason)
    return None
