from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.measurement.rounds import rounds_and_blocks
from tests.synthetic_run import REFERENCE, plan_of, planned_cells

CELLS = planned_cells(worker_counts=(1, 2, 4))


def order_of(seed: int, rounds: int = 30) -> list[tuple[int, int]]:
    """Rounds and blocks as they will come."""
    plan = plan_of(CELLS, rounds=rounds, seed=seed)
    return [(round, block) for round, block, _ in rounds_and_blocks(plan, CELLS)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_each_round_has_every_block_once(seed: int, rounds: int) -> None:
    """Rounds follow one another, each with all blocks."""
    order = order_of(seed, rounds)
    assert [round for round, _ in order] == [round for round in range(rounds) for _ in range(3)]
    assert sorted(order) == [(round, block) for round in range(rounds) for block in range(3)]


def test_the_order_of_blocks_is_random_and_hangs_on_the_seed() -> None:
    """The same seed gives the same order; rounds differ in it, and so do seeds."""
    assert order_of(7) == order_of(7)
    assert order_of(7) != order_of(8)
    order = order_of(7)
    assert len({tuple(order[start : start + 3]) for start in range(0, 90, 3)}) > 3
    assert {order[start][1] for start in range(0, 90, 3)} == {0, 1, 2}


def test_the_reference_is_in_every_block_and_others_in_their_own() -> None:
    """A block is one worker count, and the cell that all are compared with."""
    plan = plan_of(CELLS, rounds=1)
    for _, block, members in rounds_and_blocks(plan, CELLS):
        workers = (1, 2, 4)[block]
        others = [m for m in members if not m.cell.key.startswith(REFERENCE)]
        assert len(members) == len(others) + 1
        assert {member.cell.workers for member in others} == {workers}
        assert all(block in member.blocks for member in members)


def test_a_plan_without_cells_has_no_rounds() -> None:
    """Where nothing can be measured nothing is started."""
    assert list(rounds_and_blocks(plan_of(CELLS), [])) == []
