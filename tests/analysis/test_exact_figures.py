"""Intervals and means to the last digit, against figures by hand or another implementation's."""

import math

import pytest
from scipy import stats

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import (
    CONFIDENCE,
    LOOKS_CONFIDENCE,
    half_width,
    linear_interval,
    log_interval,
    looks_factor,
)
from asgi_bench.analysis.percentiles import mean_s, merge_histograms
from asgi_bench.load.histogram import Recording

T_975_2 = 4.302652729749


def test_a_linear_interval_is_that_of_student() -> None:
    """1, 2, 3: mean 2, standard error 1/sqrt(3), 2 degrees of freedom; below 0 as well."""
    width = T_975_2 / math.sqrt(3)
    for shift in (0.0, -10.0):
        found = linear_interval([1.0 + shift, 2.0 + shift, 3.0 + shift])
        assert (found.lower, found.value, found.upper) == pytest.approx(
            (2 + shift - width, 2 + shift, 2 + shift + width), rel=1e-9
        )
    assert linear_interval([1.0, 2.0]) == Interval(1.5)
    assert linear_interval([]) == Interval()


@pytest.mark.parametrize("count", [3, 4, 9])
def test_planned_looks_widen_an_interval(count: int) -> None:
    """By the ratio of two quantiles at the same degrees of freedom, on either scale."""
    wide, narrow = (
        stats.t.ppf(1 - (1 - level) / 2, count - 1) for level in (LOOKS_CONFIDENCE, CONFIDENCE)
    )
    assert wide > narrow
    assert looks_factor(count - 1) == pytest.approx(wide / narrow, rel=1e-9)
    values = [float(n) for n in range(1, count + 1)]
    once, looked = linear_interval(values), linear_interval(values, looked=True)
    assert once.value is not None
    assert once.upper is not None
    assert looked.upper is not None
    assert (looked.upper - once.value) / (once.upper - once.value) == pytest.approx(wide / narrow)
    once, looked = log_interval(values), log_interval(values, looked=True)
    assert once.value is not None
    assert once.upper is not None
    assert looked.upper is not None
    assert math.log(looked.upper / once.value) / math.log(once.upper / once.value) == (
        pytest.approx(wide / narrow)
    )


def test_a_half_width_is_the_wider_side() -> None:
    """As a share of the estimate; nothing without a bound or an estimate."""
    assert half_width(Interval(10.0, 9.0, 12.0)) == pytest.approx(0.2)
    assert half_width(Interval(10.0, 7.0, 12.0)) == pytest.approx(0.3)
    assert half_width(Interval(10.0)) is None
    assert half_width(Interval(0.0, -1.0, 1.0)) is None


def test_a_mean_weighs_values_by_their_counts() -> None:
    """Three at a microsecond and one at five: two, to the digits of the histogram."""
    recording = Recording()
    recording.add([1000, 1000, 1000, 5000])
    histogram = merge_histograms([recording.encode()])
    assert histogram is not None
    assert mean_s(histogram) == pytest.approx(2e-6, rel=2e-3)
