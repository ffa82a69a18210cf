"""The chart of throughput by concurrency, where servers were measured over several counts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from asgi_bench.reporting.wording import workers_words

PANEL_HEIGHT = 360
LEFT = 62
SLACK = 1.15
# How far the lines stand apart, in doublings of connections, so that their whiskers do too.
DODGE = 0.03


class Course(NamedTuple):
    """One server's cells by rising connection count; the last gives the look."""

    cells: Sequence[CellReport]
    look: LineLook


def connection_counts(cells: Sequence[CellReport]) -> list[int]:
    """The connection counts of closed loops with a throughput, rising, each once."""
    return sorted({_connections(cell) for cell in cells if _is_shown(cell)})


def draw_concurrency(words: Words, cells: Sequence[CellReport], styles: Styles) -> Figure | None:
    """A panel for each worker count with a line a server; None with fewer than two counts.

    `cells` are those of one scenario.
    """
    parts = [(workers, _courses(cells, workers, styles)) for workers in _workers(cells)]
    parts = [(workers, courses) for workers, courses in parts if courses]
    if not parts:
        return None
    names = [line_name(course.cells[-1]) for _, courses in parts for course in courses]
    right = labels_width(names)
    panels = [
        Panel(workers_words([workers]) if len(parts) > 1 else "", PANEL_HEIGHT)
        for workers, _ in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(LEFT, right))
    shown = [cell for _, courses in parts for course in courses for cell in course.cells]
    lowest = min(cell.throughput_rps.lower or _throughput(cell) for cell in shown)
    highest = max(cell.throughput_rps.upper or _throughput(cell) for cell in shown)
    for axes, (_, courses) in zip(drawn, parts, strict=True):
        doubling_x(axes, connection_counts(shown))
        log_y(axes, lowest / SLACK, highest * SLACK, numbers.compact_tick)
        for place, course in enumerate(courses):
            _draw_course(axes, course, aside=2 ** (DODGE * (place - (len(courses) - 1) / 2)))
        label_ends(axes, [_end_label(course) for course in courses])
        name_y(axes, "correct answers per second")
    name_x(drawn[-1], "connections")
    return figure


def concurrency_notes(cells: Sequence[CellReport]) -> Iterator[str]:
    """For the chart of throughput by concurrency."""
    if any(cell.throughput_rps.lower is not None for cell in cells):
        yield WHISKERS
    if any(cell.validity == "invalid" for cell in cells):
        yield HATCHED
    missing = [cell for cell in cells if cell.throughput_rps.value is None]
    if missing:
        yield f"without a point: {names_with_reasons(missing)}"


def _courses(cells: Sequence[CellReport], workers: int, styles: Styles) -> list[Course]:
    """The servers with this worker count that were measured over several connection counts."""
    found: dict[tuple[str, str], list[CellReport]] = {}
    for cell in cells:
        if cell.workers == workers and _is_shown(cell):
            found.setdefault((cell.server, cell.variant), []).append(cell)
    return [
        Course(sorted(members, key=_connections), look_of(_weakest(members), styles[key]))
        for key, members in found.items()
        if len(members) > 1
    ]


def _weakest(cells: Sequence[CellReport]) -> CellReport:
    """A cell that can't be believed only where none can; a single one has its own marker."""
    return min(cells, key=lambda cell: not _is_sound(cell))


def _draw_course(axes: Axes, course: Course, aside: float) -> None:
    """One line with intervals, moved aside by a factor; what is invalid is hatched."""
    look = course.look
    across = [_connections(cell) * aside for cell in course.cells]
    draw_line(axes, across, [_throughput(cell) for cell in course.cells], look)
    sound = [(x, cell) for x, cell in zip(across, course.cells, strict=True) if _is_sound(cell)]
    others = [(x, c) for x, c in zip(across, course.cells, strict=True) if not _is_sound(c)]
    for members, color in ((sound, look.color), (others, INVALID)):
        estimates = [cell.throughput_rps for _, cell in members]
        draw_whiskers(axes, [x for x, _ in members], estimates, color)
    if not look.is_hatched:  # else the line has hatched all of its points
        places = [x for x, _ in others]
        draw_hatched(axes, places, [_throughput(cell) for _, cell in others], look.marker)


def _end_label(course: Course) -> EndLabel:
    """The label of one line."""
    last = course.cells[-1]
    return EndLabel(
        line_name(last),
        x=_connections(last),
        y=_throughput(last),
        color=course.look.color,
        ink=course.look.ink,
    )


def _is_shown(cell: CellReport) -> bool:
    """Whether a cell is a point of this chart."""
    return cell.load.is_closed and cell.throughput_rps.value is not None


def _is_sound(cell: CellReport) -> bool:
    """Whether a point can be believed."""
    return cell.validity != "invalid"


def _workers(cells: Sequence[CellReport]) -> list[int]:
    """The worker counts, rising, each once."""
    return sorted({cell.workers for cell in cells})


def _connections(cell: CellReport) -> int:
    """Where a point stands from left to right."""
    return cell.load.connections


def _throughput(cell: CellReport) -> float:
    """Where a point stands from bottom to top."""
    return cell.throughput_rps.value or 0.0
