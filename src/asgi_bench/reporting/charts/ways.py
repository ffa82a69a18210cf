"""The chart of what TLS, HTTP/2 and Unix sockets cost or gain each server in throughput."""

from collections.abc import Iterator, Mapping

from matplotlib.figure import Figure

from asgi_bench.analysis.across_cells import Way
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.bars import Measure, draw_bars
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import HATCHED, WHISKERS
from asgi_bench.reporting.charts.sheet import Words
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.wording import way_words


def way_groups(report: Report) -> tuple[Group[CellReport], ...]:
    """A group for each scenario, load and worker count, a section for each way with ratios."""
    known = {way.cell for way in report.ways}
    found: dict[tuple[str, str, int], list[Group[CellReport]]] = {}
    for group in group_cells(cell for cell in report.cells if cell.cell in known):
        for section in group.sections:
            key = (group.cells[0].scenario, group.load.key, section.workers)
            found.setdefault(key, []).append(group._replace(sections=(section,)))
    return tuple(
        members[0]._replace(
            scenario=scenario,
            sections=tuple(section for member in members for section in member.sections),
        )
        for (scenario, _, _), members in found.items()
    )


def draw_ways(words: Words, group: Group[CellReport], styles: Styles, report: Report) -> Figure:
    """A panel for each way: each server's throughput over its own by HTTP/1.1 over TCP."""
    ways = {way.cell: way for way in report.ways}
    firsts = [section.cells[0] for section in group.sections]
    headings = [way_words(cell.http, cell.transport) for cell in firsts]
    return draw_bars(words, group, _measure(ways), styles, headings)


def ways_notes(report: Report, group: Group[CellReport]) -> Iterator[str]:
    """How to read it."""
    yield "ratio to the same server by HTTP/1.1 over TCP, in the same rounds: 1 is as fast"
    known = {cell.cell for cell in group.cells}
    if any(way.throughput_ratio.lower is not None for way in report.ways if way.cell in known):
        yield WHISKERS
    if any(section.invalid for section in group.sections):
        yield HATCHED


def _measure(ways: Mapping[str, Way]) -> Measure:
    def ratio(cell: CellReport) -> Interval:
        return ways[cell.cell].throughput_ratio

    return Measure(
        figure=ratio,
        label=lambda cell: numbers.with_interval(numbers.factor(ratio(cell).value, 2), ratio(cell)),
        unit=1.0,
        tick=numbers.tick,
        axis="throughput, the same server by HTTP/1.1 over TCP = 1 (more is better)",
        more_is_better=True,
    )
