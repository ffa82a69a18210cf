"""All charts of a run: one set of files for each scenario and load."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from asgi_bench.analysis.document import Report
from asgi_bench.analysis.percentiles import TailCurve, tail_curve
from asgi_bench.analysis.samples import sample_cells
from asgi_bench.analysis.summary import merged_histogram, summarize
from asgi_bench.errors import BenchError
from asgi_bench.model import Run
from asgi_bench.reporting.charts.bars import Styles, draw_bars
from asgi_bench.reporting.charts.latency import draw_latency
from asgi_bench.reporting.charts.measures import MEASURES
from asgi_bench.reporting.charts.notes import bar_notes, latency_notes, scaling_notes
from asgi_bench.reporting.charts.palette import assign_styles
from asgi_bench.reporting.charts.scaling import draw_scaling
from asgi_bench.reporting.charts.sheet import SEPARATOR, Words, save_sheet, sheet_settings
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.rows import rounds_words, run_words
from asgi_bench.reporting.wording import (
    load_words,
    machine_words,
    plain,
    workers_words,
)


def draw_charts(run: Run, folder: Path) -> list[Path]:
    """Draw every chart of a run into a folder, which is made; return the files.

    Names are `<chart>-<scenario>-<load>.svg` and `.png`; the same run gives the same SVG. Raises
    BenchError where the folder can't be written or a histogram can't be read.
    """
    report = summarize(run)
    curves = _curves(run)
    styles = assign_styles(report.cells)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with sheet_settings():
            return [
                file
                for group in group_cells(report.cells)
                for name, figure in _figures(report, group, curves, styles)
                for file in save_sheet(figure, folder / f"{name}-{group.name}")
            ]
    except OSError as error:
        raise BenchError(f"{folder}: the charts can't be written: {error.strerror}") from None


def _curves(run: Run) -> dict[str, TailCurve]:
    """The response time curve of every cell that has one, by key."""
    curves = {
        key: tail_curve(merged_histogram(sample, "response_time_hdr"))
        for key, sample in sample_cells(run).items()
    }
    return {key: curve for key, curve in curves.items() if curve is not None}


def _figures(
    report: Report, group: Group, curves: Mapping[str, TailCurve], styles: Styles
) -> Iterator[tuple[str, Figure]]:
    """The charts of one scenario and load, by name."""
    for name, title, note, measure in MEASURES:
        notes = bar_notes(report, group, measure, note)
        yield name, draw_bars(_words(report, group, title, notes), group, measure, styles)
    latency = _words(report, group, "Response time", latency_notes(group))
    scaling = _words(report, group, "Throughput by worker count", scaling_notes(report, group))
    lines = (
        ("latency", draw_latency(latency, group, curves, styles)),
        ("workers", draw_scaling(scaling, group, styles)),
    )
    yield from ((name, figure) for name, figure in lines if figure is not None)


def _words(report: Report, group: Group, title: str, notes: Iterable[str]) -> Words:
    """What every chart says: the load, then how to read it, then where and when."""
    facts = (
        load_words(group.load),
        workers_words([section.workers for section in group.sections]),
        rounds_words(group),
    )
    return Words(
        title=f"{title}: {plain(group.scenario)}",
        facts=tuple(filter(None, facts)),
        notes=tuple(filter(None, notes)),
        footer=(
            *machine_words(report.run.machine).split(SEPARATOR),
            *run_words(report).split(SEPARATOR),
        ),
    )
