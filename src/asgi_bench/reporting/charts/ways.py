"""The charts of a server over itself: by TLS, HTTP/2 and Unix sockets, and by interpreter."""

from collections.abc import Iterator, Mapping

from matplotlib.figure import Figure

from asgi_bench.analysis.across_cells import CellRatio
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.bars import Measure, draw_bars
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import HATCHED, WHISKERS
from asgi_bench.reporting.charts.sheet import Words
from asgi_bench.reporting.run.own_ratios import OwnChart, ToldOfWays


def draw_ways(words: Words, chart: OwnChart, styles: Styles, report: Report) -> Figure:
    """A panel for each place: each server over itself at the first."""
    axis, group = chart.axis, chart.group
    ratios = {one.cell: one for one in axis.ratios(report)}
    headings = [axis.heading(section.cells[0]) for section in group.sections]
    measure = _measure(ratios, chart.told, axis.base(report))
    return draw_bars(words, group, measure, styles, headings)


def ways_notes(report: Report, chart: OwnChart) -> Iterator[str]:
    """How to read it."""
    axis, told, group = chart.axis, chart.told, chart.group
    yield f"ratio to the same server {axis.base(report)}, in the same rounds: 1 is {told.even}"
    known = {cell.cell for cell in group.cells}
    if any(told.ratio(one).lower is not None for one in axis.ratios(report) if one.cell in known):
        yield WHISKERS
    if any(section.invalid for section in group.sections):
        yield HATCHED


def _measure(ratios: Mapping[str, CellRatio], told: ToldOfWays, base: str) -> Measure:
    def ratio(cell: CellReport) -> Interval:
        return told.ratio(ratios[cell.cell])

    better = "more" if told.more_is_better else "less"
    return Measure(
        figure=ratio,
        label=lambda cell: numbers.with_interval(numbers.factor(ratio(cell).value, 2), ratio(cell)),
        unit=1.0,
        tick=numbers.tick,
        axis=f"{told.axis}, the same server {base} = 1 ({better} is better)",
        more_is_better=told.more_is_better,
        even=1.0,
    )
