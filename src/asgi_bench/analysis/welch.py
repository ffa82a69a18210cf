"""One metric of two stored runs: how much it changed, tested, judged."""

from collections.abc import Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from asgi_bench.analysis.history import slowdown
from asgi_bench.analysis.intervals import MIN_ROUNDS, looks_factor
from asgi_bench.analysis.regression import judge_effect
from asgi_bench.model import Effect, MetricVerdict
from asgi_bench.model.metrics import Metric


class Tested(NamedTuple):
    """One metric of one cell: log slowdown, its standard error, the degrees of freedom."""

    metric: Metric
    change: float
    error: float | None
    degrees: float
    rounds: int
    base: float
    candidate: float

    @property
    def p(self) -> float:
        """Two-sided, of the hypothesis that nothing changed."""
        if self.error is None:
            return 1.0
        if self.error == 0:
            return 0.0 if self.change else 1.0
        return 2 * float(stdtr(self.degrees, -abs(self.change) / self.error))


def welch(
    metric: Metric,
    before: Sequence[float],
    after: Sequence[float],
    base: float,
    candidate: float,
    *,
    looked: tuple[bool, bool] = (False, False),
) -> Tested:
    """The difference of two means with variances of their own (Welch, Biometrika 34, 1947).

    `looked` tells of which run the scatter decided the number of rounds: its standard error is
    widened by what that costs, as in the run's own intervals.
    """
    change = log(1 + slowdown(metric, float(np.mean(after) - np.mean(before))))
    rounds = min(len(before), len(after))
    if rounds < MIN_ROUNDS:
        return Tested(metric, change, None, 0.0, rounds, base, candidate)
    shares = [
        float(np.var(one, ddof=1)) / len(one) * (looks_factor(len(one) - 1) ** 2 if wide else 1)
        for one, wide in zip((before, after), looked, strict=True)
    ]
    squares = sum(
        share**2 / (len(one) - 1) for share, one in zip(shares, (before, after), strict=True)
    )
    degrees = sum(shares) ** 2 / squares if squares else 1.0
    return Tested(metric, change, sum(shares) ** 0.5, degrees, rounds, base, candidate)


def judged(found: Tested, adjusted: float, level: float, min_change: float) -> MetricVerdict:
    """A metric judged, its interval at the level at which Holm tested it."""
    effect = Effect(exp(found.change) - 1)
    if found.error is not None:
        margin = float(stdtrit(found.degrees, 1 - level / 2)) * found.error
        bounds = (min(found.change + sign * margin, 700.0) for sign in (-1, 1))
        effect = Effect(effect.d, *(exp(bound) - 1 for bound in bounds))
    return MetricVerdict(
        metric=found.metric.name,
        verdict=judge_effect(effect, min_change),
        effect=effect,
        blocks=found.rounds,
        baseline=found.base,
        candidate=found.candidate,
        p_adjusted=None if found.error is None else adjusted,
        confidence=None if found.error is None else 1 - level,
        standard_error=found.error,
        min_change=min_change,
    )
