import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ttest_rel

from asgi_bench.analysis.intervals import log_interval
from asgi_bench.analysis.pairs import holm, pairs

P_VALUES = st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=30)


def logs_of(cells: int, rounds: int, seed: int = 1) -> np.ndarray:
    """Log figures of cells that differ by a tenth from one to the next, scattered by 3 %."""
    random = np.random.default_rng(seed)
    truth = 0.1 * np.arange(cells) + random.normal(0, 0.2, (rounds, 1))
    return np.asarray(truth + random.normal(0, 0.03, (rounds, cells)), dtype=np.float64)


def test_plain_test_is_the_paired_t_test() -> None:
    """p is scipy's of a paired t test on logarithms, the interval that of the ratios."""
    logs = logs_of(4, 9)
    found = pairs(logs)
    assert [(pair.a, pair.b) for pair in found] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pair in found:
        a, b = logs[:, pair.a], logs[:, pair.b]
        assert pair.p == pytest.approx(ttest_rel(a, b).pvalue, rel=1e-9)
        assert pair.round_ratios == pytest.approx(np.exp(a - b).tolist())
        expected = log_interval(pair.round_ratios)
        assert pair.ratio.value == pytest.approx(expected.value)
        assert (pair.ratio.lower, pair.ratio.upper) == pytest.approx(
            (expected.lower, expected.upper)
        )


def test_trimmed_interval_is_yuens() -> None:
    """Ten rounds lose two at either end; the spread is that of the winsorized ones."""
    ratios = np.array([-9.0, -2.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 90.0])
    logs = np.stack([ratios / 100, np.zeros(10)], axis=1)
    (pair,) = pairs(logs)
    kept = ratios[2:8] / 100
    winsorized = np.array([1, 1, 1, 2, 3, 4, 5, 6, 6, 6]) / 100
    error = math.sqrt(9 * winsorized.var(ddof=1) / (6 * 5))
    width = 2.5705818366147 * error
    expected = np.exp([kept.mean() - width, kept.mean(), kept.mean() + width])
    found = (pair.trimmed.lower, pair.trimmed.value, pair.trimmed.upper)
    assert found == pytest.approx(tuple(expected))


def test_pairs_rest_on_their_common_rounds() -> None:
    """A round that one of the two lacks is left out of this pair, and of no other."""
    logs = logs_of(3, 8)
    whole = pairs(logs)
    logs[2, 0] = np.nan
    found = pairs(logs)
    assert [len(pair.round_ratios) for pair in found] == [7, 7, 8]
    assert found[2] == whole[2]
    logs[:, 0] = np.nan
    assert [(pair.a, pair.b) for pair in pairs(logs)] == [(1, 2)]


@pytest.mark.parametrize("rounds", [1, 2])
def test_too_few_rounds_tell_nothing(rounds: int) -> None:
    """Under 3 rounds a ratio has no bounds and p is 1."""
    for pair in pairs(logs_of(3, rounds)):
        assert pair.ratio.value is not None
        assert (pair.ratio.lower, pair.trimmed.upper, pair.p) == (None, None, 1.0)


def test_rounds_without_scatter() -> None:
    """Rounds that agree exactly are certain, unless they agree that there is no difference."""
    logs = np.tile(np.log([2.0, 1.0, 1.0]), (6, 1))
    first, _, last = pairs(logs)
    assert first.p == 0
    assert first.ratio.value == first.ratio.upper == pytest.approx(2)
    assert last.p == 1


def test_planned_looks_widen() -> None:
    """Where the scatter chose the number of rounds, bounds are wider and p higher."""
    logs = logs_of(2, 9)
    (plain,), (looked,) = pairs(logs), pairs(logs, looked=True)
    assert looked.ratio.value == plain.ratio.value
    assert (looked.ratio.lower or 1) < (plain.ratio.lower or 0)
    assert looked.p > plain.p


def test_holm_known_values() -> None:
    """The smallest of four is taken times four, the next times three; none falls back."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(P_VALUES)
def test_holm_lies_between_benjamini_and_bonferroni(p_values: list[float]) -> None:
    """Stricter than the control of false discoveries, laxer than Bonferroni, order kept."""
    found = np.array(holm(p_values))
    p = np.array(p_values)
    assert (found <= np.minimum(p * len(p), 1) + 1e-12).all()
    assert (found >= false_discovery_control(p) - 1e-12).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
