from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.charts.palette import assign_styles
from asgi_bench.reporting.charts.panels import log_ticks, look_of, spread
from asgi_bench.reporting.charts.sheet import INVALID
from tests.synthetic_run import OPEN_AND_SWEEP, planned_cells, synthetic_run

PLACES = st.lists(st.floats(min_value=-50, max_value=150), min_size=1, max_size=9)


@given(PLACES)
def test_labels_never_overlap_nor_leave_the_panel(wanted: list[float]) -> None:
    """Nine labels of height 10 in 100 pixels: each 10 from the next, all inside."""
    places = sorted(spread(wanted, 10, 0, 100))
    assert all(later - earlier >= 10 - 1e-6 for earlier, later in pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= 100 + 1e-6


@given(PLACES)
def test_labels_keep_the_order_of_their_lines(wanted: list[float]) -> None:
    """A label never changes places with that of a line above it."""
    places = spread(wanted, 10, 0, 100)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    assert [places[index] for index in order] == sorted(places)


def test_labels_with_room_stay_at_their_lines() -> None:
    """Where nothing is in the way, nothing is moved."""
    assert spread([20.0, 60.0, 40.0], 10, 0, 100) == pytest.approx([20.0, 60.0, 40.0])


def test_crowded_labels_share_the_shift() -> None:
    """Three lines at one place get their labels above, at and below it."""
    assert spread([50.0, 50.0, 50.0], 10, 0, 100) == pytest.approx([40.0, 50.0, 60.0])


def test_more_labels_than_fit_are_crowded_evenly() -> None:
    """Twenty labels in too small a panel still all lie inside it."""
    places = spread([50.0] * 20, 10, 0, 100)
    assert (min(places), max(places)) == pytest.approx((0.0, 100.0))


def test_no_labels() -> None:
    """A panel without lines needs no labels."""
    assert spread([], 10, 0, 100) == []


def test_invalid_lines_are_gray_dotted_and_hatched() -> None:
    """A sweep or a point that can't be believed never has the colour of one that can."""
    report = summarize(synthetic_run(planned_cells(OPEN_AND_SWEEP, worker_counts=(1,))[:3]))
    (style,) = assign_styles(report.everything).values()
    for cell in (report.cells[0], report.sweeps[0]):
        sound = look_of(cell, style)
        spoilt = look_of(msgspec.structs.replace(cell, validity="invalid"), style)
        assert (sound.color, sound.dash) == (style.color, style.dash)
        assert spoilt.color == INVALID
        assert spoilt.dash != sound.dash
        assert (sound.is_hatched, spoilt.is_hatched) == (False, True)


def test_a_narrow_axis_has_more_ticks() -> None:
    """Figures within one decade can be read off: at least three ticks, all between the ends."""
    assert log_ticks(0.34, 1.9) == [0.4, 0.5, 0.6, 0.8, 1.0, 1.5]
    assert log_ticks(0.1, 2.0) == [0.1, 0.2, 0.5, 1.0, 2.0]
    assert len(log_ticks(9_500, 31_000)) >= 3
