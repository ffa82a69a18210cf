import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from asgi_bench.analysis.summary import summarize
from asgi_bench.model import ClosedLoop, OpenLoop, Run, Trial
from asgi_bench.reporting.charts.concurrency import MEASURED, RATIOS, Measured, draw_concurrency
from asgi_bench.reporting.charts.palette import assign_styles
from asgi_bench.reporting.charts.sheet import sheet_settings
from tests.reporting.charts.sheets import is_within_sheet, words
from tests.synthetic_levels import turning_run
from tests.synthetic_run import REFERENCE, planned_cells, synthetic_run, with_errors

LOADS = (ClosedLoop(64), ClosedLoop(1), ClosedLoop(1024))


def chart_of(run: Run, measured: Measured = MEASURED[-1]) -> Figure | None:
    """The chart of all cells of a run: of throughput, or of another figure."""
    report = summarize(run)
    with sheet_settings():
        return draw_concurrency(words(report), report.cells, measured, assign_styles(report.cells))


def test_a_line_a_server_over_all_counts() -> None:
    """Each server's name stands at its line's end, each count at the axis, in rising order."""
    figure = chart_of(synthetic_run(planned_cells(LOADS, worker_counts=(1,)), rounds=3))
    assert figure is not None
    shown = [text.get_text() for text in figure.findobj(Text)]
    for text in ("granian", "hypercorn trio", "1", "64", "1024", "connections"):
        assert text in shown
    counts = [text for text in shown if text in ("1", "64", "1024")]
    assert counts == ["1", "64", "1024"]


def test_a_panel_for_each_worker_count() -> None:
    """Other worker counts are measured in other minutes, so they have their own panel."""
    figure = chart_of(synthetic_run(planned_cells(LOADS), rounds=1))
    assert figure is not None
    assert len(figure.axes) == 2


def test_one_connection_count_needs_no_chart() -> None:
    """A line needs two points, and open loops give none."""
    loads = (ClosedLoop(64), OpenLoop(500))
    assert chart_of(synthetic_run(planned_cells(loads, worker_counts=(1,))[:4], rounds=1)) is None


def test_invalid_point_is_hatched() -> None:
    """Where one count can't be believed the line goes on, with that point marked."""

    def spoil(trial: Trial) -> Trial:
        return with_errors(trial, 0.1) if trial.cell.endswith("c1024") else trial

    figure = chart_of(synthetic_run(planned_cells(LOADS)[:3], rounds=3, edit=spoil))
    assert figure is not None
    hatched = [points for points in figure.axes[0].collections if points.get_hatch()]
    assert [np.asarray(points.get_offsets()).shape for points in hatched] == [(1, 2)]


def test_ratios_end_at_what_they_come_to() -> None:
    """The reference's line is at 1 all along, and each other's label has its last ratio."""
    figure = chart_of(turning_run(), RATIOS)
    assert figure is not None
    lines = [line for line in figure.axes[0].lines if len(np.atleast_1d(line.get_xdata())) == 2]
    assert any(np.all(np.asarray(line.get_ydata()) == 1) for line in lines)
    shown = [text.get_text() for text in figure.findobj(Text)]
    assert any(re.fullmatch(r"granian \D1\.7\d", text) for text in shown)
    assert is_within_sheet(figure)


def test_the_reference_alone_has_no_chart_of_ratios() -> None:
    """Its ratio is 1, whatever the connections."""
    own = [planned for planned in planned_cells(LOADS) if planned.cell.setting == REFERENCE]
    assert chart_of(synthetic_run(tuple(own), rounds=3), RATIOS) is None
    assert chart_of(synthetic_run(tuple(own), rounds=3)) is not None


def test_no_text_leaves_the_sheet() -> None:
    """Every letter lies within the picture."""
    figure = chart_of(synthetic_run(planned_cells(LOADS), rounds=3))
    assert figure is not None
    assert is_within_sheet(figure)


def test_a_server_that_is_invalid_throughout_is_hatched_once() -> None:
    """Its whole line is gray and hatched, each point once."""

    def spoil(trial: Trial) -> Trial:
        return with_errors(trial, 0.1) if trial.cell.startswith("granian/default") else trial

    cells = [p for p in planned_cells(LOADS, (1,)) if p.cell.variant == "default"]
    figure = chart_of(synthetic_run(tuple(cells[:6]), rounds=3, edit=spoil))
    assert figure is not None
    places = [
        tuple(place)
        for points in figure.axes[0].collections
        if points.get_hatch()
        for place in np.asarray(points.get_offsets()).tolist()
    ]
    assert len(places) == len(set(places)) == len(LOADS)
