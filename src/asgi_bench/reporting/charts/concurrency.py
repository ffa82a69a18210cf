"""The charts by concurrency, where servers were measured over several connection counts."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import (
    HATCHED,
    WHISKERS,
    EndLabel,
    LineLook,
    doubling_x,
    draw_hatched,
    draw_line,
    draw_whiskers,
    label_ends,
    labels_width,
    line_name,
    log_y,
    look_of,
    name_x,
    name_y,
    names_with_reasons,
)
from asgi_bench.reporting.charts.sheet import (
    INVALID,
    Margins,
    Panel,
    Words,
    open_sheet,
)
from asgi_bench.reporting.wording import plain, workers_words

PANEL_HEIGHT = 360
LEFT = 62
SLACK = 1.15
# How far the lines stand apart, in doublings of connections, so that their whiskers do too.
DODGE = 0.03
OWN_RATIO = Interval(1.0)


class Measured(NamedTuple):
    """What a chart shows of its cells: a title, the name of its axis and how its ticks are told."""

    topic: str
    title: str
    axis: str
    estimate: Callable[[CellReport], Interval]
    tick: Callable[[float], str]


def _ratio(cell: CellReport) -> Interval:
    """The throughput ratio; that of the reference is 1, and no estimate."""
    ratio = cell.throughput_ratio
    if ratio is None:
        return Interval()
    if ratio.reference == cell.cell:
        return OWN_RATIO
    return Interval(ratio.value, ratio.lower, ratio.upper)


RATIOS = Measured(
    "ratios",
    "Throughput ratio by connections",
    "throughput, reference = 1",
    _ratio,
    numbers.tick,
)
MEASURED = (
    RATIOS,
    Measured(
        "concurrency",
        "Throughput by concurrency",
        "correct responses per second",
        lambda cell: cell.throughput_rps,
        numbers.compact_tick,
    ),
)


class Point(NamedTuple):
    """A cell and what is charted of it."""

    cell: CellReport
    estimate: Interval

    @property
    def across(self) -> int:
        """Where it stands from left to right."""
        return self.cell.load.connections

    @property
    def up(self) -> float:
        """Where it stands from bottom to top."""
        return self.estimate.value or 0.0

    @property
    def is_sound(self) -> bool:
        """Whether it can be believed."""
        return self.cell.validity != "invalid"


class Course(NamedTuple):
    """One server's points by rising connection count; the weakest gives the look."""

    points: Sequence[Point]
    look: LineLook


def connection_counts(cells: Sequence[CellReport], measured: Measured) -> list[int]:
    """The connection counts of closed loops with a figure, rising, each once."""
    return sorted({point.across for point in _points(cells, measured)})


def draw_concurrency(
    words: Words, cells: Sequence[CellReport], measured: Measured, styles: Styles
) -> Figure | None:
    """A panel for each worker count with a line a server.

    None with fewer than two counts, and where all ratios are the reference's own. `cells` are those
    of one scenario.
    """
    counts = sorted({cell.workers for cell in cells})
    courses_of = {workers: _courses(cells, workers, measured, styles) for workers in counts}
    parts = [(workers, courses) for workers, courses in courses_of.items() if courses]
    shown = [point for _, courses in parts for course in courses for point in course.points]
    if all(point.estimate == OWN_RATIO for point in shown):
        return None
    names = [_name(course, measured) for _, courses in parts for course in courses]
    right = labels_width(names)
    panels = [
        Panel(workers_words([workers]) if len(parts) > 1 else "", PANEL_HEIGHT)
        for workers, _ in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(LEFT, right))
    lowest = min(point.estimate.lower or point.up for point in shown)
    highest = max(point.estimate.upper or point.up for point in shown)
    for axes, (_, courses) in zip(drawn, parts, strict=True):
        doubling_x(axes, sorted({point.across for point in shown}))
        log_y(axes, lowest / SLACK, highest * SLACK, measured.tick)
        for place, course in enumerate(courses):
            _draw_course(axes, course, aside=2 ** (DODGE * (place - (len(courses) - 1) / 2)))
        label_ends(axes, [_end_label(course, measured) for course in courses])
        name_y(axes, measured.axis)
    name_x(drawn[-1], "connections")
    return figure


def concurrency_notes(
    cells: Sequence[CellReport], measured: Measured, reference: str | None
) -> Iterator[str]:
    """How to read such a chart."""
    if measured is RATIOS:
        yield f"ratio to {plain(reference or '')} over as many connections, in the same rounds"
    if any(measured.estimate(cell).lower is not None for cell in cells):
        yield WHISKERS
    if any(cell.validity == "invalid" for cell in cells):
        yield HATCHED
    missing = [cell for cell in cells if measured.estimate(cell).value is None]
    if missing:
        yield f"without a point: {names_with_reasons(missing)}"


def _courses(
    cells: Sequence[CellReport], workers: int, measured: Measured, styles: Styles
) -> list[Course]:
    """The servers with this worker count that were measured over several connection counts."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in _points(cells, measured):
        if point.cell.workers == workers:
            found.setdefault((point.cell.server, point.cell.variant), []).append(point)
    return [
        Course(
            sorted(members, key=lambda point: point.across),
            look_of(_weakest(members).cell, styles[key]),
        )
        for key, members in found.items()
        if len(members) > 1
    ]


def _points(cells: Sequence[CellReport], measured: Measured) -> list[Point]:
    """The cells that have a point in the chart."""
    points = (Point(cell, measured.estimate(cell)) for cell in cells if cell.load.is_closed)
    return [point for point in points if point.estimate.value is not None]


def _weakest(members: Sequence[Point]) -> Point:
    """A point that can't be believed only where none can; a single one has its own marker."""
    return min(members, key=lambda point: not point.is_sound)


def _draw_course(axes: Axes, course: Course, aside: float) -> None:
    """One line with intervals, moved aside by a factor; what is invalid is hatched."""
    look, points = course.look, course.points
    across = [point.across * aside for point in points]
    draw_line(axes, across, [point.up for point in points], look)
    sound = [(x, point) for x, point in zip(across, points, strict=True) if point.is_sound]
    others = [(x, point) for x, point in zip(across, points, strict=True) if not point.is_sound]
    for members, color in ((sound, look.color), (others, INVALID)):
        estimates = [point.estimate for _, point in members]
        draw_whiskers(axes, [x for x, _ in members], estimates, color)
    if not look.is_hatched:  # else the line has hatched all of its points
        draw_hatched(axes, [x for x, _ in others], [p.up for _, p in others], look.marker)


def _name(course: Course, measured: Measured) -> str:
    """The label at a line's end; of ratios with the last."""
    last = course.points[-1]
    name = line_name(last.cell)
    return f"{name} {numbers.factor(last.up)}" if measured is RATIOS else name


def _end_label(course: Course, measured: Measured) -> EndLabel:
    """The label of one line."""
    last = course.points[-1]
    return EndLabel(
        _name(course, measured),
        x=last.across,
        y=last.up,
        color=course.look.color,
        ink=course.look.ink,
    )
