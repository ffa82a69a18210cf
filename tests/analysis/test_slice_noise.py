from collections.abc import Sequence
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.slice_noise import (
    coefficient_of_variation,
    lag1_autocorrelation,
    length_effects,
    log_mean,
    shortest_length_s,
    slice_losses,
    start_variation,
)
from asgi_bench.model.calibration import LengthEffect, LengthVerdict

SHORT_S, MIDDLE_S, LONG_S = 0.02, 0.1, 0.5
SLICES = {SHORT_S: 5, MIDDLE_S: 2, LONG_S: 1}
RATE_RPS = 1000.0

Rates = dict[float, list[tuple[float, float]]]


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
    losses_s: tuple[float, float], scatter: float, segments: int = 8, seed: int = 4
) -> Rates:
    """Rates in a ratio of 1.5 where every slice loses so much of either server.

    Each slice scatters alike whatever its length, and a segment's phase moves all of it.
    """
    generator = np.random.default_rng(seed)
    phases = generator.normal(scale=0.1, size=segments)

    def rate_rps(side: int, length_s: float, phase: float) -> float:
        noise = generator.normal(scale=scatter / SLICES[length_s] ** 0.5)
        whole_rps = (1.5 if side == 0 else 1.0) * RATE_RPS
        return whole_rps * (1 - losses_s[side] / length_s) * exp(phase + noise)

    return {
        length_s: [(rate_rps(0, length_s, phase), rate_rps(1, length_s, phase)) for phase in phases]
        for length_s in SLICES
    }


def test_length_that_changes_the_ratio_is_found() -> None:
    """A loss of 1 ms more is 5 % of 20 ms and 1 % of 100 ms, and of no matter in 500 ms."""
    effects = length_effects(rates_of((0.002, 0.001), 0.001), SLICES)
    assert [effect.slice_s for effect in effects] == [SHORT_S, MIDDLE_S, LONG_S]
    assert effects[0].verdict == "different" and effects[2].verdict == "same"
    changes = [effect.change - 1 for effect in effects]
    assert changes == pytest.approx([-0.05, -0.01, -0.002], rel=0.15)
    assert effects[2].ratio == pytest.approx(1.5, rel=0.01)
    assert effects[0].ratio == pytest.approx(1.5 * 0.9 / 0.95, rel=0.01)


def test_losses_are_those_of_the_servers() -> None:
    """What each slice loses is found for either server, within its bounds, in seconds."""
    rates_rps = rates_of((0.002, 0.0005), 0.01, segments=60)
    ours, theirs = slice_losses(("a", "b"), rates_rps, SLICES)
    assert (ours.server, theirs.server) == ("a", "b")
    # The line is of logarithms, which 10 % bend by a twentieth.
    assert ours.loss_s == pytest.approx(0.0021, abs=0.0003)
    assert theirs.loss_s == pytest.approx(0.0005, abs=0.0003)
    assert ours.lower_s is not None and ours.upper_s is not None
    assert ours.lower_s < ours.loss_s < ours.upper_s


def test_long_slices_are_known_better_than_short_ones() -> None:
    """The line leaves of the bounds at 20 ms a fifth at 100 ms, and a twenty-fifth at 500 ms."""
    effects = length_effects(rates_of((0.0, 0.0), 0.05), SLICES)
    widths = [np.log((each.change_upper or 0) / (each.change_lower or 1)) for each in effects]
    assert widths == pytest.approx([widths[0], widths[0] / 5, widths[0] / 25])


@pytest.mark.parametrize("losses_s", [(0.0, 0.0), (0.002, 0.002), (0.002, 0.0012)])
def test_bounds_hold_the_truth_as_often_as_they_say(losses_s: tuple[float, float]) -> None:
    """Of 400 calibrations with noise like a busy host's, about 5 % of the bounds miss."""
    truth = -(losses_s[0] - losses_s[1]) / SHORT_S
    missed = 0
    for seed in range(400):
        (short, *_) = length_effects(rates_of(losses_s, 0.2, 40, seed), SLICES)
        assert short.change_lower is not None and short.change_upper is not None
        # A tenth of a slice lost bends the line of logarithms a little.
        missed += not np.log(short.change_lower) <= truth * 1.07 <= np.log(short.change_upper)
    assert missed / 400 < 0.085


