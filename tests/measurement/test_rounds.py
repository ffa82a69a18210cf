from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.measurement.rounds import known_ceilings_rps, rounds_and_blocks
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    REFERENCE,
    plan_of,
    planned_cells,
    synthetic_run,
)

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


def test_shares_of_rates_stay_those_of_the_first_round() -> None:
    """A run that goes on offers what its first round fixed, in steps and in shares alike."""
    cells = planned_cells((CLOSED_64, *OPEN_AND_SWEEP), (1,))
    run = synthetic_run(cells, rounds=2)
    relative = [one.cell for one in cells if one.cell.load.is_relative]
    found = known_ceilings_rps(run.header.plan, run.trials)
    assert found.keys() == {cell.key for cell in relative}
    for cell in relative:
        trial = next(trial for trial in run.trials if trial.cell == cell.key)
        offered = [piece.offered_rps for piece in trial.slices if cell.load.is_sweep]
        for share in cell.load.shares:
            assert any(abs(found[cell.key] * share - (rps or 0)) < 1e-6 * share for rps in offered)
        if trial.offered_rps is not None:
            assert cell.load.rate_of(found[cell.key]) == trial.offered_rps
    assert known_ceilings_rps(run.header.plan, ()) == {}


def test_rounds_from_the_middle_on_are_those_there_would_have_been() -> None:
    """Blocks come in the order of an uninterrupted run."""
    cells = planned_cells()
    plan = plan_of(cells, rounds=6)
    order = list(rounds_and_blocks(plan, cells))
    assert list(rounds_and_blocks(plan, cells, 4)) == [each for each in order if each[0] >= 4]
