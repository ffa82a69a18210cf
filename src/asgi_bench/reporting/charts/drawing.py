"""All charts of a run: one set of files for each scenario and load."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from asgi_bench.analysis.percentiles import TailCurve, tail_curve
from asgi_bench.analysis.report import CellReport, Report, SweepReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.errors import BenchError
from asgi_bench.model import Run
from asgi_bench.model.metric import Chart as BarChart
from asgi_bench.reporting.charts.bars import MEASURES, Measure, bar_notes, draw_bars
from asgi_bench.reporting.charts.concurrency import (
    MEASURED,
    Measured,
    concurrency_notes,
    connection_counts,
    draw_concurrency,
)
from asgi_bench.reporting.charts.forest import draw_forest, forest_notes, forest_title
from asgi_bench.reporting.charts.latency import draw_latency, latency_notes
from asgi_bench.reporting.charts.load_curve import curve_notes, draw_load_curve
from asgi_bench.reporting.charts.openings import OPENING, draw_openings
from asgi_bench.reporting.charts.palette import Styles, assign_styles
from asgi_bench.reporting.charts.scaling import draw_scaling, scaling_notes
from asgi_bench.reporting.charts.sheet import (
    SEPARATOR,
    Words,
    save_sheet,
    sheet_settings,
    svg_of,
    words_heights,
)
from asgi_bench.reporting.charts.strip import draw_strip, is_spoilt, slices_of, strip_notes
from asgi_bench.reporting.charts.ways import draw_ways, ways_notes
from asgi_bench.reporting.groups import AnyGroup, Group, Section, group_cells
from asgi_bench.reporting.run.captions import Caption, bar_metrics, captions
from asgi_bench.reporting.run.openings import opening_groups
from asgi_bench.reporting.run.own_ratios import OwnChart, own_charts
from asgi_bench.reporting.run.ranking import FOREST
from asgi_bench.reporting.run.rows import rounds_words, run_words
from asgi_bench.reporting.wording import (
    counts_words,
    load_words,
    machine_words,
    offered_words,
    plain,
    workers_words,
)
from asgi_bench.store.folders import safe_name

# What figures that nobody has foreseen make drawing raise: NaN, none at all, an empty range.
DRAWING_FAULTS = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class Drawing(NamedTuple):
    """A drawn chart: what it is about, the name of its files, and the files, if any were written.

    `heights` are what its words take above and below its panels, in pixels of its SVG. One that
    can't be drawn has a `fault` alone.
    """

    topic: str
    name: str
    scenario: str
    words: Words
    heights: tuple[float, float]
    svg: str
    files: tuple[Path, ...]
    fault: str | None = None

    @property
    def account(self) -> str:
        """That it isn't there, and why."""
        return f"the chart {self.name} can't be drawn: {self.fault}"


# What a chart says, and the chart; no figure where there is nothing to draw.
Drawn = tuple[Words, Figure | None]


class Draft(NamedTuple):
    """A chart before it is drawn: what it is about, and what makes it from its sentence."""

    topic: str
    group: str
    scenario: str
    make: Callable[[str], Drawn]
    says: str = ""

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.topic}-{self.group}"


def draw_charts(run: Run, folder: Path) -> list[Path]:
    """Draw every chart of a run into a folder, which is made; return the files.

    Names are `<chart>-<scenario>-<load>.svg` and `.png`; the same run gives the same SVG. Raises
    BenchError where the folder can't be written or a histogram can't be read.
    """
    return [file for drawing in draw(survey(run), folder) for file in drawing.files]


def draw(found: Survey, folder: Path | None = None) -> tuple[Drawing, ...]:
    """Draw every chart of a surveyed run; with a folder, into files there too.

    One that can't be drawn costs itself alone. Raises as `draw_charts`.
    """
    curves = {
        key: curve
        for key, histogram in found.response_times.items()
        if (curve := tail_curve(histogram)) is not None
    }
    said = captions(found.report)
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with sheet_settings():
            drawings = [
                drawn(chart._replace(says=_says(chart, said)), folder)
                for chart in _charts(found.report, curves, found.samples)
            ]
            return tuple(drawing for drawing in drawings if drawing is not None)
    except OSError as error:
        raise BenchError(f"{folder}: the charts can't be written: {error.strerror}") from None


