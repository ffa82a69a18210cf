from collections.abc import Sequence
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.slice_lengths import length_effects, shortest_length_s, slice_losses
from asgi_bench.calibration import LengthEffect, LengthVerdict

SHORT_S, MIDDLE_S, LONG_S = 0.02, 0.1, 0.5
SLICES = {SHORT_S: 5, MIDDLE_S: 2, LONG_S: 1}
RATE_RPS = 1000.0

Rates = dict[float, list[tuple[float, float]]]


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
