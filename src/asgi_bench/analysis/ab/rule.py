"""The rule of an A/B: from the effects of blocks to verdicts on metrics and cells.

The block is the unit, because its processes are fresh; within it nothing is independent. Over
blocks Student's t is used, on logarithms. Several metrics and cells are tested at once, hence
Holm's procedure; the level of each interval is the one at which Holm tested its effect, so that
the interval excludes 0 exactly when the effect is significant.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import exp, expm1, log1p

import msgspec
import numpy as np
from scipy.special import stdtr, stdtrit

from asgi_bench.analysis.ab.block_effects import BlockEffect
from asgi_bench.analysis.pairs import holm
from asgi_bench.model import Effect, Gate, MetricVerdict, Verdict
from asgi_bench.model.metric import Family, Metric
from asgi_bench.model.metrics import least_change

# Stored with each verdict; raised when the rule changes.
RULE_VERSION = 5
# The control is tested to void a run, not to find something: its interval leaves out 0 by chance
# in one of a thousand runs, and must be as large as what matters besides.
CONTROL_CONFIDENCE = 0.999
POWER = 0.8
# Of the probability of a false alarm at a look, what each family of metrics may spend, for itself.
# Memory adds a tenth: two starts of a server differ by tenths of a per cent in it, so that this is
# enough, and what is asked of speed stays what it was.
FAMILY_LEVELS: Mapping[Family, float] = {"speed": 1.0, "memory": 0.1}
# Of the blocks at either end: what a disturbed machine makes of one in five changes nothing. On
# machines with neighbours the standard error was half of that without, on calm ones the same.
TRIMMED_BLOCKS = 0.2
# From the worst on: a regression that was found stands, whatever else went wrong.
ORDER: tuple[Verdict, ...] = (
    *("regression", "failed", "invalid", "undecided"),
    *("improvement", "pass"),
)


class Estimate(msgspec.Struct, frozen=True):
    """A mean of logarithms with its standard error (None if there are too few) and `df`."""

    mean: float
    standard_error: float | None
    df: int

    @property
    def p(self) -> float:
        """The two-sided p of the hypothesis that there is no effect."""
        if self.standard_error is None:
            return 1.0
        if self.standard_error == 0:
            return 0.0 if self.mean else 1.0
        return 2 * float(stdtr(self.df, -abs(self.mean) / self.standard_error))

    def half_width(self, confidence: float) -> float | None:
        """Half of the two-sided t interval."""
        if self.standard_error is None or confidence >= 1:
            return None
        return float(stdtrit(self.df, 0.5 + confidence / 2)) * self.standard_error


def estimate(*series: Sequence[float], trimmed: float = TRIMMED_BLOCKS) -> Estimate:
    """The mean over blocks of the mean of several series, each with one value per block; trimmed.

    The trimmed mean, with its standard error from the winsorised values on as many degrees of
    freedom as values are left (Yuen, Biometrika 1974): a block in which the machine was busy
    elsewhere doesn't widen the interval. Each series is trimmed by itself, because the difference
    of two that are alike is symmetric and the mean of several need not be. Raises ValueError
    without values.
    """
    table = np.asarray(series, dtype=float)
    count = table.shape[1]
    if not count:
        raise ValueError("an estimate needs a block")
    cut = int(count * trimmed)
    ordered = np.sort(table, axis=1)
    kept = count - 2 * cut
    mean = float(ordered[:, cut : count - cut].mean())
    if kept < 2:
        return Estimate(mean, None, 0)
    low, high = ordered[:, cut, np.newaxis], ordered[:, count - cut - 1, np.newaxis]
    winsorised = np.clip(table, low, high).mean(axis=0)
    squares = float(((winsorised - winsorised.mean()) ** 2).sum())
    return Estimate(mean, (squares / (kept * (kept - 1))) ** 0.5, kept - 1)


def estimate_of(blocks: Sequence[BlockEffect], trimmed: float = TRIMMED_BLOCKS) -> Estimate:
    """The candidate against both baselines, over blocks."""
    return estimate(*zip(*(block.pairs for block in blocks), strict=True), trimmed=trimmed)


def effect_of(found: Estimate, confidence: float, *, is_linear: bool = False) -> Effect:
    """An estimate of logarithms as a slowdown with its interval; for linear ones, a difference."""
    half_width = found.half_width(confidence)
    if half_width is None:
        return Effect(_from_scale(found.mean, is_linear=is_linear))
    bounds = (found.mean + sign * half_width for sign in (0, -1, 1))
    return Effect(*(_from_scale(bound, is_linear=is_linear) for bound in bounds))


def _from_scale(value: float, *, is_linear: bool) -> float:
    # Beyond this an interval says nothing anyway, and exp would overflow.
    return value if is_linear else expm1(min(value, 700.0))


def holm_levels(ps: Sequence[float], level: float) -> list[float]:
    """The level at which Holm's procedure tests each hypothesis, all after its stop at its last.

    A hypothesis is rejected exactly if its p is at most its level.
    """
    levels = [0.0] * len(ps)
    is_stopped = False
    current = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        if not is_stopped:
            current = level / (len(ps) - rank)
        levels[index] = current
        is_stopped = is_stopped or ps[index] > current
    return levels


def judge_effect(effect: Effect, min_change: float) -> Verdict:
    """The verdict on an effect with its interval, against the smallest change that matters."""
    if effect.lo is None or effect.hi is None:
        return "undecided"
    if effect.lo > 0 and effect.d >= min_change:
        return "regression"
    if effect.hi < 0 and effect.d <= -min_change:
        return "improvement"
    return "pass" if effect.hi < min_change else "undecided"


def control_moved(control: Effect | None, min_change: float) -> bool:
    """Whether two processes of the same setup differ so much that nothing can be believed."""
    if control is None or control.lo is None or control.hi is None:
        return False
    return (control.lo > 0 or control.hi < 0) and abs(control.d) >= min_change


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of several verdicts; undecided without any."""
    return min(verdicts, key=ORDER.index, default="undecided")


