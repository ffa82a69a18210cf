import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.ab.block_effects import BlockEffect
from asgi_bench.analysis.ab.rule import (
    ORDER,
    control_moved,
    estimate,
    holm_levels,
    judge_effect,
    judge_metrics,
    verdict_on,
    worst,
)
from asgi_bench.analysis.pairs import holm
from asgi_bench.model import Effect, Gate, Verdict
from asgi_bench.model.metrics import CPU, THROUGHPUT

SHARES = st.floats(-0.5, 0.5)
LEAST = st.floats(0.001, 0.2)
PS = st.lists(st.floats(0, 1), min_size=1, max_size=8)
METRICS = (THROUGHPUT, CPU)


@st.composite
def effects(draw: st.DrawFn) -> Effect:
    """An effect within its interval."""
    lo, d, hi = sorted((draw(SHARES), draw(SHARES), draw(SHARES)))
    return Effect(d, lo, hi)


def blocks_of(
    effect: float, *, control: float = 0.0, noise: float = 0.004, count: int = 28
) -> list[BlockEffect]:
    """Blocks around an effect."""
    chance = np.random.default_rng(3)
    return [
        BlockEffect(
            number,
            (effect + chance.normal(0, noise), effect + chance.normal(0, noise)),
            control + chance.normal(0, noise),
            10.0,
            10.0 - effect,
        )
        for number in range(count)
    ]


@given(effects(), LEAST)
def test_the_verdict_follows_from_effect_interval_and_least_change(
    effect: Effect, least: float
) -> None:
    """Regression: significant and relevant; improvement its mirror; pass: relevance ruled out."""
    assert effect.lo is not None and effect.hi is not None
    verdict = judge_effect(effect, least)
    is_regression = effect.lo > 0 and effect.d >= least
    is_improvement = effect.hi < 0 and effect.d <= -least
    assert (verdict == "regression") == is_regression
    assert (verdict == "improvement") == is_improvement
    if verdict == "pass":
        assert effect.hi < least
    if verdict == "undecided":
        assert effect.hi >= least


@given(effects(), LEAST)
def test_a_regression_mirrored_is_an_improvement(effect: Effect, least: float) -> None:
    """What is slower one way is faster the other way round."""
    assert effect.lo is not None and effect.hi is not None
    mirrored = Effect(-effect.d, -effect.hi, -effect.lo)
    pair = judge_effect(effect, least), judge_effect(mirrored, least)
    assert (pair[0] == "regression") == (pair[1] == "improvement")


def test_without_an_interval_nothing_is_decided() -> None:
    """However large an effect is, too few blocks decide nothing."""
    assert judge_effect(Effect(9.0), 0.02) == "undecided"


@given(PS, st.floats(0.0001, 0.2))
def test_holms_levels_reject_what_its_adjusted_p_values_reject(
    ps: list[float], level: float
) -> None:
    """An effect's interval at its level leaves out 0 exactly where the procedure rejects."""
    levels, adjusted = holm_levels(ps, level), holm(ps)
    for p, own, p_adjusted in zip(ps, levels, adjusted, strict=True):
        if abs(p_adjusted - level) > 1e-12:
            assert (p <= own) == (p_adjusted <= level)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40))
def test_an_estimate_is_antisymmetric(values: list[float]) -> None:
    """Swapped sides give the same effect with the other sign, and the same standard error."""
    there, back = estimate(values), estimate([-value for value in values])
    assert there.mean == pytest.approx(-back.mean, abs=1e-12)
    assert there.standard_error == pytest.approx(back.standard_error, abs=1e-12)
    assert there.p == pytest.approx(back.p, abs=1e-6)


def test_untrimmed_an_estimate_is_the_mean_and_students_standard_error() -> None:
    """Without trimming it is the textbook's, on one degree of freedom less than values."""
    values = [0.01, 0.03, -0.02, 0.05]
    found = estimate(values, trimmed=0)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.standard_error == pytest.approx(np.std(values, ddof=1) / 2)
    assert found.df == 3


def test_one_block_in_ten_may_be_anything() -> None:
    """A disturbed block moves neither the estimate nor its standard error by much."""
    calm = [0.001 * (index % 5 - 2) for index in range(20)]
    wild = estimate([*calm[:-1], 5.0])
    assert abs(wild.mean) < 0.002
    assert wild.standard_error is not None and wild.standard_error < 0.002


