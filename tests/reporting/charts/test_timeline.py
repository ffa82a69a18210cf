from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure

from asgi_bench.analysis.history.series import History, Series, build_history, run_entry
from asgi_bench.model import RatioPoint
from asgi_bench.model.metrics import THROUGHPUT
from asgi_bench.reporting.charts.drawing import Drawing
from asgi_bench.reporting.charts.palette import mixed
from asgi_bench.reporting.charts.sheet import FAINT_INK, GRID, INK, INVALID, Words, sheet_settings
from asgi_bench.reporting.charts.timeline import (
    MOST_DOTS,
    MOST_PANELS,
    VERMILION,
    draw_history,
    draw_timeline,
    labelled,
    thinned,
)
from asgi_bench.reporting.history import place_sentence
from tests.reporting.charts.sheets import SVG
from tests.synthetic_history import ratio_history, run_at

replace = msgspec.structs.replace
FACTORS = {0: 1.0, 10: 0.9, 16: 1.3, 30: 1.2}


@pytest.fixture(scope="module")
def series() -> Series:
    """A series that changed three times, most in the middle."""
    starts = sorted(FACTORS)
    entries = [
        run_entry(run_at(number, FACTORS[max(s for s in starts if s <= number)]), "facts")
        for number in range(40)
    ]
    found = build_history(entries, {"facts": {}})
    return next(one for one in found.series if one.metric.name == "throughput_rps")


def figure_of(history: History) -> Figure:
    """The sheet with the history's first series."""
    with sheet_settings():
        words = Words("Title", "", (), (), ())
        return draw_timeline(words, history, history.series[:1])


def lines_of(figure: Figure, color: str) -> list[list[tuple[float, float]]]:
    """The lines of a colour on the first panel, by their ends."""
    return [
        [(float(x), float(y)) for x, y in segment]
        for collection in figure.axes[0].collections
        if isinstance(collection, LineCollection)
        and np.allclose(collection.get_color(), to_rgba(color))
        for segment in collection.get_segments()
    ]


def texts_of(drawing: Drawing) -> list[str]:
    """The texts of a drawing."""
    return [
        "".join(each.itertext()) for each in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")
    ]


def test_all_are_labelled_where_there_is_room(series: Series) -> None:
    """Each label stands where its change does, between two runs."""
    assert len(series.shifts) == 3
    assert {place for place, _ in labelled(series, 1.0)} == {9.5, 15.5, 29.5}


def test_the_larger_change_keeps_its_label(series: Series) -> None:
    """Of two that would overlap the smaller one goes without, whatever their order."""
    assert [place for place, _ in labelled(series, 8.0)] == [15.5, 29.5]
    assert [place for place, _ in labelled(series, 100.0)] == [15.5]


def test_its_sentence_names_the_largest_change(series: Series) -> None:
    """What changed most comes with its size and the run it came with; without any it says so."""
    found = place_sentence([series])
    assert found.startswith("3 lasting changes in this series, the largest: granian/uvloop/")
    assert "% faster [" in found
    calm = series._replace(shifts=())
    assert place_sentence([calm, calm]) == "No lasting change in these 2 series."


def test_a_level_is_a_line_from_its_first_run_to_its_last() -> None:
    """Before and after a step there is a line each, at the geometric mean of its runs."""
    before, after = lines_of(
        figure_of(ratio_history(lambda number: 1.0 if number < 8 else 1.2)), INK
    )
    assert [x for x, _ in (*before, *after)] == [0, 7, 8, 19]
    assert [y for _, y in before] == pytest.approx([1.0, 1.0], rel=0.002)
    assert [y for _, y in after] == pytest.approx([1.2, 1.2], rel=0.002)


def test_a_drift_is_a_slope() -> None:
    """What changes bit by bit is a line from where it began to where it has come."""
    found = ratio_history(lambda number: 1.0 + 0.005 * max(number - 30, 0), 60)
    (series,) = found.series
    step, drift = (shift.step for shift in series.shifts)
    assert (step.kind, drift.kind) == ("step", "drift")
    level, slope = lines_of(figure_of(found), INK)
    assert [x for x, _ in level] == [0, step.place - 1]
    assert [x for x, _ in slope] == [drift.first, drift.last]
    assert slope[1][1] / slope[0][1] == pytest.approx(np.exp(drift.change))
    assert (drift.first + drift.last) / 2 in {place for place, _ in labelled(series, 1.0)}


