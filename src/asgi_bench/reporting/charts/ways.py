"""The charts of a server over itself: by TLS, HTTP/2 and Unix sockets, and by interpreter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from asgi_bench.analysis.across_cells import CellRatio
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.bars import Measure, draw_bars
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import HATCHED, WHISKERS
from asgi_bench.reporting.charts.sheet import Words
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.wording import way_words


class Axis(NamedTuple):
    """Along what servers are compared with themselves: a panel for each place but the first."""

    topic: str
    by: str
    """What the places are."""
    base: Callable[[Report], str]
    """What a server at the first place is, in words."""
    ratios: Callable[[Report], Sequence[CellRatio]]
    heading: Callable[[CellReport], str]
    """The place of a cell, in words."""
    scenario: Callable[[CellReport], str]
    """What cells at all places have in common."""


AXES = (
    Axis(
        topic="protocols",
        by="protocol",
        base=lambda report: "over HTTP/1.1 and TCP",
        ratios=lambda report: report.ways,
        heading=lambda cell: way_words(cell.http, cell.transport),
        scenario=lambda cell: cell.scenario,
    ),
    Axis(
        topic="interpreters",
        by="interpreter",
        base=lambda report: f"under {report.interpreters[0].version}",
        ratios=lambda report: report.setup_ratios,
        heading=lambda cell: cell.variant.rpartition("@")[2],
        scenario=lambda cell: cell.request_key,
    ),
)


class ToldOfWays(NamedTuple):
    """What a chart tells of each place."""

    suffix: str
    """Behind the topic of its axis."""
    title: str
    axis: str
    even: str
    """What a ratio of 1 means."""
    more_is_better: bool
    ratio: Callable[[CellRatio], Interval]


TOLD_OF_WAYS = (
    ToldOfWays(
        suffix="",
        title="Throughput",
        axis="throughput",
        even="as fast",
        more_is_better=True,
        ratio=lambda one: one.throughput_ratio,
    ),
    ToldOfWays(
        suffix="-cpu",
        title="CPU time per request",
        axis="server CPU time per request",
        even="as much",
        more_is_better=False,
        ratio=lambda one: one.server_cpu_ratio,
    ),
)


def way_groups(report: Report, axis: Axis) -> tuple[Group[CellReport], ...]:
    """A group for each scenario, load and worker count, a section for each place with ratios."""
    known = {one.cell for one in axis.ratios(report)}
    places: dict[str, list[CellReport]] = {}
    for cell in report.cells:
        if cell.cell in known:
            places.setdefault(axis.heading(cell), []).append(cell)
    found: dict[tuple[str, str, int], list[Group[CellReport]]] = {}
    for cells in places.values():
        for group in group_cells(cells):
            for section in group.sections:
                key = (axis.scenario(group.cells[0]), group.load.key, section.workers)
                found.setdefault(key, []).append(group._replace(sections=(section,)))
    return tuple(
        members[0]._replace(
            scenario=scenario,
            sections=tuple(section for member in members for section in member.sections),
        )
        for (scenario, _, _), members in found.items()
    )


def draw_ways(
    words: Words,
    group: Group[CellReport],
    axis: Axis,
    told: ToldOfWays,
    styles: Styles,
    report: Report,
) -> Figure:
    """A panel for each place: each server over itself at the first."""
    ratios = {one.cell: one for one in axis.ratios(report)}
    headings = [axis.heading(section.cells[0]) for section in group.sections]
    return draw_bars(words, group, _measure(ratios, told, axis.base(report)), styles, headings)


def ways_notes(
    report: Report, group: Group[CellReport], axis: Axis, told: ToldOfWays
) -> Iterator[str]:
    """How to read it."""
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
