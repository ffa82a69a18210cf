import msgspec

from asgi_bench.measurement.running_servers import HASH_SEED, with_shared_chance
from asgi_bench.model import ROLES, Cell, ClosedLoop, PlannedCell

CELL = Cell("uvicorn", "default", 1, "hello", ClosedLoop(64))


def seeds(round: int, seed: int = 3, **env: str) -> set[str | None]:
    """The hash seeds that the sides of a block start with."""
    sides = [msgspec.structs.replace(CELL, setup=role) for role in ROLES]
    return {
        with_shared_chance(PlannedCell(side, env=env), seed, round, 0).env.get(HASH_SEED)
        for side in sides
    }


def test_the_sides_of_a_block_share_a_hash_seed_and_blocks_do_not() -> None:
    """One seed a block, another in each, the same again with the run's seed; of one length."""
    drawn = [seeds(round) for round in range(8)]
    assert all(len(one) == 1 for one in drawn)
    values = [value for one in drawn for value in one if value is not None]
    assert len(set(values)) == 8
    assert {len(value) for value in values} == {10}
    assert all(0 <= int(value) < 2**32 for value in values)
    assert drawn == [seeds(round) for round in range(8)]
    assert seeds(0, seed=4) != drawn[0]


def test_a_hash_seed_that_was_asked_for_stands() -> None:
    """`--env PYTHONHASHSEED=7` counts, and cells without sides keep their own chance."""
    assert seeds(0, PYTHONHASHSEED="7") == {"7"}
    assert HASH_SEED not in with_shared_chance(PlannedCell(CELL), 3, 0, 0).env
