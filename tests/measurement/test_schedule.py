import random
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.measurement.schedule import (
    LONGEST_SLICE_S,
    SERVERS,
    SIDES,
    ScheduledSlice,
    SliceLength,
    even_lengths_s,
    schedule,
    slice_duration_s,
    start_order,
)
from asgi_bench.model import ROLES, Cell, ClosedLoop

LENGTHS_S = st.dictionaries(
    st.text("abcdef/", min_size=1, max_size=6),
    st.floats(SERVERS.shortest_s, LONGEST_SLICE_S),
    min_size=1,
    max_size=8,
)
DURATIONS_S = st.floats(0.05, 5.0)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(
    lengths_s: Mapping[str, float], duration_s: float, seed: int | str
) -> list[ScheduledSlice]:
    """The schedule of cells that all get the same time."""
    return schedule(lengths_s, dict.fromkeys(lengths_s, duration_s), random.Random(seed))


@given(LENGTHS_S, DURATIONS_S, SEEDS)
def test_each_cell_gets_its_duration_in_slices_of_about_its_length(
    lengths_s: dict[str, float], duration_s: float, seed: int
) -> None:
    """The time of a cell is the asked one exactly, in equal slices near the asked length."""
    pieces = drawn(lengths_s, duration_s, seed)
    assert {piece.cell for piece in pieces} == set(lengths_s)
    for cell, length_s in lengths_s.items():
        own = [piece.duration_s for piece in pieces if piece.cell == cell]
        assert sum(own) == pytest.approx(duration_s, rel=1e-9)
        assert len(set(own)) == 1
        if duration_s <= length_s:
            assert len(own) == 1
        else:
            assert length_s * 2 / 3 <= own[0] * (1 + 1e-9)
            assert own[0] * (1 - 1e-9) <= length_s * 3 / 2


@given(st.floats(0.1, 3.0), st.floats(0.1, 3.0), SEEDS)
def test_cells_may_have_durations_of_their_own(one_s: float, other_s: float, seed: int) -> None:
    """Where the durations differ, each cell gets its own."""
    pieces = schedule({"a": 0.1, "b": 0.1}, {"a": one_s, "b": other_s}, random.Random(seed))
    for cell, duration_s in (("a", one_s), ("b", other_s)):
        got_s = sum(piece.duration_s for piece in pieces if piece.cell == cell)
        assert got_s == pytest.approx(duration_s)


@given(LENGTHS_S, DURATIONS_S, SEEDS)
def test_the_order_hangs_on_the_seed_alone(
    lengths_s: dict[str, float], duration_s: float, seed: int
) -> None:
    """The same seed gives the same order, in whatever order the cells were opened."""
    again = dict(reversed(lengths_s.items()))
    assert drawn(lengths_s, duration_s, seed) == drawn(again, duration_s, seed)


def test_the_order_is_random() -> None:
    """Over seeds every cell is first about equally often, and orders hardly ever repeat."""
    lengths_s = dict.fromkeys("abcd", 0.1)
    orders = [[piece.cell for piece in drawn(lengths_s, 2.0, seed)] for seed in range(400)]
    assert len({tuple(order) for order in orders}) == 400
    firsts = Counter(order[0] for order in orders)
    # 100 each with a standard deviation of 8.7.
    assert all(60 < firsts[cell] < 140 for cell in "abcd")


@given(LENGTHS_S, DURATIONS_S, SEEDS)
def test_no_cell_starves(lengths_s: dict[str, float], duration_s: float, seed: int) -> None:
    """Every cell is visited all along the block: others come in between only by their share.

    A cell of n slices has one in each n-th of the block, so two of them are less than two n-ths
    apart, and of another cell's m slices at most 2 m / n and two halves fall between.
    """
    pieces = drawn(lengths_s, duration_s, seed)
    counts = Counter(piece.cell for piece in pieces)
    for cell, count in counts.items():
        places = [place for place, piece in enumerate(pieces) if piece.cell == cell]
        bounds = [-1, *places, len(pieces)]
        for here, there in pairwise(bounds):
            between = Counter(piece.cell for piece in pieces[here + 1 : there])
            assert all(between[other] <= 2 * counts[other] / count + 2 for other in between)


@given(st.integers(2, 8), st.integers(1, 40), SEEDS)
def test_cells_of_one_length_take_turns(cells: int, slices: int, seed: int) -> None:
    """Equal cells come once each in every turn, in an order of its own."""
    lengths_s = {f"cell-{number}": 0.05 for number in range(cells)}
    order = [piece.cell for piece in drawn(lengths_s, 0.05 * slices, seed)]
    turns = [order[start : start + cells] for start in range(0, len(order), cells)]
    assert len(turns) == slices
    assert all(sorted(turn) == sorted(lengths_s) for turn in turns)


@pytest.mark.parametrize(
    ("length", "response_times", "shortest_s"), [(SERVERS, 16, 0.1), (SIDES, 1, 0.005)]
)
@given(connections=st.integers(1, 10_000), throughput_rps=st.floats(0.1, 200_000))
def test_a_slice_lasts_some_response_times_within_its_limits(
    length: SliceLength,
    response_times: int,
    shortest_s: float,
    connections: int,
    throughput_rps: float,
) -> None:
    """Little's law gives the response time; slices of an A/B are shorter than those of servers."""
    duration_s = slice_duration_s(connections, throughput_rps, length)
    assert shortest_s <= duration_s <= 1.0
    if shortest_s < duration_s < 1.0:
        assert duration_s == pytest.approx(response_times * connections / throughput_rps)


def test_a_cell_that_answered_nothing_gets_the_longest_slices() -> None:
    """Without a rate there is no response time to go by."""
    assert slice_duration_s(64, 0.0) == 1.0


def sides_of(server: str) -> list[Cell]:
    """A cell once for each side."""
    return [Cell(server, "default", 1, "hello", ClosedLoop(64), role) for role in ROLES]


@given(SEEDS, st.integers(0, 5))
def test_sides_go_through_all_their_orders_of_starting(seed: int, cycle: int) -> None:
    """In every six rounds each order of the three sides comes once, for all servers alike."""
    cells = [*sides_of("a"), *sides_of("b")]
    orders = []
    for round in range(6 * cycle, 6 * cycle + 6):
        ordered = start_order(cells, seed, round, 0)
        assert sorted(cell.key for cell in ordered) == sorted(cell.key for cell in cells)
        by_server = [
            tuple(cell.setup for cell in ordered if cell.server == name) for name in ("a", "b")
        ]
        assert by_server[0] == by_server[1]
        orders.append(by_server[0])
    assert len(set(orders)) == 6


def test_each_of_many_setups_starts_at_each_place() -> None:
    """Of more than three setups each stands at each place once in as many rounds."""
    names = ("py3.11", "py3.12", "py3.13", "py3.14")
    cells = [Cell("a", "default", 1, "hello", ClosedLoop(64), name) for name in names]
    orders = [[cell.setup for cell in start_order(cells, 1, round, 0)] for round in range(4)]
    places = [sorted(filter(None, place)) for place in zip(*orders, strict=True)]
    assert places == [list(names)] * 4


def test_sides_have_as_many_slices_as_the_slowest() -> None:
    """All sides of a cell get the slices of the slowest of them; other cells keep their own."""
    sides, other = sides_of("a"), Cell("b", "default", 1, "hello", ClosedLoop(64))
    lengths_s = dict(zip(sides, (0.02, 0.03, 0.05), strict=True)) | {other: 0.4}
    even = even_lengths_s(lengths_s)
    assert {even[cell.key] for cell in sides} == {0.05}
    assert even[other.key] == 0.4
