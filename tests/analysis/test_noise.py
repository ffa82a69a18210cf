from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.noise import (
    coefficient_of_variation,
    lag1_autocorrelation,
    log_mean,
    start_variation,
)


def test_coefficient_of_variation() -> None:
    """It is the sample's standard deviation over its mean, whatever the unit."""
    assert coefficient_of_variation([90, 100, 110]) == pytest.approx(0.1)
    assert coefficient_of_variation([9, 10, 11]) == pytest.approx(0.1)


@pytest.mark.parametrize("values", [[], [1.0], [-1.0, 1.0]])
def test_no_coefficient_of_variation(values: list[float]) -> None:
    """Under two values, or around 0, there is none."""
    with pytest.raises(ValueError, match="coefficient"):
        coefficient_of_variation(values)


def test_autocorrelation_of_known_processes() -> None:
    """White noise gives about 0, a process of order one its coefficient, a zigzag about -1."""
    generator = np.random.default_rng(1)
    white = generator.normal(size=4000)
    red = [0.0]
    for shock in white:
        red.append(0.7 * red[-1] + shock)
    assert lag1_autocorrelation(list(white)) == pytest.approx(0, abs=0.05)
    assert lag1_autocorrelation(red) == pytest.approx(0.7, abs=0.05)
    assert lag1_autocorrelation([1.0, -1.0] * 500) == pytest.approx(-1, abs=0.01)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0, 3.0, 3.0]])
def test_no_autocorrelation(values: list[float]) -> None:
    """Too few values, or all the same, tell nothing of one another."""
    assert lag1_autocorrelation(values) is None


@given(st.lists(st.floats(1, 1e6), min_size=3, max_size=50))
def test_autocorrelation_is_a_correlation(values: list[float]) -> None:
    """It lies between -1 and 1 whatever the values."""
    found = lag1_autocorrelation(values)
    assert found is None or -1 - 1e-9 <= found <= 1 + 1e-9


def test_log_mean_of_inverse_ratios() -> None:
    """A ratio and its inverse cancel; the half-width is the t interval's."""
    mean, half_width = log_mean([2.0, 0.5, 1.0])
    assert mean == pytest.approx(0)
    # t(0.975, 2 degrees) = 4.3027, standard error log 2 / sqrt 3.
    assert half_width == pytest.approx(4.3027 * log(2) / 3**0.5, rel=1e-4)


def test_log_mean_of_few_ratios() -> None:
    """Under three ratios there is a mean without a bound, and without one nothing."""
    mean, half_width = log_mean([exp(0.1), exp(0.3)])
    assert mean == pytest.approx(0.2)
    assert half_width is None
    for wrong in ([], [1.0, 0.0]):
        with pytest.raises(ValueError, match=r"mean|positive"):
            log_mean(wrong)


def synthetic_blocks(
    start_deviation: float, slice_deviation: float, *, blocks: int, slices: int, seed: int
) -> list[list[float]]:
    """Log ratios of pairs of servers whose starts and slices scatter by so much each."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(blocks):
        ours, theirs = generator.normal(scale=start_deviation, size=2)
        noise = generator.normal(scale=slice_deviation, size=(2, slices))
        found.append(list(ours - theirs + noise[0] - noise[1]))
    return found


def test_start_variation_finds_what_was_put_in() -> None:
    """Starts of 3 % and slices of 10 % are told apart, and the bounds hold the truth."""
    blocks = synthetic_blocks(0.03, 0.1, blocks=3000, slices=8, seed=2)
    found = start_variation(blocks)
    assert found is not None
    assert found.between == pytest.approx(0.03, rel=0.15)
    assert found.within == pytest.approx(0.1, rel=0.05)
    assert found.between_lower < 0.03 < found.between_upper


def test_start_variation_of_identical_starts() -> None:
    """Slices that scatter alone make no variation between starts: 0 is within the bounds."""
    found = start_variation(synthetic_blocks(0.0, 0.1, blocks=8, slices=8, seed=3))
    assert found is not None
    assert found.between_lower == 0
    assert found.between < 0.05
    assert found.between_upper > 0


def test_bounds_of_start_variation_cover() -> None:
    """Over many calibrations 95 % of the intervals hold the truth."""
    held = 0
    for seed in range(300):
        found = start_variation(synthetic_blocks(0.03, 0.05, blocks=8, slices=7, seed=seed))
        assert found is not None
        held += found.between_lower <= 0.03 <= found.between_upper
    assert 270 <= held <= 299


@pytest.mark.parametrize("blocks", [[], [[0.1, 0.2]], [[0.1], [0.2]], [[0.1, 0.2], [0.3]]])
def test_no_start_variation(blocks: list[list[float]]) -> None:
    """It takes two blocks of two slices to tell starts from slices."""
    assert start_variation(blocks) is None


def test_start_variation_cuts_blocks_to_one_length() -> None:
    """A block that has slices more is taken as far as the others go."""
    assert start_variation([[0.1, 0.2, 9.0], [0.3, 0.5]]) == start_variation(
        [[0.1, 0.2], [0.3, 0.5]]
    )
