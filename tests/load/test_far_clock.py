"""How a load host's clock is brought to ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load.far_clock import Trip, far_clock, on_our_clock
from asgi_bench.load.messages import Closed, Loaded, Loss, Opened
from asgi_bench.model import ErrorCounts, WrongAnswer

WAY = st.floats(1e-5, 0.05)


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(WAY, WAY), min_size=1, max_size=16))
def test_a_clock_is_known_to_half_of_the_shortest_round_trip(
    offset_s: float, ways: list[tuple[float, float]]
) -> None:
    """However long others were on their way, and on whichever way."""
    trips = []
    for number, (there_s, back_s) in enumerate(ways):
        sent_s = float(number)
        trips.append(Trip(sent_s, sent_s + there_s + offset_s, sent_s + there_s + back_s))
    found = far_clock(trips)
    assert found.round_trip_s == pytest.approx(min(map(sum, ways)), abs=1e-9)
    assert abs(found.offset_s - offset_s) <= found.round_trip_s / 2 + 1e-6


def test_moments_are_told_by_our_clock() -> None:
    """Of a slice, its losses and its wrong answers; lengths and counts stay."""
    wrong = WrongAnswer("status", "GET /", "status 500", at_s=103.0)
    loaded = Loaded(
        begin_s=102.0,
        end_s=104.0,
        requests=7,
        sent=8,
        errors=ErrorCounts(status=1),
        load_cpu_s=0.5,
        losses=(Loss(102.5, 103.0, "status", True),),
        wrong_answers=(wrong,),
    )
    ours = on_our_clock(loaded, 100.0)
    assert isinstance(ours, Loaded)
    assert (ours.begin_s, ours.end_s, ours.duration_s) == (2.0, 4.0, loaded.duration_s)
    assert ours.losses == (Loss(2.5, 3.0, "status", True),)
    assert ours.wrong_answers[0].at_s == 3.0
    assert (ours.requests, ours.load_cpu_s) == (7, 0.5)
    closed = Closed({}, 0, 0, 8, ErrorCounts(), None, wrong_answers=(wrong,))
    of_close = on_our_clock(closed, 100.0)
    assert isinstance(of_close, Closed)
    assert of_close.wrong_answers[0].at_s == 3.0
    assert on_our_clock(Opened(1.0, ()), 100.0) == Opened(1.0, ())
