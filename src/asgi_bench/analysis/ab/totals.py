"""Does the candidate stall? Totals of all slices, beside the estimate that excludes stalls.

The gated estimate drops a quarter of a block's slices and a fifth of the blocks at either end,
because outliers are mostly the machine's doing. They may be the candidate's: a garbage collection,
a task that blocks now and then, a slow start. So the ratio of totals is judged too, over all slices
and all blocks. It varies more, so it has to show more: its whole interval is beyond the smallest
change that matters, and the control's own totals are nowhere near. A slowdown that is less certain
is no regression, but prevents a pass.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log1p
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from asgi_bench.analysis.ab.block_effects import BlockEffect
from asgi_bench.analysis.ab.rule import detectable, estimate_of, holm_levels, measured
from asgi_bench.analysis.ab.vetoes import Blocks, Veto
from asgi_bench.analysis.ab.wording import effect_words, typical_words
from asgi_bench.analysis.pairs import holm
from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.model import RESPONSE_TIME, Gate, MetricVerdict, Reason, Role, Slice
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import THROUGHPUT, gated_of_total, least_change, metric_of

Floats = npt.NDArray[np.float64]

# How many times the median a slice or a request takes that stalls; the first that tells is told.
FAR = (5, 2)
# It has to make this share of what the totals show beyond what is typical, to be the reason.
LEAST_SHARE = 0.6
FEWEST = 3
# Of a block's slices the first ones.
FIRST = 0.2
BASELINES: tuple[Role, ...] = ("baseline", "control")
CANDIDATE: tuple[Role, ...] = ("candidate",)

# A regression that its gated metric shows is told as one; as stalls, where all slices together
# are slower by so many times as much.
TELLING_TIMES = 2


def measured_totals(
    totals: Sequence[tuple[Metric, Sequence[BlockEffect]]], gate: Gate, level: float
) -> list[MetricVerdict]:
    """The totals of all cells at a look, each with the effects of its blocks: nothing is excluded.

    Holm's procedure covers them, at the same level as the gated metrics. They only ever say
    slower, so that with both together an A/A is called a regression at the level at which the
    gated metrics alone call any change. Their p is after Holm, whatever the look may spend.
    """
    found = [estimate_of(effects, trimmed=0) for _, effects in totals]
    ps = [one.p for one in found]
    levels = holm_levels(ps, level)
    return [
        msgspec.structs.replace(
            measured(metric, effects, 1 - own_level, trimmed=0),
            p_adjusted=adjusted if one.standard_error is not None else None,
            detectable=detectable(one, 1 - own_level, _least(metric.name, gate), is_whole=True),
        )
        for (metric, effects), one, adjusted, own_level in zip(
            totals, found, holm(ps), levels, strict=True
        )
    ]


def stall_vetoes(
    judged: Sequence[MetricVerdict],
    totals: Sequence[MetricVerdict],
    gate: Gate,
    blocks: Blocks,
    typical: Mapping[str, Sequence[BlockEffect]],
) -> list[Veto]:
    """What the totals of a cell make of its metrics: a regression, or no pass.

    `typical` are the effects of its blocks on the gated metrics.
    """
    by_metric = {total.metric: total for total in totals}
    vetoes = []
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
            vetoes.append(Veto(total.metric, "regression", _reason("stalls", total, gate, text)))
        else:
            text = f"perhaps {text}; the evidence is too weak for a regression"
            reason = _reason("perhaps-stalls", total, gate, text)
            vetoes.append(Veto(one.metric, "undecided", reason))
    return vetoes


def _least(total: str, gate: Gate) -> float:
    """The smallest change that matters: that of the gated metric."""
    return least_change(gated_of_total(total), gate) or gate.min_change


def _is_surely_slower(total: MetricVerdict, gate: Gate) -> bool:
    """Whether all of the interval matters, and both baselines differ by less than any of it."""
    lo = total.effect.lo
    return lo is not None and lo > _least(total.metric, gate) and _control_size(total) < log1p(lo)


def _may_be(total: MetricVerdict, gate: Gate) -> bool:
    """Whether totals show a slowdown that matters, and not one as large between the baselines.

    At all of alpha, whatever was spent on the look: it is the last one's finding that stands.
    """
    is_significant = total.p_adjusted is not None and total.p_adjusted <= gate.alpha
    is_relevant = total.effect.d >= _least(total.metric, gate)
    return is_significant and is_relevant and _control_size(total) < log1p(total.effect.d)


def _control_size(total: MetricVerdict) -> float:
    return 0.0 if total.control is None else abs(log1p(total.control.d))


def _tells_more(total: MetricVerdict, gated: MetricVerdict) -> bool:
    """Whether there is more to tell than what the gated metric says itself."""
    slower = log1p(max(gated.effect.d, 0.0))
    return gated.verdict != "regression" or log1p(total.effect.d) >= TELLING_TIMES * slower


def _reason(code: str, total: MetricVerdict, gate: Gate, text: str) -> Reason:
    return Reason(code, "suspect", total.effect.d, _least(total.metric, gate), text)


class Shape(NamedTuple):
    """What the candidate does (`it stalls`), and the figures that show it, to be appended."""

    what: str
    detail: str = ""


class _Far(NamedTuple):
    """How many of how many are far above the median, and the share of the whole that they add."""

    slow: int
    total: int
    excess: float


class _Costs(NamedTuple):
    """The slices of a trial in their order, or the times of many requests.

    What one request costs in each, the requests that cost it, and how many are `counted`: a slice
    as one, a request as itself.
    """

    each: Floats
    requests: Floats
    counted: Floats

    @property
    def whole(self) -> float:
        """What all of them cost."""
        return float((self.each * self.requests).sum())

    def beyond(self, usual: float, chosen: npt.NDArray[np.bool_] | slice) -> float:
        """What the chosen ones cost more than they usually do."""
        return float(((self.each - usual) * self.requests)[chosen].sum())


def shape_of(
    total: MetricVerdict, gated: MetricVerdict, blocks: Blocks, typical: Sequence[BlockEffect]
) -> Shape:
    """How a total differs from the gated metric; `typical` are the effects of the latter."""
    explained = (1 + max(gated.effect.d, 0.0)) / (1 + total.effect.d)
    needed = LEAST_SHARE * (1 - explained)
    if metric_of(gated.metric).times is not None:
        ours, theirs = (_requests(blocks, roles) for roles in (CANDIDATE, BASELINES))
        return _far_shape(ours, theirs, needed, "requests took") or Shape(
            "its slow requests are slower"
        )
    ours, theirs = (_slices(blocks, roles, gated.metric) for roles in (CANDIDATE, BASELINES))
    took = "slices took" if gated.metric == THROUGHPUT.name else "slices cost"
    return (
        _first_shape(ours, theirs, needed)
        or _far_shape(ours, theirs, needed, took)
        or _starts_shape(total, typical)
        or Shape("its slices together are slower")
    )


def _first_shape(ours: Sequence[_Costs], theirs: Sequence[_Costs], needed: float) -> Shape | None:
    """Slow until it is warm: what the first slices of each block cost beyond the later ones."""
    our_share, their_share = (_first_excess(trials) for trials in (ours, theirs))
    if our_share - their_share < needed:
        return None
    return Shape(
        "it is slow at first",
        f"; the first fifth of each block's slices adds {_percent(our_share)} of the whole "
        f"(the baseline's: {_percent(their_share)})",
    )


def _first_excess(trials: Sequence[_Costs]) -> float:
    """What first slices cost beyond the median of the later ones, as a share of the whole."""
    excess = 0.0
    for costs in trials:
        first = round(FIRST * len(costs.each))
        excess += costs.beyond(float(np.median(costs.each[first:])), slice(first))
    return _share(excess, trials)


def _far_shape(
    ours: Sequence[_Costs], theirs: Sequence[_Costs], needed: float, took: str
) -> Shape | None:
    """Stalls: few that take many times the median."""
    for times in FAR:
        far, usual = (_far(trials, times) for trials in (ours, theirs))
        if far.slow >= FEWEST and far.excess - usual.excess >= needed:
            detail = (
                f"; {far.slow:,} of its {far.total:,} {took} more than {times} times the median, "
                f"{_percent(far.excess)} of the whole (of the baseline's {usual.total:,}: "
                f"{usual.slow:,}, {_percent(usual.excess)})"
            )
            return Shape("it stalls", detail)
    return None


def _far(trials: Sequence[_Costs], times: int) -> _Far:
    slow = total = 0
    excess = 0.0
    for costs in trials:
        usual = _median(costs)
        is_far = costs.each > times * usual
        slow += int(costs.counted[is_far].sum())
        total += int(costs.counted.sum())
        excess += costs.beyond(usual, is_far)
    return _Far(slow, total, _share(excess, trials))


def _percent(share: float) -> str:
    return f"{max(share, 0) * 100:.0f} %"


def _share(part: float, trials: Sequence[_Costs]) -> float:
    whole = sum(costs.whole for costs in trials)
    return part / whole if whole else 0.0


def _median(costs: _Costs) -> float:
    order = np.argsort(costs.each)
    passed = np.cumsum(costs.counted[order])
    return float(costs.each[order][np.searchsorted(passed, passed[-1] / 2)])


def _starts_shape(total: MetricVerdict, typical: Sequence[BlockEffect]) -> Shape | None:
    """Blocks that are slower throughout than all blocks together."""
    slow = sum(float(np.mean(effect.pairs)) >= log1p(total.effect.d) for effect in typical)
    if not 0 < slow <= len(typical) / 2:
        return None
    return Shape(
        "some of its starts are slow",
        f"; in {slow} of {len(typical)} blocks the typical slice is that much slower",
    )


def _slices(blocks: Blocks, roles: Iterable[Role], metric: str) -> list[_Costs]:
    """The slices of these sides, trial by trial: time, or CPU time, a request."""
    figures = _time if metric == THROUGHPUT.name else _cpu
    found = []
    for sides in blocks.values():
        for role in roles:
            pairs = np.array([figures(piece) for piece in sides[role].slices], dtype=float)
            kept = pairs[(pairs > 0).all(axis=1)] if len(pairs) else pairs
            if len(kept):
                spent, requests = kept.T
                found.append(_Costs(spent / requests, requests, np.ones(len(kept))))
    return found


def _time(piece: Slice) -> tuple[float, int]:
    requests, seconds = piece.counted
    return seconds, requests


def _cpu(piece: Slice) -> tuple[float, int]:
    return piece.server_cpu_s, piece.sent


def _requests(blocks: Blocks, roles: Sequence[Role]) -> list[_Costs]:
    """The response times of these sides in all blocks together."""
    blobs = [
        sides[role].times_hdr.get(RESPONSE_TIME) for sides in blocks.values() for role in roles
    ]
    merged = merge_histograms(blobs)
    if merged is None:
        return []
    counts = merged.counts.astype(float)
    return [_Costs(merged.values_ns.astype(float), counts, counts)]
