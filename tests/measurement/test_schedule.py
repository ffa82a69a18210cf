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
    Visits,
    balanced_turns,
    even_lengths_s,
    even_visits,
    schedule,
    slice_duration_s,
    start_order,
    times_as_often,
)
from asgi_bench.model import ROLES, Cell, ClosedLoop

LENGTHS_S = st.dictionaries(
    st.text("abcdef/", min_size=1, max_size=6),
    st.floats(SERVERS.shortest_s, LONGEST_SLICE_S),
    min_size=1,
    max_size=8,
)
DURATIONS_S = st.floats(0.05, 5.0)
COUNTS = st.dictionaries(
    st.text("abcdef/", min_size=1, max_size=6), st.integers(1, 40), min_size=1, max_size=8
)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(counts: Mapping[str, int], seed: int | str) -> list[ScheduledSlice]:
    """The schedule of cells that come by so often, each for as long."""
    visits = {cell: Visits(count, 0.05) for cell, count in counts.items()}
    return schedule(visits, random.Random(seed))


def turns_of(cells: int, count: int, seed: int) -> list[tuple[str, ...]]:
    """So many turns of so many cells."""
    names = [f"cell-{number}" for number in range(cells)]
    return list(balanced_turns(names, count, random.Random(seed)))


@given(LENGTHS_S, DURATIONS_S)
def test_all_cells_come_by_equally_often(lengths_s: dict[str, float], duration_s: float) -> None:
    """Slow cells have longer slices, not fewer; no cell has less than half of its own time."""
    visits = even_visits(lengths_s, dict.fromkeys(lengths_s, duration_s))
    assert len({each.count for each in visits.values()}) == 1
    for cell, each in visits.items():
        assert each.duration_s >= lengths_s[cell]
        assert each.together_s >= duration_s / 2 * (1 - 1e-9)


@given(LENGTHS_S, DURATIONS_S, st.integers(1, 5))
def test_the_reference_comes_by_so_many_times_as_often(
    lengths_s: dict[str, float], duration_s: float, times: int
) -> None:
    """It alone, and no cell has less than half of its own time."""
    reference = min(lengths_s)
    visits = even_visits(lengths_s, dict.fromkeys(lengths_s, duration_s), {reference: times})
    others = {visits[cell].count for cell in lengths_s if cell != reference}
    assert others <= {visits[reference].count / times}
    for cell, each in visits.items():
        assert each.duration_s >= lengths_s[cell]
        assert each.together_s >= duration_s / 2 * (1 - 1e-9)


@pytest.mark.parametrize(("compared", "times"), [(0, 1), (1, 1), (3, 2), (10, 3), (22, 5)])
def test_a_reference_is_seen_as_often_as_the_root_of_those_it_is_compared_with(
    compared: int, times: int
) -> None:
    """Dunnett's allocation, in whole visits; nobody comes by less often than once."""
    assert times_as_often(compared) == times


@given(st.floats(0.02, 0.1), st.integers(1, 8), DURATIONS_S)
def test_all_cells_together_get_the_time_that_was_asked_for(
    length_s: float, cells: int, duration_s: float
) -> None:
    """Where slices are alike each cell gets its time, to a slice."""
    names = [f"cell-{number}" for number in range(cells)]
    visits = even_visits(dict.fromkeys(names, length_s), dict.fromkeys(names, duration_s))
    for each in visits.values():
        assert each.together_s == pytest.approx(max(duration_s, length_s), abs=length_s / 2 + 1e-9)


@given(COUNTS, SEEDS)
def test_each_cell_has_all_its_slices(counts: dict[str, int], seed: int) -> None:
    """Whatever is placed between, none is lost."""
    assert Counter(piece.cell for piece in drawn(counts, seed)) == counts


@given(COUNTS, SEEDS)
def test_the_order_hangs_on_the_seed_alone(counts: dict[str, int], seed: int) -> None:
    """The same seed gives the same order, in whatever order the cells were opened."""
    assert drawn(counts, seed) == drawn(dict(reversed(counts.items())), seed)


def test_the_order_is_random() -> None:
    """Over seeds every cell is first about equally often, and there are many orders."""
    orders = [
        tuple(piece.cell for piece in drawn(dict.fromkeys("abcd", 20), seed)) for seed in range(400)
    ]
    # 4! names of the cells and 8 first rows, of which some come to the same.
    assert len(set(orders)) > 60
    firsts = Counter(order[0] for order in orders)
    # 100 each with a standard deviation of 8.7.
    assert all(60 < firsts[cell] < 140 for cell in "abcd")


@given(COUNTS, SEEDS)
def test_no_cell_starves(counts: dict[str, int], seed: int) -> None:
    """Every cell is visited all along the block: others come in between only by their share.

    A cell of n slices has one in each n-th of the block, so two of them are less than two n-ths
    apart, and of another cell's m slices at most 2 m / n and two halves fall between.
    """
    pieces = drawn(counts, seed)
    for cell, count in counts.items():
        places = [place for place, piece in enumerate(pieces) if piece.cell == cell]
        bounds = [-1, *places, len(pieces)]
        for here, there in pairwise(bounds):
            between = Counter(piece.cell for piece in pieces[here + 1 : there])
            assert all(between[other] <= 2 * counts[other] / count + 2 for other in between)


@given(st.integers(2, 8), st.integers(1, 40), SEEDS)
def test_cells_that_come_by_equally_often_take_turns(cells: int, slices: int, seed: int) -> None:
    """Equal cells come once each in every turn."""
    counts = {f"cell-{number}": slices for number in range(cells)}
    order = [piece.cell for piece in drawn(counts, seed)]
    turns = [order[start : start + cells] for start in range(0, len(order), cells)]
    assert len(turns) == slices
    assert all(sorted(turn) == sorted(counts) for turn in turns)


@given(st.integers(2, 13), SEEDS)
def test_turns_balance_places_and_neighbours(cells: int, seed: int) -> None:
    """In twice as many turns as cells each is twice at each place, and twice after each other."""
    turns = turns_of(cells, 2 * cells, seed)
    places = Counter((cell, place) for turn in turns for place, cell in enumerate(turn))
    assert len(places) == cells * cells and set(places.values()) == {2}
    neighbours = Counter(pair for turn in turns for pair in pairwise(turn))
    assert len(neighbours) == cells * (cells - 1) and set(neighbours.values()) == {2}


@given(st.integers(6, 13), SEEDS)
def test_visits_lie_evenly(cells: int, seed: int) -> None:
    """Between two visits of a cell nearly all others come by once: at most two are lacking or more.

    But where a square ends and its mirror begins, and at the turns of its zigzag.
    """
    order = [cell for turn in turns_of(cells, 4 * cells, seed) for cell in turn]
    places: dict[str, list[int]] = {}
    for place, cell in enumerate(order):
        places.setdefault(cell, []).append(place)
    gaps = [there - here for own in places.values() for here, there in pairwise(own)]
    even = sum(abs(gap - cells) <= 2 for gap in gaps)
    assert even >= 0.8 * len(gaps)


@pytest.mark.parametrize(
    ("length", "response_times", "shortest_s"), [(SERVERS, 3, 0.02), (SIDES, 1, 0.005)]
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