def test_a_spike_is_hollow_and_stays_in_the_panel() -> None:
    """A single run that stands out neither stretches the scale nor moves the level."""
    figure = figure_of(ratio_history(lambda number: 3.0 if number == 9 else 1.0))
    hollow = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    ((x,), (y,)) = np.asarray(hollow[0].get_xdata()), np.asarray(hollow[0].get_ydata())
    assert (x, y) == (9, figure.axes[0].get_ylim()[1])
    assert y < 1.5
    ((start, end),) = lines_of(figure, INK)
    assert (start[0], end[0]) == (0, 19) and start[1] == pytest.approx(1.0, rel=0.002)


def test_a_break_stands_before_its_run() -> None:
    """What the measuring changed with has another line than what the code changed with."""
    kernel = {"machine kernel": "6.12"}
    figure = figure_of(
        ratio_history(lambda number: 1.0, facts={5: kernel, 12: {**kernel, "package h11": "1"}})
    )
    assert lines_of(figure, FAINT_INK) == [[(4.5, 0.0), (4.5, 1.0)]]
    assert lines_of(figure, INVALID) == [[(11.5, 0.0), (11.5, 1.0)]]


def test_a_sheet_has_room_for_so_many_panels() -> None:
    """Series of one load share a sheet; those that find no room are counted, and all is told."""
    found = ratio_history(lambda number: 1.0, cells=MOST_PANELS + 3)
    (drawing,) = draw_history(found)
    assert drawing.fault is None
    assert drawing.name == "history-throughput_rps-hello-c64"
    shown = " ".join(texts_of(drawing))
    assert sum(f"s{cell}/default/w1/hello/c64, throughput" in shown for cell in range(19)) == 16
    assert "3 more without a change are left out" in drawing.words.notes
    for text in (
        "Throughput over time: hello/c64",
        "No lasting change in these 19 series.",
        "ratio to uvicorn/default/w1/hello/c64 in the same run",
        "dot: a run",
    ):
        assert text in shown


def test_the_changed_ones_come_first() -> None:
    """A sheet with a change stands before those without, the change's size and sense beside it."""
    found = ratio_history(lambda number: 1.0 if number < 8 else 0.8)
    calm = ratio_history(lambda number: 1.0).series[0]
    calm = calm._replace(cell="s0/default/w1/hello/c8")
    first, second = draw_history(found._replace(series=(calm, *found.series)))
    assert (first.name[-3:], second.name[-3:]) == ("c64", "-c8")
    assert any(text.endswith("% slower") for text in texts_of(first))
    assert not any("slower" in text for text in texts_of(second))


def series_of(ratios: list[float]) -> Series:
    """A series of these ratios, one a run, in which no change was looked for."""
    name = "s0/default/w1/hello/c64"
    return Series(
        cell=name,
        metric=THROUGHPUT,
        reference="uvicorn/default/w1/hello/c64",
        runs=(),
        numbers=tuple(range(len(ratios))),
        points=tuple(RatioPoint(name, "throughput_rps", "", one, None, None) for one in ratios),
        shifts=(),
        small=0,
        spikes=(),
    )


def test_many_runs_are_thinned() -> None:
    """Of a thousand runs a dot is the median of several, and the sheet says so."""
    many = series_of([1.0] * 1000)
    one = ratio_history(lambda number: 1.0, 1)
    (drawing,) = draw_history(one._replace(series=(many,), runs=one.runs * 1000))
    assert "dot: the median of up to 3 runs" in " ".join(texts_of(drawing))


@settings(max_examples=40)
@given(st.lists(st.floats(0.1, 10.0), min_size=1), st.integers(1, MOST_DOTS))
def test_dots_are_few_and_within_what_they_stand_for(some: list[float], times: int) -> None:
    """However many runs there are, no more dots than can be told apart, none out of range."""
    ratios = some * times
    dots = thinned(series_of(ratios))
    assert len(dots.up) == len(dots.across) == -(-len(ratios) // dots.runs) <= MOST_DOTS
    assert min(ratios) <= dots.up.min() and dots.up.max() <= max(ratios)
    assert dots.across.tolist() == sorted(dots.across.tolist())


@pytest.mark.parametrize(("is_doubtful", "color"), [(False, VERMILION), (True, GRID)])
def test_a_doubtful_change_is_shaded_gray(is_doubtful: bool, color: str) -> None:
    """What may be the measuring's has neither the colour of slower ones nor of faster ones."""
    facts = {8: {"machine kernel": "6.12"}} if is_doubtful else None
    figure = figure_of(ratio_history(lambda number: 1.0 if number < 8 else 0.8, facts=facts))
    (shade,) = figure.axes[0].patches
    expected = to_rgb(GRID) if is_doubtful else mixed(color, 1.0, 0.65)
    assert shade.get_facecolor()[:3] == pytest.approx(expected)
