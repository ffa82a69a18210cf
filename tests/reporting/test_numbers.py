import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.estimates import Interval
from asgi_bench.reporting import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (0, "0"),
        (0.0812, "0.0812"),
        (1.4249, "1.42"),
        (9.996, "10.0"),
        (99.96, "100"),
        (123.4, "123"),
        (24813.4, "24,813"),
        (1234567.0, "1,234,567"),
        (-1.5, "-1.50"),
    ],
)
def test_three_significant_digits(value: float | None, text: str) -> None:
    """Three digits tell servers apart; whole ones are never rounded away."""
    assert numbers.significant(value) == text


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_text_is_near_the_figure(value: float) -> None:
    """What is printed is within half a unit of the third digit of what was measured."""
    printed = float(numbers.significant(value).replace(",", ""))
    assert math.isclose(printed, value, rel_tol=0.0051)
    assert "e" not in numbers.significant(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(830.0, "830"), (45213.0, "45.2k"), (999.9, "1.00k"), (1.24e6, "1.24M"), (2e9, "2.00G")],
)
def test_compact_rates(value: float, text: str) -> None:
    """Where there is little room a rate has a suffix."""
    assert numbers.compact(value) == text


def test_units_of_columns() -> None:
    """SI goes in, the unit of the column comes out."""
    assert numbers.milliseconds(0.00142) == "1.42"
    assert numbers.microseconds(25.1e-6) == "25.1"
    assert numbers.mebibytes(42 * 2**20) == "42"
    assert numbers.mebibytes(2.5 * 2**20) == "2.5"
    assert numbers.gibibytes(8 * 2**30) == "8.00 GiB"
    assert numbers.percent(0.00012) == "0.012"
    assert numbers.times(0.08123) == "0.081"
    assert numbers.count(1234567) == "1,234,567"


@pytest.mark.parametrize(
    "missing",
    [
        numbers.rate(None),
        numbers.milliseconds(None),
        numbers.microseconds(None),
        numbers.mebibytes(None),
        numbers.percent(None),
        numbers.count(None),
        numbers.compact(None),
        numbers.factor(None),
    ],
)
def test_missing_is_never_zero(missing: str) -> None:
    """What wasn't measured is a dash."""
    assert missing == numbers.MISSING


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Interval(100, 98, 102.1), "±2.1%"),
        (Interval(100, 80, 125), "±25%"),
        (Interval(100, None, None), ""),
        (Interval(None, None, None), ""),
        (None, ""),
    ],
)
def test_plus_minus_is_the_wider_side(estimate: Interval | None, text: str) -> None:
    """An interval is said as its wider side in percent, and not at all without bounds."""
    assert numbers.plus_minus(estimate) == text


def test_interval_beside_its_figure() -> None:
    """A figure without an interval stands alone, without a blank."""
    assert numbers.with_interval("100", Interval(100, 98, 102)) == "100 ±2.0%"
    assert numbers.with_interval("100", Interval(100)) == "100"


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Interval(None), "–"),  # noqa: RUF001
        (Interval(1024 * 1024.0), "1,024"),
        (Interval(2048.0, 1024.0, 3072.0), "2 ±1"),
        (Interval(-100.0), "0"),
        (Interval(-100.0, -1124.0, 924.0), "0 ±1"),
        (Interval(-5120.0, -6144.0, -4096.0), "-5 ±1"),
    ],
)
def test_growth_is_in_whole_kibibytes(estimate: Interval, text: str) -> None:
    """What rounds to nothing has no sign, and an unknown scatter is not shown."""
    assert numbers.growth(estimate) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0.0312, "+3.12%"), (-0.2, "-20.00%"), (0.00001, "0.00%"), (-0.00001, "0.00%")],  # noqa: RUF001
)
def test_a_change_has_its_sign(share: float | None, text: str) -> None:
    """Slower and faster are told apart; what rounds to nothing is neither."""
    assert numbers.signed_percent(share) == text


def test_a_range_needs_both_bounds() -> None:
    """One bound alone is no interval."""
    assert numbers.signed_range(0.022, 0.0401) == "[+2.20%, +4.01%]"
    assert numbers.signed_range(None, 0.1) == numbers.signed_range(0.1, None) == numbers.MISSING


def test_ticks_are_short() -> None:
    """An axis has no trailing zeros and no exponents."""
    assert [numbers.compact_tick(v) for v in (0, 500, 20_000, 2_500)] == ["0", "500", "20k", "2.5k"]
    assert [numbers.milliseconds_tick(v) for v in (0.0005, 0.002, 1.0)] == ["0.5", "2", "1,000"]


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("2026-11-22T19:00:00Z", "2026-11-22 19:00 UTC"),
        ("2026-11-22T19:00:00.123+00:00", "2026-11-22 19:00 UTC"),
        ("yesterday", "yesterday"),
    ],
)
def test_moments(stamp: str, text: str) -> None:
    """A timestamp is said to the minute; what is none is said as it is."""
    assert numbers.moment(stamp) == text