def verdict_on(metrics: Sequence[MetricVerdict]) -> Verdict:
    """The verdict on a cell from its gated metrics: any may fire, unless a control moved."""
    # What differs in memory alone says nothing of the speed.
    if any(has_moved(one) and not one.is_of_memory for one in metrics):
        return "invalid"
    return worst(one.verdict for one in metrics if one.verdict is not None)


def has_moved(one: MetricVerdict) -> bool:
    """Whether two processes of the same setup differ in a gated metric by as much as matters."""
    return one.min_change is not None and control_moved(one.control, one.min_change)


def judge_metrics(
    metrics: Sequence[tuple[Metric, Sequence[BlockEffect]]], gate: Gate, level: float
) -> list[MetricVerdict]:
    """Judge all gated metrics of all cells, each family together, at the level of one look.

    Each metric comes with the effects of its blocks, of which there must be at least one.
    """
    judged: dict[int, MetricVerdict] = {}
    for family, share in FAMILY_LEVELS.items():
        places = [
            place
            for place, (metric, _) in enumerate(metrics)
            if metric.gating is not None and metric.gating.family == family
        ]
        members = _judge_family([metrics[place] for place in places], gate, share * level)
        judged |= dict(zip(places, members, strict=True))
    return [judged[place] for place in sorted(judged)]


def _judge_family(
    metrics: Sequence[tuple[Metric, Sequence[BlockEffect]]], gate: Gate, level: float
) -> list[MetricVerdict]:
    found = [estimate_of(blocks) for _, blocks in metrics]
    ps = [one.p for one in found]
    judged = []
    for (metric, blocks), one, adjusted, own_level in zip(
        metrics, found, holm(ps), holm_levels(ps, level), strict=True
    ):
        least = least_change(metric, gate) or 0.0
        shown = measured(metric, blocks, 1 - own_level)
        judged.append(
            msgspec.structs.replace(
                shown,
                verdict=_judged(shown, least),
                # As if all of alpha were spent here: at most alpha where it is significant.
                p_adjusted=min(1.0, adjusted * gate.alpha / level) if level else None,
                detectable=detectable(one, 1 - own_level, least, is_linear=metric.is_linear),
                min_change=least,
            )
        )
    return judged


def _judged(shown: MetricVerdict, least: float) -> Verdict:
    """What an effect comes to; nothing, where two processes of the same differ in memory."""
    if shown.is_of_memory and control_moved(shown.control, least):
        return "undecided"
    return judge_effect(shown.effect, least)


def measured(
    metric: Metric,
    blocks: Sequence[BlockEffect],
    confidence: float,
    trimmed: float = TRIMMED_BLOCKS,
) -> MetricVerdict:
    """The figures of a metric without a verdict on it."""
    found = estimate_of(blocks, trimmed)
    control = estimate([block.control for block in blocks], trimmed=trimmed)
    sides = ([block.baseline for block in blocks], [block.candidate for block in blocks])
    means = (float(np.mean(side)) for side in sides)
    baseline, candidate = means if metric.is_linear else map(exp, means)
    return MetricVerdict(
        metric=metric.name,
        verdict=None,
        effect=effect_of(found, confidence, is_linear=metric.is_linear),
        blocks=len(blocks),
        baseline=baseline,
        candidate=candidate,
        confidence=confidence,
        standard_error=found.standard_error,
        control=effect_of(control, CONTROL_CONFIDENCE, is_linear=metric.is_linear),
    )


def detectable(
    found: Estimate,
    confidence: float,
    min_change: float,
    *,
    is_whole: bool = False,
    is_linear: bool = False,
) -> float | None:
    """The smallest slowdown that would have been called a regression four times in five.

    It has to be significant, and no smaller than the smallest change that matters; with
    `is_whole`, its whole interval has to be above it.
    """
    half_width = found.half_width(confidence)
    if half_width is None or found.standard_error is None:
        return None
    margin = float(stdtrit(found.df, POWER)) * found.standard_error
    least = min_change if is_linear else log1p(min_change)
    needed = half_width + least if is_whole else max(half_width, least)
    return _from_scale(needed + margin, is_linear=is_linear)
