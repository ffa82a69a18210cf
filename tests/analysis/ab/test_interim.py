from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.ab.interim import FEWEST_BLOCKS, look_at_end, looks_of, spent_by
from asgi_bench.model import Gate

DURATIONS_S = st.lists(st.floats(0.5, 20), min_size=1, max_size=60)
GATES = st.builds(
    Gate,
    alpha=st.floats(0.001, 0.2),
    looks=st.sampled_from([(1.0,), (0.5, 1.0), (0.3, 0.6, 1.0)]),
    budget_s=st.floats(5, 300),
)


@given(GATES, DURATIONS_S, st.floats(0, 4))
def test_all_looks_together_spend_at_most_alpha(
    gate: Gate, durations_s: list[float], spent_s: float
) -> None:
    """However long blocks take, the looks share out alpha and never more."""
    looks = looks_of(gate, list(accumulate(durations_s)), 1000, spent_s=spent_s)
    assert sum(look.level for look in looks) <= gate.alpha + 1e-12
    assert all(look.level > 0 for look in looks)


@given(GATES, DURATIONS_S)
def test_looks_hang_on_nothing_that_comes_later(gate: Gate, durations_s: list[float]) -> None:
    """Judged again from a part of its blocks, a run has the looks it had then."""
    ends_s = list(accumulate(durations_s))
    looks = looks_of(gate, ends_s, 1000)
    for part in range(1, len(ends_s) + 1):
        first = looks_of(gate, ends_s[:part], 1000)
        assert first == tuple(look for look in looks if look.blocks <= part)


def test_the_last_look_comes_when_no_other_block_fits_and_spends_the_rest() -> None:
    """At the end of the budget all of alpha is spent, and the look knows that it is the last."""
    gate = Gate(budget_s=100)
    ends_s = [3.5 * (block + 1) for block in range(28)]
    looks = looks_of(gate, ends_s, 1000, spent_s=1.0)
    assert [look.blocks for look in looks] == [14, 28]
    assert [look.is_last for look in looks] == [False, True]
    assert sum(look.level for look in looks) == pytest.approx(gate.alpha)


def test_a_number_of_rounds_ends_it_too() -> None:
    """Asked for ten blocks, the tenth is the last, whatever is left of the budget."""
    looks = looks_of(Gate(budget_s=1000), [float(block) for block in range(1, 11)], 10)
    assert looks[-1].blocks == 10
    assert looks[-1].is_last


def test_too_few_blocks_are_looked_at_only_at_the_end() -> None:
    """Before there are blocks enough for an interval no part of alpha is wasted on a look."""
    looks = looks_of(Gate(looks=(0.1, 1.0), budget_s=100), [20.0, 40.0, 60.0, 80.0, 100.0], 1000)
    assert [look.blocks for look in looks] == [5]
    assert looks[0].blocks < FEWEST_BLOCKS
    assert looks[0].level == pytest.approx(0.05)


def test_a_run_that_was_broken_off_spends_what_was_due() -> None:
    """Stopped by the user between looks, it is judged at what may be spent until then."""
    look = look_at_end(Gate(budget_s=100), [8.0 * (block + 1) for block in range(9)], 1000)
    assert look.blocks == 9
    assert not look.is_last
    assert 0 < look.level < 0.05


def test_without_blocks_there_is_nothing_to_spend() -> None:
    """A run that ended before its first block has no look of any level."""
    assert look_at_end(Gate(), [], 1000).level == 0


def test_little_is_spent_early() -> None:
    """At half of the budget an eighth of alpha is spent: the last look has nearly all of it."""
    assert spent_by(Gate(alpha=0.04), 0.5) == pytest.approx(0.005)
    assert spent_by(Gate(alpha=0.04), 1.0) == pytest.approx(0.04)


def test_what_comes_after_the_budget_spends_no_more() -> None:
    """The last look had all of alpha: a block that ends beyond it gets nothing."""
    gate = Gate(budget_s=10)
    (last,) = looks_of(gate, [9.0, 18.0], 1000)
    assert last.blocks == 1
    assert last.level == pytest.approx(gate.alpha)
    assert look_at_end(gate, [9.0, 18.0], 1000).level == 0.0
