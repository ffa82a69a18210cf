"""The chart of ratios to the reference."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from matplotlib.figure import Figure

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import PlannedCell
from asgi_bench.reporting.charts.forest import draw_forest, forest_notes
from asgi_bench.reporting.charts.palette import assign_styles
from asgi_bench.reporting.charts.sheet import save_sheet, sheet_settings, svg_of
from asgi_bench.reporting.groups import group_cells
from tests.reporting.charts.sheets import is_within_sheet, texts, words
from tests.synthetic_run import REFERENCE, planned_cells, synthetic_run, troubled_run

CELLS = planned_cells(worker_counts=(1,))


def report_of(cells: Iterable[PlannedCell], rounds: int = 6) -> Report:
    """The report of a run of these."""
    return summarize(synthetic_run(tuple(cells), rounds=rounds))


def forest(report: Report) -> Figure | None:
    """The chart of the first group; to be called within `sheet_settings`."""
    group = group_cells(report.cells)[0]
    return draw_forest(words(report), report, group, assign_styles(report.cells))


def test_every_setting_has_a_row(tmp_path: Path) -> None:
    """It has its ratio and what is to be said of it, or the reason why it has none."""
    with sheet_settings():
        figure = forest(summarize(troubled_run(6)))
        assert figure is not None
        shown = texts(save_sheet(figure, tmp_path / "forest", svg_of(figure))[0])
    assert {"granian", "hypercorn trio", "uvicorn", "daphne", "reference"} <= set(shown)
    assert any("suspect" in text for text in shown)
    assert any("invalid" in text for text in shown)
    assert any(text.startswith("skipped, not installed") for text in shown)
    assert any(text.startswith("failed, in 5 of 6 rounds") for text in shown)


@pytest.mark.parametrize(("server", "is_hollow"), [("granian", False), ("gunicorn-uvicorn", True)])
def test_who_can_be_told_apart_is_filled(server: str, is_hollow: bool) -> None:
    """Hollow markers are explained where there are any."""
    names = {f"{server}/default", "uvicorn/default"}
    cells = (one for one in CELLS if f"{one.cell.server}/{one.cell.variant}" in names)
    report = report_of(cells)
    notes = forest_notes(report, group_cells(report.cells)[0])
    assert any(note.startswith("hollow") for note in notes) == is_hollow


@pytest.mark.parametrize("count", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_it_stays_within_the_sheet(count: int) -> None:
    """With few rows as with many nothing is cut off."""
    reference = next(one for one in CELLS if one.cell.key.startswith(f"{REFERENCE}/"))
    others = (
        msgspec.structs.replace(
            one, cell=msgspec.structs.replace(one.cell, variant=f"{one.cell.variant}-{number}")
        )
        for number, one in enumerate(CELLS * 6)
    )
    report = report_of((reference, *list(others)[: count - 1]), rounds=3)
    assert len(report.cells) == count
    with sheet_settings():
        figure = forest(report)
        assert figure is not None and is_within_sheet(figure)


def test_no_ratio_no_chart() -> None:
    """A reference alone is compared with nothing."""
    alone = (one for one in CELLS if one.cell.key.startswith(f"{REFERENCE}/"))
    with sheet_settings():
        assert forest(report_of(alone)) is None


def test_a_single_round_has_no_interval() -> None:
    """Its ratios are markers without a line."""
    for rounds, lines in ((1, 0), (6, 1)):
        with sheet_settings():
            figure = forest(report_of(CELLS[:11], rounds))
        assert figure is not None
        intervals = [one for one in figure.axes[0].collections if len(one.get_paths()) == 10]
        assert len(intervals) == lines
