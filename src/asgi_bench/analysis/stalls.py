"""Does the candidate stall? Totals of all slices, beside the estimate that leaves stalls out.

The gated estimate drops a quarter of a block's slices and a fifth of the blocks at either end, for
what stands out there is mostly the machine's doing. It may be the candidate's: a collection of
garbage, a task that blocks now and then, a start that is slow. So the ratio of totals is judged
too, over all slices and all blocks. It scatters more, so it has to show more: its whole interval
lies beyond the smallest change that matters, and the control's own totals are nowhere near. A
slowdown that is less sure makes nothing a regression, but the other no pass.
"""

from collections.abc import Mapping, Sequence
from math import log1p

import msgspec

from asgi_bench.analysis.ab_wording import effect_words, typical_words
from asgi_bench.analysis.block_effects import BlockEffect
from asgi_bench.analysis.doubts import Blocks, Doubt
from asgi_bench.analysis.pairs import holm
from asgi_bench.analysis.regression import detectable, estimate_of, holm_levels, measured
from asgi_bench.analysis.stall_shapes import shape_of
from asgi_bench.model import Gate, MetricVerdict, Reason
from asgi_bench.model.metrics import Metric, metric_of

# A regression that its gated metric shows is told as one; as stalls, where all slices together
# are slower by so many times as much.
TELLING_TIMES = 2


def measured_totals(
    totals: Sequence[tuple[Metric, Sequence[BlockEffect]]], gate: Gate, level: float
) -> list[MetricVerdict]:
    """The totals of all cells at a look, each with the effects of its blocks: nothing left out.

    Holm's procedure goes over them, at the level of the look as over the gated metrics. They are
    slower or nothing, so that of both together an A/A is called a regression at the level that
    the gated ones alone call any change at. Their p is after Holm, whatever the look may spend.
    """
    found = [estimate_of(effects, trimmed=0) for _, effects in totals]
    ps = [one.p for one in found]
    levels = holm_levels(ps, level)
    return [
        msgspec.structs.replace(
            measured(metric, effects, 1 - own_level, trimmed=0),
            p_adjusted=adjusted if one.standard_error is not None else None,
            detectable=detectable(one, 1 - own_level, gate.min_change, is_whole=True),
        )
        for (metric, effects), one, adjusted, own_level in zip(
            totals, found, holm(ps), levels, strict=True
        )
    ]


def stall_doubts(
    judged: Sequence[MetricVerdict],
    totals: Sequence[MetricVerdict],
    gate: Gate,
    blocks: Blocks,
    typical: Mapping[str, Sequence[BlockEffect]],
) -> list[Doubt]:
    """What the totals of a cell make of its metrics: a regression, or no pass.

    `typical` are the effects of its blocks on what is gated.
    """
    by_metric = {total.metric: total for total in totals}
    doubts = []
    for one in judged:
        whole = metric_of(one.metric).total
        total = None if whole is None else by_metric.get(whole.name)
        if total is None:
            continue
        is_sure = _is_surely_slower(total, gate) and _tells_more(total, one)
        if not (is_sure or (one.verdict in ("pass", "improvement") and _may_be(total, gate))):
            continue
        shape = shape_of(total, one, blocks, typical.get(one.metric, ()))
        text = f"{shape.what}: {effect_words(total)}, {typical_words(one)}{shape.detail}"
        if is_sure:
            doubts.append(Doubt(total.metric, "regression", _reason("stalls", total, gate, text)))
        else:
            text = f"perhaps {text}; that is not sure enough for a regression"
            reason = _reason("perhaps-stalls", total, gate, text)
            doubts.append(Doubt(one.metric, "undecided", reason))
    return doubts


def _is_surely_slower(total: MetricVerdict, gate: Gate) -> bool:
    """Whether all of the interval matters, and both baselines differ by less than any of it."""
    lo = total.effect.lo
    return lo is not None and lo > gate.min_change and _control_size(total) < log1p(lo)


def _may_be(total: MetricVerdict, gate: Gate) -> bool:
    """Whether totals show a slowdown that matters, and not one as large between the baselines.

    At all of alpha, whatever was spent on the look: it is the last one's finding that stands.
    """
    is_significant = total.p_adjusted is not None and total.p_adjusted <= gate.alpha
    is_relevant = total.effect.d >= gate.min_change
    return is_significant and is_relevant and _control_size(total) < log1p(total.effect.d)


def _control_size(total: MetricVerdict) -> float:
    return 0.0 if total.control is None else abs(log1p(total.control.d))


def _tells_more(total: MetricVerdict, gated: MetricVerdict) -> bool:
    """Whether there is more to tell than what the gated metric says itself."""
    slower = log1p(max(gated.effect.d, 0.0))
    return gated.verdict != "regression" or log1p(total.effect.d) >= TELLING_TIMES * slower


def _reason(code: str, total: MetricVerdict, gate: Gate, text: str) -> Reason:
    return Reason(code, "suspect", total.effect.d, gate.min_change, text)
