import math
from importlib.metadata import version

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.history.change_points import (
    FALSE_ALARMS,
    LONGEST_SERIES,
    MIN_SEGMENT,
    find_changes,
    search_rules,
)
from asgi_bench.model import Segmentation

NOISE = 0.01


def noise(length: int, seed: int = 1) -> np.ndarray:
    """Independent normal values."""
    return np.random.default_rng(seed).normal(scale=NOISE, size=length)


@pytest.mark.parametrize("length", [6, 12, 40, 300])
def test_step_is_found_where_it_is(length: int) -> None:
    """A step of ten standard deviations in the middle is the only change, with its size."""
    values = noise(length)
    values[length // 2 :] -= 10 * NOISE
    (step,) = find_changes(values.tolist()).steps
    assert (step.kind, step.place) == ("step", length // 2)
    assert step.first <= step.place <= step.last
    assert step.lower < -10 * NOISE < step.upper
    assert step.change == pytest.approx(-10 * NOISE, rel=0.2)


def test_step_is_seen_after_three_values() -> None:
    """Two values of a new level are no change yet, three are."""
    values = noise(33)
    values[30:] += 8 * NOISE
    assert find_changes(values[:32].tolist()).steps == ()
    (step,) = find_changes(values.tolist()).steps
    assert step.place == 30
    assert MIN_SEGMENT == 3


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("place", [0, 1, 15, 38])
def test_spike_is_no_change(width: int, place: int) -> None:
    """One or two values far away, anywhere, are spikes, and the level is as before."""
    values = noise(40)
    values[place : place + width] += 40 * NOISE
    found = find_changes(values.tolist())
    assert found.steps == ()
    assert set(range(place, min(place + width, 40))) <= set(found.spikes)


def test_spike_does_not_hide_a_step() -> None:
    """A step beside a spike is found as if that were not there."""
    values = noise(40)
    values[20:] += 6 * NOISE
    values[10] -= 50 * NOISE
    found = find_changes(values.tolist())
    assert [step.place for step in found.steps] == [20]
    assert 10 in found.spikes


def test_step_back_is_two_changes() -> None:
    """A level that was left and came back to is two changes, of opposite sign."""
    values = noise(60)
    values[20:40] += 6 * NOISE
    first, second = find_changes(values.tolist()).steps
    assert (first.place, second.place) == (20, 40)
    assert first.change > 0 > second.change


@pytest.mark.parametrize("length", [40, 400])
def test_drift_is_one_change_of_its_own_kind(length: int) -> None:
    """A slow drift isn't taken for steps; its size is from begin to end."""
    values = noise(length) + np.linspace(0, 20 * NOISE, length)
    (drift,) = find_changes(values.tolist()).steps
    assert drift.kind == "drift"
    assert drift.first <= length // 10 and drift.last >= length - 1 - length // 10
    assert drift.lower < drift.change < drift.upper
    assert drift.change == pytest.approx(20 * NOISE, rel=0.25)


@pytest.mark.parametrize("length", range(7))
def test_short_series_has_no_change(length: int) -> None:
    """Under 6 values there are not 3 on either side; noise of 6 is no change."""
    assert find_changes(noise(length).tolist()).steps == ()


def test_constant_series_has_no_change() -> None:
    """Rounding is no change, and a step without any noise is one."""
    assert find_changes([0.1 + 0.2, 0.3] * 20).steps == ()
    for value in (1.0, 0.1, math.log(6.56), math.log(0.571)):
        assert find_changes([value] * 300) == Segmentation((), ())
    assert [step.place for step in find_changes([1.0] * 20 + [2.0] * 20).steps] == [20]


@pytest.mark.parametrize(("length", "series"), [(6, 3000), (20, 1500), (100, 800)])
def test_false_alarms_are_as_rare_as_stated(length: int, series: int) -> None:
    """Without a change hardly a series has one: no more than chance allows at the stated rate."""
    rng = np.random.default_rng(20261124)
    alarms = sum(bool(find_changes(rng.normal(size=length).tolist()).steps) for _ in range(series))
    expected = FALSE_ALARMS * series
    # Poisson: more than this happens in less than one of 1,000 trials.
    assert alarms <= expected + 3.1 * max(expected, 1) ** 0.5


def test_only_the_newest_values_of_a_long_series_are_searched() -> None:
    """Places count from the first of all values."""
    values = noise(LONGEST_SERIES + 500)
    values[:200] += 20 * NOISE
    values[-100:] += 20 * NOISE
    assert [step.place for step in find_changes(values.tolist()).steps] == [LONGEST_SERIES + 400]


@given(values=st.lists(st.floats(min_value=-5, max_value=5), max_size=60))
def test_whatever_is_found_is_within_the_series(values: list[float]) -> None:
    """Changes come in order, each at least 3 values from the ends."""
    found = find_changes(values)
    places = [step.place for step in found.steps if step.kind == "step"]
    assert places == sorted(places)
    assert all(MIN_SEGMENT <= place <= len(values) - MIN_SEGMENT for place in places)
    for step in found.steps:
        assert 0 <= step.first <= step.place <= step.last < max(len(values), 1)
        assert step.lower <= step.change <= step.upper


def test_rules_name_the_library_that_searches() -> None:
    """An index that another version of it has written is found out."""
    assert version("ruptures") in search_rules()