def drawn(chart: Draft, folder: Path | None = None) -> Drawing | None:
    """A chart, with a folder in its files too; to be called within `sheet_settings`.

    None where there is nothing to draw; with a fault where drawing failed.
    """
    try:
        words, figure = chart.make(chart.says)
        if figure is None:
            return None
        svg = svg_of(figure)
        files = () if folder is None else save_sheet(figure, folder / chart.name, svg)
        heights = words_heights(words)
        return Drawing(chart.topic, chart.name, chart.scenario, words, heights, svg, files)
    except DRAWING_FAULTS as fault:
        why = f"{type(fault).__name__}: {fault}"
        words = Words(chart.name, "", (), (), ())
        return Drawing(chart.topic, chart.name, chart.scenario, words, (0, 0), "", (), fault=why)


def _says(chart: Draft, said: Mapping[str, Caption]) -> str:
    """What the chart shows; a chart without anything to say says nothing."""
    return said[chart.name].sentence if chart.name in said else ""


def _charts(
    report: Report, curves: Mapping[str, TailCurve], samples: Mapping[str, Sample]
) -> Iterator[Draft]:
    """Every chart of a report."""
    styles = assign_styles(report.everything)
    groups = group_cells(report.cells)
    for group in groups:
        if group.load.is_closed:
            yield from _closed_charts(report, group, curves, styles)
            yield _chart("strip", group, partial(_strip, report, group, samples, styles))
        else:
            yield from _open_charts(report, group, curves, styles)
    for scenario in dict.fromkeys(group.scenario for group in groups):
        members = [group for group in groups if group.scenario == scenario]
        for measured in MEASURED:
            make = partial(_concurrency, report, members, measured, styles)
            yield Draft(measured.topic, safe_name(scenario), scenario, make)
    for chart in own_charts(report):
        make = partial(_ways, report, chart, styles)
        yield Draft(chart.topic, chart.name, chart.group.scenario, make)
    for group in opening_groups(report):
        make = partial(_openings, report, group, styles)
        yield Draft("handshake", safe_name(group.load.key), "", make)
    for sweeps in group_cells(report.sweeps):
        yield from _sweep_charts(report, sweeps, styles)


def _closed_charts(
    report: Report, group: Group[CellReport], curves: Mapping[str, TailCurve], styles: Styles
) -> Iterator[Draft]:
    """The charts of one scenario at saturation, but for its slices; ratios come first."""
    yield _chart(FOREST, group, partial(_forest, report, group, styles))
    for chart, measure in _told(group):
        make = partial(_bars, report, group, chart, measure, chart.title, styles)
        yield _chart(chart.name, group, make)
    title = "Response time at saturation"
    yield _chart("latency", group, partial(_latency, report, group, title, curves, styles))
    yield _chart("workers", group, partial(_workers, report, group, styles))


def _open_charts(
    report: Report, group: Group[CellReport], curves: Mapping[str, TailCurve], styles: Styles
) -> Iterator[Draft]:
    """The charts of one scenario at an offered rate: what is answered is what was offered."""
    offered = offered_words(group.load)
    title = f"Response time at {offered}"
    yield _chart("latency", group, partial(_latency, report, group, title, curves, styles))
    for chart, measure in _told(group):
        title = f"{chart.title} at {offered}"
        make = partial(_bars, report, group, chart, measure, title, styles)
        yield _chart(chart.name, group, make)


def _told(group: Group[CellReport]) -> list[tuple[BarChart, Measure]]:
    """The charts of bars that a group has."""
    shown = [metric.chart for metric in bar_metrics(group)]
    return [(chart, measure) for chart, measure in MEASURES if chart in shown]


def _sweep_charts(report: Report, group: Group[SweepReport], styles: Styles) -> Iterator[Draft]:
    """The load curves of one scenario, on a sheet for each worker count."""
    for section in group.sections:
        suffix = f"-w{section.workers}" if len(group.sections) > 1 else ""
        make = partial(_load_curve, report, group, section, styles)
        yield Draft("curve", f"{group.name}{suffix}", group.scenario, make)


