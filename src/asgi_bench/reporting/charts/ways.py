"""The charts of what TLS, HTTP/2 and Unix sockets cost or gain each server."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

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


class ToldOfWays(NamedTuple):
    """What a chart tells of each way to be asked."""

    topic: str
    title: str
    axis: str
    even: str
    """What a ratio of 1 means."""
    more_is_better: bool
    ratio: Callable[[Way], Interval]


TOLD_OF_WAYS = (
    ToldOfWays(
        topic="protocols",
        title="Throughput",
        axis="throughput",
        even="as fast",
        more_is_better=True,
        ratio=lambda way: way.throughput_ratio,
    ),
    ToldOfWays(
        topic="protocols-cpu",
        title="CPU time per request",
        axis="server CPU time per request",
        even="as much",
        more_is_better=False,
        ratio=lambda way: way.server_cpu_ratio,
    ),
)


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


def draw_ways(
    words: Words, group: Group[CellReport], told: ToldOfWays, styles: Styles, report: Report
) -> Figure:
    """A panel for each way: each server over itself by HTTP/1.1 over TCP."""
    ways = {way.cell: way for way in report.ways}
    firsts = [section.cells[0] for section in group.sections]
    headings = [way_words(cell.http, cell.transport) for cell in firsts]
    return draw_bars(words, group, _measure(ways, told), styles, headings)


def ways_notes(report: Report, group: Group[CellReport], told: ToldOfWays) -> Iterator[str]:
    """How to read it."""
    yield f"ratio to the same server by HTTP/1.1 over TCP, in the same rounds: 1 is {told.even}"
    known = {cell.cell for cell in group.cells}
    if any(told.ratio(way).lower is not None for way in report.ways if way.cell in known):
        yield WHISKERS
    if any(section.invalid for section in group.sections):
        yield HATCHED


def _measure(ways: Mapping[str, Way], told: ToldOfWays) -> Measure:
    def ratio(cell: CellReport) -> Interval:
        return told.ratio(ways[cell.cell])

    better = "more" if told.more_is_better else "less"
    return Measure(
        figure=ratio,
        label=lambda cell: numbers.with_interval(numbers.factor(ratio(cell).value, 2), ratio(cell)),
        unit=1.0,
        tick=numbers.tick,
        axis=f"{told.axis}, the same server by HTTP/1.1 over TCP = 1 ({better} is better)",
        more_is_better=told.more_is_better,
        even=1.0,
    )
