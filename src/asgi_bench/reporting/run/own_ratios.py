"""Servers over themselves: by protocol, and by interpreter."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.across_cells import CellRatio
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport, Report
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


class OwnChart(NamedTuple):
    """A chart of servers over themselves: a section of its group for each place on the axis."""

    axis: Axis
    told: ToldOfWays
    group: Group[CellReport]
    name: str
    """The name of its group: `hello-c64`, `hello-c64-w2`."""

    @property
    def topic(self) -> str:
        """What it is about: `protocols`, `interpreters-cpu`."""
        return f"{self.axis.topic}{self.told.suffix}"


def own_charts(report: Report) -> Iterator[OwnChart]:
    """A chart along each axis for each scenario, closed loop and worker count."""
    for axis in AXES:
        found = [group for group in way_groups(report, axis) if group.load.is_closed]
        several = len({group.sections[0].workers for group in found}) > 1
        for group in found:
            suffix = f"-w{group.sections[0].workers}" if several else ""
            for told in TOLD_OF_WAYS:
                yield OwnChart(axis, told, group, f"{group.name}{suffix}")