def _chart(topic: str, group: AnyGroup, make: Callable[[str], Drawn]) -> Draft:
    """The chart of a group."""
    return Draft(topic, group.name, group.scenario, make)


def _forest(report: Report, group: Group[CellReport], styles: Styles, says: str) -> Drawn:
    title = forest_title(report)
    words = _words(report, group, title, says, forest_notes(report, group))
    return words, draw_forest(words, report, group, styles)


def _strip(
    report: Report,
    group: Group[CellReport],
    samples: Mapping[str, Sample],
    styles: Styles,
    says: str,
) -> Drawn:
    notes = strip_notes(slices_of(group, samples), is_spoilt=is_spoilt(group, samples))
    words = _words(report, group, "Slices", says, notes)
    return words, draw_strip(words, group, samples, styles)


def _bars(
    report: Report,
    group: Group[CellReport],
    chart: BarChart,
    measure: Measure,
    title: str,
    styles: Styles,
    says: str,
) -> Drawn:
    words = _words(report, group, title, says, bar_notes(report, group, measure, chart.note))
    return words, draw_bars(words, group, measure, styles)


def _latency(
    report: Report,
    group: Group[CellReport],
    title: str,
    curves: Mapping[str, TailCurve],
    styles: Styles,
    says: str,
) -> Drawn:
    words = _words(report, group, title, says, latency_notes(group, curves))
    return words, draw_latency(words, group, curves, styles)


def _workers(report: Report, group: Group[CellReport], styles: Styles, says: str) -> Drawn:
    notes = scaling_notes(report, group)
    words = _words(report, group, "Throughput by worker count", says, notes)
    points = {point.cell: point for scaling in report.scaling for point in scaling.points}
    return words, draw_scaling(words, group, styles, points)


def _ways(report: Report, chart: OwnChart, styles: Styles, says: str) -> Drawn:
    title = f"{chart.told.title} by {chart.axis.by}"
    words = _words(report, chart.group, title, says, ways_notes(report, chart))
    return words, draw_ways(words, chart, styles, report)


def _openings(report: Report, group: Group[CellReport], styles: Styles, says: str) -> Drawn:
    notes = bar_notes(
        report, group, OPENING, "until it could carry a request: TCP, TLS and WebSocket"
    )
    words = _words(report, group, "Time to open a connection, median", says, notes)
    return words, draw_openings(words, group, styles)


def _concurrency(
    report: Report,
    groups: list[Group[CellReport]],
    measured: Measured,
    styles: Styles,
    says: str,
) -> Drawn:
    """A chart over all connection counts of one scenario."""
    closed = [group for group in groups if group.load.is_closed]
    cells = [cell for group in closed for cell in group.cells]
    words = _words(
        report,
        groups[0],
        measured.title,
        says,
        concurrency_notes(cells, measured, report.run.reference),
        load=f"closed loop, {counts_words(connection_counts(cells, measured))} connections",
    )
    return words, draw_concurrency(words, cells, measured, styles)


def _load_curve(
    report: Report,
    group: Group[SweepReport],
    section: Section[SweepReport],
    styles: Styles,
    says: str,
) -> Drawn:
    shown = group._replace(sections=(section,))
    words = _words(report, shown, "Load curve", says, curve_notes(section))
    return words, draw_load_curve(words, section, styles)


def _words(
    report: Report, group: AnyGroup, title: str, says: str, notes: Iterable[str], load: str = ""
) -> Words:
    """What every chart says: what it shows, the load, how to read it, where and when."""
    facts = (
        load or load_words(group.load),
        workers_words([section.workers for section in group.sections]),
        rounds_words(group),
    )
    return Words(
        title=f"{title}: {plain(group.scenario)}" if group.scenario else title,
        says=says,
        facts=tuple(filter(None, facts)),
        notes=tuple(filter(None, notes)),
        footer=(
            *machine_words(report.run.machine).split(SEPARATOR),
            *run_words(report).split(SEPARATOR),
        ),
    )