def test_an_estimate_needs_a_block() -> None:
    """Nothing at all is no estimate."""
    with pytest.raises(ValueError, match="needs a block"):
        estimate([])


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(0.05, "regression"), (-0.05, "improvement"), (0.0, "pass"), (0.014, "undecided")],
)
def test_known_effects_get_their_verdict(effect: float, verdict: Verdict) -> None:
    """Effects far from the limits are found out, one at the limit is left open."""
    metrics = judge_metrics([(THROUGHPUT, blocks_of(effect))], Gate(), 0.05)
    assert verdict_on(metrics) == verdict


def test_either_metric_may_fire() -> None:
    """A regression of one metric is one of the cell, whatever the other says."""
    metrics = judge_metrics(
        [(THROUGHPUT, blocks_of(-0.05)), (CPU, blocks_of(0.05))],
        Gate(),
        0.05,
    )
    assert [one.verdict for one in metrics] == ["improvement", "regression"]
    assert verdict_on(metrics) == "regression"


@given(st.floats(-0.06, 0.06), st.floats(0.0005, 0.02), st.integers(2, 30))
def test_an_interval_leaves_out_0_exactly_where_the_effect_is_significant(
    effect: float, noise: float, count: int
) -> None:
    """What is printed hangs together: interval, adjusted p value, verdict."""
    pairs = [(metric, blocks_of(effect, noise=noise, count=count)) for metric in METRICS]
    for one in judge_metrics(pairs, Gate(), 0.02):
        if one.effect.lo is None or one.effect.hi is None or one.p_adjusted is None:
            continue
        is_significant = one.effect.lo > 0 or one.effect.hi < 0
        if abs(one.p_adjusted - 0.05) > 1e-9:
            assert is_significant == (one.p_adjusted <= 0.05)
        assert one.effect.lo <= one.effect.d <= one.effect.hi
        assert one.verdict == judge_effect(one.effect, Gate().min_change)


def test_what_is_detectable_is_at_least_what_matters_and_shrinks_with_blocks() -> None:
    """The smallest effect a run could have seen is the margin above the smallest that counts."""
    few, many = (
        judge_metrics([(THROUGHPUT, blocks_of(0, count=count))], Gate(), 0.05)[0].detectable
        for count in (8, 200)
    )
    assert few is not None and many is not None
    assert Gate().min_change < many < few


@pytest.mark.parametrize(
    ("control", "is_moved"),
    [
        (Effect(0.03, 0.01, 0.05), True),
        (Effect(-0.03, -0.05, -0.01), True),
        (Effect(0.03, -0.01, 0.07), False),
        (Effect(0.01, 0.005, 0.015), False),
        (Effect(0.03), False),
        (None, False),
    ],
)
def test_a_control_that_moves_voids_only_if_surely_and_by_what_matters(
    control: Effect | None, is_moved: bool
) -> None:
    """Its interval has to leave out 0 and its size to be at least the smallest change."""
    assert control_moved(control, 0.02) == is_moved


def test_a_moved_control_makes_a_regression_invalid() -> None:
    """Where two processes of the same differ, a slow candidate proves nothing."""
    metrics = judge_metrics([(THROUGHPUT, blocks_of(0.05, control=0.05))], Gate(), 0.05)
    assert metrics[0].verdict == "regression"
    assert verdict_on(metrics) == "invalid"


def test_the_worst_of_several_comes_first() -> None:
    """Of several cells a regression outweighs invalid, that undecided, and that a pass."""
    assert worst(["pass", "undecided", "invalid", "regression"]) == "regression"
    assert worst(["pass", "undecided", "invalid"]) == "invalid"
    assert worst(["improvement", "pass", "undecided"]) == "undecided"
    assert worst([]) == "undecided"
    assert set(ORDER) == set(get_args(Verdict))


def test_a_huge_effect_has_finite_bounds() -> None:
    """An interval on logarithms that would overflow is cut off, and stays one."""
    (one,) = judge_metrics([(THROUGHPUT, blocks_of(500.0, noise=300.0, count=6))], Gate(), 0.001)
    assert one.effect.hi is not None and math.isfinite(one.effect.hi)


def test_a_p_at_its_level_is_rejected() -> None:
    """So the next one is tested at a higher level; above its level it stops there."""
    assert holm_levels([0.025, 0.04], 0.05) == [0.025, 0.05]
    assert holm_levels([0.026, 0.04], 0.05) == [0.025, 0.025]
