"""Does the candidate stall? Totals of all slices, beside the estimate that leaves stalls out.

The gated estimate drops a quarter of a block's slices and a fifth of the blocks at either end, for
what stands out there is mostly the machine's doing. It may be the candidate's: a collection of
garbage, a task that blocks now and then, a start that is slow. So the ratio of totals is looked
at too, over all slices and all blocks. It scatters more, hence it never makes a regression; but
where it shows a slowdown that matters, the other is no pass.
"""

from collections.abc import Sequence
from math import log1p

import msgspec

from asgi_bench.analysis.ab_wording import effect_words
from asgi_bench.analysis.block_effects import TOTALS, BlockEffect
from asgi_bench.analysis.doubts import Doubt
from asgi_bench.analysis.regression import (
    detectable,
    estimate_of,
    holm_levels,
    judge_effect,
    measured,
)
from asgi_bench.model import Gate, GateMetric, MetricVerdict, Reason

VERBS: dict[GateMetric, str] = {
    "total_throughput_rps": "are",
    "total_server_cpu_s_per_request": "cost",
}


def measured_totals(
    totals: Sequence[tuple[GateMetric, Sequence[BlockEffect]]], gate: Gate
) -> list[MetricVerdict]:
    """The totals of all cells, each with the effects of its blocks: no slice, no block left out.

    Holm's procedure goes over them. What they show ends no run and calls no regression, so it is
    the last look's alone that stands, and every look may have all of alpha.
    """
    found = [estimate_of(effects, trimmed=0) for _, effects in totals]
    levels = holm_levels([one.p for one in found], gate.alpha)
    return [
        msgspec.structs.replace(
            measured(metric, effects, 1 - level, trimmed=0),
            detectable=detectable(one, 1 - level, gate.min_change),
        )
        for (metric, effects), one, level in zip(totals, found, levels, strict=True)
    ]


def stall_doubts(
    judged: Sequence[MetricVerdict], totals: Sequence[MetricVerdict], gate: Gate
) -> list[Doubt]:
    """The doubts on a cell's metrics that would pass, were it not for their totals."""
    by_metric = {total.metric: total for total in totals}
    return [
        Doubt(one.metric, "undecided", _reason(total, gate))
        for one in judged
        if one.verdict in ("pass", "improvement")
        and (total := by_metric.get(TOTALS.get(one.metric, one.metric))) is not None
        and _is_the_candidates(total, gate)
    ]


def _is_the_candidates(total: MetricVerdict, gate: Gate) -> bool:
    """Whether totals show a slowdown that matters, and not one as large between the baselines."""
    if judge_effect(total.effect, gate.min_change) != "regression":
        return False
    control = 0.0 if total.control is None else abs(log1p(total.control.d))
    return control < log1p(total.effect.d)


def _reason(total: MetricVerdict, gate: Gate) -> Reason:
    return Reason(
        code="stalls",
        level="suspect",
        value=total.effect.d,
        limit=gate.min_change,
        text="in the middle of its slices and blocks the candidate keeps up, but all of them "
        f"together {VERBS[total.metric]} {effect_words(total)}: it stalls now and then, or some "
        "of its starts are slow; see p99",
    )
