"""The chart of throughput by worker count, where a server was measured with several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.across_cells import ScalingPoint
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.palette import Style, Styles
from asgi_bench.reporting.charts.panels import (
    FACTOR,
    HATCHED,
    NAME_LETTERS,
    WHISKERS,
    EndLabel,
    doubling_x,
    draw_hatched,
    draw_whiskers,
    has_whiskers,
    label_ends,
    labels_width,
    linear_y,
    name_x,
    name_y,
)
from asgi_bench.reporting.charts.sheet import (
    INVALID,
    Margins,
    Panel,
    Words,
    open_sheet,
    points,
)
from asgi_bench.reporting.groups import Group
from asgi_bench.reporting.wording import cell_name, plain, shortened

PANEL_HEIGHT = 340
LEFT = 70


class Point(NamedTuple):
    """A cell and what is charted of it."""

    cell: CellReport
    estimate: Interval


class Climb(NamedTuple):
    """One server and variant at its worker counts, in rising order."""

    points: Sequence[Point]
    style: Style


def is_relative(group: Group[CellReport]) -> bool:
    """Whether the chart shows ratios to the reference: where every cell of it has one.

    Different worker counts are measured in different minutes. The reference is up beside each of
    them, so the ratio to it leaves out what the machine did in between.
    """
    return all(cell.throughput_ratio is not None for cell in _measured(group))


def draw_scaling(
    words: Words, group: Group[CellReport], styles: Styles, points: Mapping[str, ScalingPoint]
) -> Figure | None:
    """A line for each server and variant with several worker counts; None without any.

    `points` are what the report says of the cells against the fewest workers, by key.
    """
    climbs = _climbs(group, styles)
    if not climbs:
        return None
    names = [_name(climb, points) for climb in climbs]
    right = labels_width(names)
    figure, (axes,) = open_sheet(words, [Panel("", PANEL_HEIGHT)], Margins(LEFT, right))
    _prepare(axes, [point for climb in climbs for point in climb.points])
    if is_relative(group):
        name_y(axes, "throughput, reference = 1")
    else:
        name_y(axes, "correct responses per second")
    for climb in climbs:
        _draw_climb(axes, climb)
    label_ends(axes, [_end_label(*named) for named in zip(climbs, names, strict=True)])
    return figure


def scaling_notes(report: Report, group: Group[CellReport]) -> Iterator[str]:
    """For the chart of throughput by worker count."""
    if is_relative(group):
        yield f"ratio to {plain(report.run.reference or '')} in the same rounds"
    yield f"{FACTOR}: speed-up"
    if has_whiskers(group, lambda cell: cell.throughput_rps):
        yield WHISKERS
    if any(cell.oversubscribed for cell in group.cells):
        yield "hollow: more workers than server CPUs"
    if any(section.invalid for section in group.sections):
        yield HATCHED


def _measured(group: Group[CellReport]) -> list[CellReport]:
    """The cells with a throughput."""
    return [cell for cell in group.cells if cell.throughput_rps.value is not None]


def _climbs(group: Group[CellReport], styles: Styles) -> list[Climb]:
    """What was measured at more than one worker count."""
    found: dict[tuple[str, str], list[Point]] = {}
    relative = is_relative(group)
    for cell in _measured(group):
        estimate, ratio = cell.throughput_rps, cell.throughput_ratio
        if relative and ratio is not None:
            estimate = Interval(ratio.value, ratio.lower, ratio.upper)
        found.setdefault((cell.server, cell.variant), []).append(Point(cell, estimate))
    return [
        Climb(sorted(members, key=lambda point: point.cell.workers), styles[key])
        for key, members in found.items()
        if len({point.cell.workers for point in members}) > 1
    ]


def _prepare(axes: Axes, shown: Sequence[Point]) -> None:
    """Scales and ticks: worker counts double, so each doubling gets the same room."""
    counts = sorted({point.cell.workers for point in shown})
    doubling_x(axes, counts)
    highest = max(point.estimate.upper or _height(point) for point in shown)
    linear_y(axes, highest * 1.06, numbers.compact_tick)
    name_x(axes, "worker processes")


def _draw_climb(axes: Axes, climb: Climb) -> None:
    """One line; what is oversubscribed has a hollow marker, what is invalid a hatched one."""
    axes.plot(
        [point.cell.workers for point in climb.points],
        [_height(point) for point in climb.points],
        color=climb.style.color,
        linestyle=climb.style.dash,
        linewidth=1.8,
    )
    sound = [point for point in climb.points if point.cell.validity != "invalid"]
    for is_hollow in (False, True):
        members = [point for point in sound if point.cell.oversubscribed == is_hollow]
        _draw_points(axes, members, climb.style, is_hollow=is_hollow)
    spoilt = [point for point in climb.points if point.cell.validity == "invalid"]
    across = [point.cell.workers for point in spoilt]
    draw_whiskers(axes, across, [point.estimate for point in spoilt], INVALID)
    draw_hatched(axes, across, [_height(point) for point in spoilt], climb.style.marker)


def _draw_points(axes: Axes, members: Sequence[Point], style: Style, *, is_hollow: bool) -> None:
    """Points that look alike, with their intervals."""
    if not members:
        return
    across = [point.cell.workers for point in members]
    draw_whiskers(axes, across, [point.estimate for point in members], style.color)
    axes.plot(
        across,
        [_height(point) for point in members],
        linestyle="none",
        marker=style.marker,
        markersize=points(9),
        markerfacecolor="white" if is_hollow else style.color,
        markeredgecolor=style.color,
        clip_on=False,
    )


def _height(point: Point) -> float:
    """Where a point stands."""
    return point.estimate.value or 0.0


def _name(climb: Climb, points: Mapping[str, ScalingPoint]) -> str:
    """The label at a line's end: the name, and the speed-up over the fewest workers.

    What can't be believed gives no speed-up.
    """
    first, last = climb.points[0], climb.points[-1]
    name = shortened(cell_name(last.cell), NAME_LETTERS)
    if "invalid" in (first.cell.validity, last.cell.validity):
        return f"{name} (invalid)"
    point = points.get(last.cell.cell)
    return f"{name} {numbers.factor(point.speedup.value if point else None, 2)}"


def _end_label(climb: Climb, name: str) -> EndLabel:
    """The label of one line."""
    last = climb.points[-1]
    return EndLabel(
        name,
        x=last.cell.workers,
        y=_height(last),
        color=climb.style.color,
        ink=climb.style.ink,
    )
