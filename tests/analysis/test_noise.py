from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.noise import (
    coefficient_of_variation,
    lag1_autocorrelation,
    length_effects,
    log_mean,
    shortest_length_s,
    start_variation,
)
from asgi_bench.calibration import LengthEffect, LengthVerdict

SHORT_S, MIDDLE_S, LONG_S = 0.02, 0.1, 0.5


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


def rates_of(
    biases: dict[float, float], scatter: float, segments: int = 8
) -> dict[float, list[tuple[float, float]]]:
    """Rates in a ratio of 1.5 times a bias by length, scattering from segment to segment."""
    generator = np.random.default_rng(4)
    return {
        length_s: [
            (1500 * bias * exp(generator.normal(scale=scatter)), 1000.0) for _ in range(segments)
        ]
        for length_s, bias in biases.items()
    }


def test_length_that_changes_the_ratio_is_found() -> None:
    """A bias of 30 % in the shortest slices is `different`, and the next length is recommended."""
    effects = length_effects(rates_of({SHORT_S: 0.7, MIDDLE_S: 1.0, LONG_S: 1.0}, 0.001))
    assert [effect.slice_s for effect in effects] == [SHORT_S, MIDDLE_S, LONG_S]
    assert [effect.verdict for effect in effects] == ["different", "same", "same"]
    assert effects[0].change == pytest.approx(0.7, rel=0.01)
    assert effects[0].ratio == pytest.approx(1.05, rel=0.01)
    assert shortest_length_s(effects) == MIDDLE_S


def test_length_is_undecided_where_noise_hides_it() -> None:
    """A scatter of 20 % leaves a change of nothing undecided: the shortest length stays allowed."""
    effects = length_effects(rates_of({SHORT_S: 1.0, LONG_S: 1.0}, 0.2))
    assert effects[0].verdict == "undecided"
    assert shortest_length_s(effects) == SHORT_S


def test_common_noise_of_a_segment_drops_out() -> None:
    """Lengths are compared segment by segment: what moves all of a segment decides nothing."""
    rates_rps = [(1500 * phase, 1000.0) for phase in (0.5, 1.0, 2.0, 0.7, 1.3, 0.9)]
    effects = length_effects({SHORT_S: rates_rps, LONG_S: rates_rps})
    assert effects[0].verdict == "same"
    assert effects[0].change == pytest.approx(1)
    assert effects[0].ratio_lower is not None and effects[0].ratio_lower < 1.2


def test_noise_of_one_server_in_long_slices_is_no_change() -> None:
    """One slice a segment scatters by 30 %, many by 6 %: the totals are the same all the same."""
    generator = np.random.default_rng(5)
    few, many = (generator.gamma(1 / scatter**2, scatter**2, 20_000) for scatter in (0.3, 0.06))
    pairs = {
        length_s: [(1000 * x, 1000.0) for x in noise]
        for length_s, noise in ((SHORT_S, many), (LONG_S, few))
    }
    (short, _) = length_effects(pairs)
    assert short.change == pytest.approx(1, abs=0.01)
    # The mean of logarithms would have it 4.5 % off.
    assert np.log(many).mean() - np.log(few).mean() > 0.04
    assert short.verdict == "same"


@given(st.lists(st.tuples(st.floats(1, 1e5), st.floats(1, 1e5)), min_size=3, max_size=20))
def test_interval_of_a_ratio_holds_it(pairs: list[tuple[float, float]]) -> None:
    """Whatever the rates, the ratio of the totals lies within its bounds."""
    (only,) = length_effects({LONG_S: pairs})
    assert only.ratio == pytest.approx(sum(x for x, _ in pairs) / sum(y for _, y in pairs))
    assert only.ratio_lower is not None and only.ratio_upper is not None
    assert only.ratio_lower <= only.ratio <= only.ratio_upper


def test_few_segments_decide_nothing() -> None:
    """Without bounds no length is found to differ, however far it is off."""
    (short, _) = length_effects(
        {SHORT_S: [(1.0, 1.0), (1.0, 1.0)], LONG_S: [(2.0, 1.0), (2.0, 1.0)]}
    )
    assert (short.verdict, short.change_lower) == ("undecided", None)


@pytest.mark.parametrize("rates_rps", [{}, {SHORT_S: [(1.0, 1.0)], LONG_S: [(1.0, 1.0)] * 2}])
def test_lengths_need_the_same_segments(
    rates_rps: dict[float, list[tuple[float, float]]],
) -> None:
    """What has no common segments can't be compared."""
    with pytest.raises(ValueError, match="segment"):
        length_effects(rates_rps)


def effects_of(*verdicts: LengthVerdict) -> list[LengthEffect]:
    """An effect of each verdict, at lengths of 1, 2, … s."""
    return [
        LengthEffect(float(place), 1.0, None, None, 1.0, None, None, verdict)
        for place, verdict in enumerate(verdicts, start=1)
    ]


@pytest.mark.parametrize(
    ("verdicts", "shortest_s"),
    [
        (("same",), 1),
        (("undecided", "same", "same"), 1),
        (("different", "undecided", "same"), 2),
        (("same", "different", "same"), 3),
        (("different", "different", "same"), 3),
    ],
)
def test_shortest_length_is_above_every_different_one(
    verdicts: tuple[LengthVerdict, ...], shortest_s: float
) -> None:
    """A length counts only if no longer one differs: that it seems right then is chance."""
    assert shortest_length_s(effects_of(*verdicts)) == shortest_s


def test_no_shortest_length() -> None:
    """Without a length there is none to choose."""
    with pytest.raises(ValueError, match="length"):
        shortest_length_s([])
