import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import log_interval, paired_ratio

POSITIVE = st.floats(min_value=1e-6, max_value=1e9)
ROUNDS = st.lists(POSITIVE, min_size=3, max_size=20)


def bounds(estimate: Interval) -> tuple[float, float, float]:
    """Lower bound, value and upper bound, all of which must be there."""
    assert estimate.value is not None
    assert estimate.lower is not None
    assert estimate.upper is not None
    return estimate.lower, estimate.value, estimate.upper


def test_known_interval() -> None:
    """Logs 0, 1, 2: mean 1, standard error 1/sqrt(3), t(0.975, 2) = 4.30265."""
    estimate = log_interval([1.0, math.e, math.e**2])
    half_width = 4.302652729749 / math.sqrt(3)
    expected = (math.exp(1 - half_width), math.e, math.exp(1 + half_width))
    assert bounds(estimate) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rounds", [1, 2])
def test_few_rounds_have_a_value_without_bounds(rounds: int) -> None:
    """Under 3 rounds there is no interval to speak of, and none is given."""
    estimate = log_interval([5.0] * rounds)
    assert estimate.value == pytest.approx(5.0)
    assert (estimate.lower, estimate.upper) == (None, None)


def test_no_rounds_have_nothing() -> None:
    """Without a value there is no estimate, and no zero in its place."""
    assert log_interval([]) == Interval(None, None, None)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_has_no_logarithm_is_refused(bad: float) -> None:
    """A zero or a negative rate is a fault upstream, never an estimate."""
    with pytest.raises(ValueError, match="positive"):
        log_interval([1.0, bad, 2.0])


@given(ROUNDS, st.floats(min_value=1e-3, max_value=1e3))
def test_unit_does_not_matter(values: list[float], factor: float) -> None:
    """Measuring in another unit scales value and bounds by the same factor."""
    scaled = bounds(log_interval([value * factor for value in values]))
    expected = [bound * factor for bound in bounds(log_interval(values))]
    assert scaled == pytest.approx(tuple(expected), rel=1e-6)


@given(ROUNDS)
def test_bounds_enclose_the_value_by_one_factor(values: list[float]) -> None:
    """The interval is symmetrical on logarithms, around a value within what was measured."""
    lower, value, upper = bounds(log_interval(values))
    assert lower <= value <= upper
    assert value / lower == pytest.approx(upper / value, rel=1e-6)
    assert min(values) * (1 - 1e-9) <= value <= max(values) * (1 + 1e-9)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=3, max_size=20))
def test_ratio_inverts(pairs: list[tuple[float, float]]) -> None:
    """The ratio of b to a is the inverse of that of a to b, with the bounds changing places."""
    lower, value, upper = bounds(paired_ratio(pairs))
    inverse = bounds(paired_ratio([(theirs, ours) for ours, theirs in pairs]))
    assert inverse == pytest.approx((1 / upper, 1 / value, 1 / lower), rel=1e-6)


@given(ROUNDS, st.lists(st.floats(min_value=0.1, max_value=10), min_size=20, max_size=20))
def test_what_slows_both_drops_out_of_the_ratio(values: list[float], phases: list[float]) -> None:
    """A machine that is slower in some rounds, for both sides alike, changes no ratio."""
    pairs = [(2 * value, value) for value in values]
    slowed = [(a * phase, b * phase) for (a, b), phase in zip(pairs, phases, strict=False)]
    assert bounds(paired_ratio(slowed)) == pytest.approx((2.0, 2.0, 2.0), rel=1e-6)


@pytest.mark.parametrize("rounds", [3, 5, 10])
def test_coverage(rounds: int) -> None:
    """95 % of the intervals over lognormal rounds hold the true value: within 3 standard errors."""
    random = np.random.default_rng(11)
    runs = 1500
    hits = 0
    for values in random.lognormal(math.log(100), 0.18, size=(runs, rounds)):
        lower, _, upper = bounds(log_interval(values.tolist()))
        hits += lower <= 100 <= upper
    assert abs(hits / runs - 0.95) < 3 * math.sqrt(0.95 * 0.05 / runs)
