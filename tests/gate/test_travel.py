"""How far a count travels: the order in which places are counted, and the table."""

import msgspec

from gate.travel import HERE, PLACES, TravelRecord, next_place, travel_table
from tests.synthetic_counts import counted_run


def record(kind: str, number: int, more: float = 0.0) -> TravelRecord:
    """A place in a layout, where a request takes so much more."""
    run = counted_run(0, more)
    lives = [life for life in run.lives if life.counter == "instructions"]
    mine = tuple(life for life in lives if life.layout == number - 1)
    return TravelRecord(kind, number, msgspec.structs.replace(run.header, label=kind), mine)


def test_all_places_are_counted_in_a_layout_before_the_next() -> None:
    """Whatever was cut is next, and in the end nothing is."""
    done = [record(name, 1) for name in PLACES if name != "nobody"]
    assert next_place([], 2) == (HERE, 1)
    assert next_place(done, 2) == ("nobody", 1)
    assert next_place([*done, record("nobody", 1)], 2) == (HERE, 2)
    assert next_place([*done, record("nobody", 1)], 1) is None


def test_a_place_is_told_against_here() -> None:
    """What a place moves the count by is over the layouts that both have."""
    records = [record(HERE, number) for number in (1, 2, 3)]
    records += [record("long", number, 0.002) for number in (1, 2, 3)]
    *_, here, long = travel_table(records)
    assert here.startswith("| here |") and here.endswith("|  |  |")
    assert long.endswith("| +0.20%, +0.20%, +0.20% | +0.20% |")