def test_length_is_undecided_where_noise_hides_it() -> None:
    """A scatter of 20 % leaves 20 ms undecided, and the default stays: nothing shorter is shown."""
    effects = length_effects(rates_of((0.0, 0.0), 0.2), SLICES)
    assert effects[0].verdict == "undecided"
    assert shortest_length_s(effects, MIDDLE_S) == MIDDLE_S


def test_common_noise_of_a_segment_drops_out() -> None:
    """Lengths are compared segment by segment: what moves all of a segment decides nothing."""
    rates_rps = [(1500 * phase, 1000.0) for phase in (0.5, 1.0, 2.0, 0.7, 1.3, 0.9)]
    effects = length_effects({SHORT_S: rates_rps, LONG_S: rates_rps}, SLICES)
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
    (short, _) = length_effects(pairs, SLICES)
    assert short.change == pytest.approx(1, abs=0.01)
    # The mean of logarithms would have it 4.5 % off.
    assert np.log(many).mean() - np.log(few).mean() > 0.04
    assert short.verdict == "same"


@given(st.lists(st.tuples(st.floats(1, 1e5), st.floats(1, 1e5)), min_size=3, max_size=20))
def test_interval_of_a_ratio_holds_it(pairs: list[tuple[float, float]]) -> None:
    """Whatever the rates, the ratio of the totals lies within its bounds."""
    (only, _) = length_effects({SHORT_S: pairs, LONG_S: pairs}, SLICES)
    assert only.ratio == pytest.approx(sum(x for x, _ in pairs) / sum(y for _, y in pairs))
    assert only.ratio_lower is not None and only.ratio_upper is not None
    assert only.ratio_lower <= only.ratio <= only.ratio_upper


def test_few_segments_decide_nothing() -> None:
    """Without bounds no length is found to differ, however far it is off."""
    rates_rps = {SHORT_S: [(1.0, 1.0), (1.0, 1.0)], LONG_S: [(2.0, 1.0), (2.0, 1.0)]}
    (short, _) = length_effects(rates_rps, SLICES)
    assert (short.verdict, short.change_lower) == ("undecided", None)


@pytest.mark.parametrize(
    "rates_rps",
    [{}, {LONG_S: [(1.0, 1.0)] * 3}, {SHORT_S: [(1.0, 1.0)], LONG_S: [(1.0, 1.0)] * 2}],
)
def test_lengths_need_the_same_segments(rates_rps: Rates) -> None:
    """One length, or what has no common segments, can't be compared."""
    for find in (length_effects, lambda *given: slice_losses(("a", "b"), *given)):
        with pytest.raises(ValueError, match="two lengths"):
            find(rates_rps, SLICES)


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
        (("same", "same", "same"), 1),
        (("undecided", "same", "same"), 2),
        (("undecided", "undecided", "undecided"), 2),
        (("different", "undecided", "same"), 2),
        (("same", "undecided", "undecided"), 1),
        (("same", "different", "same"), 3),
        (("different", "different", "same"), 3),
        (("different", "different", "different"), 3),
    ],
)
def test_shortest_length_is_shown_or_the_default(
    verdicts: Sequence[LengthVerdict], shortest_s: float
) -> None:
    """Below the default of 2 s a length has to be shown the same, from there on not to differ.

    What is refused refuses all below it: that one of them seems right then is chance.
    """
    assert shortest_length_s(effects_of(*verdicts), 2.0) == shortest_s


def test_no_shortest_length() -> None:
    """Without a length there is none to choose."""
    with pytest.raises(ValueError, match="length"):
        shortest_length_s([], MIDDLE_S)
