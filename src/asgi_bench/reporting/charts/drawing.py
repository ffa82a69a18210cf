"""All charts of a run: one set of files for each scenario and load."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.document import Report
from asgi_bench.analysis.percentiles import TailCurve, tail_curve
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.errors import BenchError
from asgi_bench.model import ClosedLoop, Run
from asgi_bench.reporting.charts.bars import draw_bars
from asgi_bench.reporting.charts.concurrency import connection_counts, draw_concurrency
from asgi_bench.reporting.charts.latency import draw_latency
from asgi_bench.reporting.charts.load_curve import draw_load_curve
from asgi_bench.reporting.charts.measures import MEASURES
from asgi_bench.reporting.charts.notes import (
    bar_notes,
    concurrency_notes,
    curve_notes,
    latency_notes,
    scaling_notes,
    strip_notes,
)
from asgi_bench.reporting.charts.palette import Styles, assign_styles
from asgi_bench.reporting.charts.scaling import draw_scaling
from asgi_bench.reporting.charts.sheet import (
    SEPARATOR,
    Words,
    save_sheet,
    sheet_settings,
    svg_of,
    words_heights,
)
from asgi_bench.reporting.charts.strip import draw_strip
from asgi_bench.reporting.charts.strip_rows import is_spoilt, slices_of
from asgi_bench.reporting.groups import AnyGroup, Group, group_cells
from asgi_bench.reporting.rows import rounds_words, run_words
from asgi_bench.reporting.wording import (
    counts_words,
    load_words,
    machine_words,
    offered_words,
    plain,
    workers_words,
)
from asgi_bench.store.folders import safe_name


class Drawing(NamedTuple):
    """A drawn chart: what it is about, the name of its files, and the files, if any were written.

    `heights` are what its words take above and below its panels, in pixels of its SVG.
    """

    topic: str
    name: str
    scenario: str
    words: Words
    heights: tuple[float, float]
    svg: str
    files: tuple[Path, ...]


class Sheet(NamedTuple):
    """A chart before it is written; no figure where there is nothing to draw."""

    topic: str
    group: str
    scenario: str
    words: Words
    figure: Figure | None


def draw_charts(run: Run, folder: Path) -> list[Path]:
    """Draw every chart of a run into a folder, which is made; return the files.

    Names are `<chart>-<scenario>-<load>.svg` and `.png`; the same run gives the same SVG. Raises
    BenchError where the folder can't be written or a histogram can't be read.
    """
    return [file for drawing in draw(survey(run), folder) for file in drawing.files]


def draw(found: Survey, folder: Path | None = None) -> tuple[Drawing, ...]:
    """Draw every chart of a surveyed run; with a folder, into files there too.

    Raises as `draw_charts`.
    """
    curves = {
        key: curve
        for key, histogram in found.response_times.items()
        if (curve := tail_curve(histogram)) is not None
    }
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with sheet_settings():
            return tuple(
                written(sheet, sheet.figure, folder)
                for sheet in _sheets(found.report, curves, found.samples)
                if sheet.figure is not None
            )
    except OSError as error:
        raise BenchError(f"{folder}: the charts can't be written: {error.strerror}") from None


def written(sheet: Sheet, figure: Figure, folder: Path | None) -> Drawing:
    """A sheet as SVG, and with a folder in its files; to be called within `sheet_settings`."""
    name = f"{sheet.topic}-{sheet.group}"
    svg = svg_of(figure)
    files = () if folder is None else save_sheet(figure, folder / name, svg)
    heights = words_heights(sheet.words)
    return Drawing(sheet.topic, name, sheet.scenario, sheet.words, heights, svg, files)


def _sheets(
    report: Report, curves: Mapping[str, TailCurve], samples: Mapping[str, Sample]
) -> Iterator[Sheet]:
    """Every chart of a report."""
    styles = assign_styles(report.everything)
    groups = group_cells(report.cells)
    for group in groups:
        if isinstance(group.load, ClosedLoop):
            yield from _closed_figures(report, group, curves, styles)
            notes = strip_notes(slices_of(group, samples), is_spoilt=is_spoilt(group, samples))
            words = _words(report, group, "Slices", notes)
            yield _sheet("strip", group, words, draw_strip(words, group, samples, styles))
        else:
            yield from _open_figures(report, group, curves, styles)
    for scenario in dict.fromkeys(group.scenario for group in groups):
        yield _concurrency(report, [g for g in groups if g.scenario == scenario], styles)
    for sweeps in group_cells(report.sweeps):
        yield from _sweep_figures(report, sweeps, styles)


def _closed_figures(
    report: Report, group: Group[CellReport], curves: Mapping[str, TailCurve], styles: Styles
) -> Iterator[Sheet]:
    """The charts of one scenario at saturation."""
    for name, title, note, measure in MEASURES:
        words = _words(report, group, title, bar_notes(report, group, measure, note))
        yield _sheet(name, group, words, draw_bars(words, group, measure, styles))
    words = _words(report, group, "Response time at saturation", latency_notes(group, curves))
    yield _sheet("latency", group, words, draw_latency(words, group, curves, styles))
    words = _words(report, group, "Throughput by worker count", scaling_notes(report, group))
    points = {point.cell: point for scaling in report.scaling for point in scaling.points}
    yield _sheet("workers", group, words, draw_scaling(words, group, styles, points))


def _open_figures(
    report: Report, group: Group[CellReport], curves: Mapping[str, TailCurve], styles: Styles
) -> Iterator[Sheet]:
    """The charts of one scenario at an offered rate: what is answered is what was offered."""
    offered = offered_words(group.load)
    words = _words(report, group, f"Response time at {offered}", latency_notes(group, curves))
    yield _sheet("latency", group, words, draw_latency(words, group, curves, styles))
    for name, title, note, measure in MEASURES:
        if measure.depends_on_rate:
            notes = bar_notes(report, group, measure, note)
            words = _words(report, group, f"{title} at {offered}", notes)
            yield _sheet(name, group, words, draw_bars(words, group, measure, styles))


def _concurrency(report: Report, groups: list[Group[CellReport]], styles: Styles) -> Sheet:
    """The chart over all connection counts of one scenario."""
    closed = [group for group in groups if isinstance(group.load, ClosedLoop)]
    scenario = groups[0].scenario
    cells = [cell for group in closed for cell in group.cells]
    words = _words(
        report,
        groups[0],
        "Throughput by concurrency",
        concurrency_notes(cells),
        load=f"closed loop, {counts_words(connection_counts(cells))} connections",
    )
    figure = draw_concurrency(words, cells, styles)
    return Sheet("concurrency", safe_name(scenario), scenario, words, figure)


def _sweep_figures(report: Report, group: Group[SweepReport], styles: Styles) -> Iterator[Sheet]:
    """The load curves of one scenario, on a sheet for each worker count."""
    for section in group.sections:
        alone = group._replace(sections=(section,))
        words = _words(report, alone, "Load curve", curve_notes(section))
        suffix = f"-w{section.workers}" if len(group.sections) > 1 else ""
        sheet = _sheet("curve", group, words, draw_load_curve(words, section, styles))
        yield sheet._replace(group=f"{sheet.group}{suffix}")


def _sheet(topic: str, group: AnyGroup, words: Words, figure: Figure | None) -> Sheet:
    """The chart of a group."""
    return Sheet(topic, group.name, group.scenario, words, figure)


def _words(
    report: Report, group: AnyGroup, title: str, notes: Iterable[str], load: str = ""
) -> Words:
    """What every chart says: the load, then how to read it, then where and when."""
    facts = (
        load or load_words(group.load),
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
