"""What all charts draw on their panels: axes, lines with whiskers, and labels at lines' ends.

Ticks are drawn here as one collection of lines and plain texts: matplotlib's own are five artists
each, and take a third of the time that a chart takes.
"""

from collections.abc import Callable, Sequence
from math import cos, hypot, radians, sin
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.markers import TICKDOWN, TICKLEFT
from matplotlib.ticker import MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.reporting.charts.palette import Dash, Style
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    GRID,
    HATCH,
    INVALID,
    MARGIN,
    PIXELS_PER_INCH,
    SMALL_SIZE,
    TEXT_SIZE,
    points,
    text_width,
)
from asgi_bench.reporting.groups import Group
from asgi_bench.reporting.wording import OVERLOADED, cell_name, shortened, verdict_word

Tick = Callable[[float], str]
# Of a panel's height.
UNIT_SHARE = 0.05
MARK = 4
PAD = 8
NAME_DROP = 26
NAME_OUT = 50
LINE_WIDTH = 0.8
MOST_TICKS = 8
FEWEST_TICKS = 3

NAME_LETTERS = 30
MARKER_SIZE = 7
# Wide enough that three strokes of the hatch are seen in it.
HATCHED_SIZE = 11
CAP_SIZE = 3.5

LABEL_HEIGHT = SMALL_SIZE * 1.3
LEADER = 26
GAP = 5
# Labels above a panel stand aslant in degrees, so that each needs only this width.
SLANT = 40
SLANT_WIDTH = 23
TOP_LEADER = 20
# A leader begins this far from its line's end, for that has a marker.
CLEAR = 4

# How to read what is drawn here, for the lines under a chart's subject.
WHISKERS = "whiskers: 95% interval over rounds"
HATCHED = "hatched: invalid"
FACTOR = "×"  # noqa: RUF001 (the sign before every ratio)


class LineLook(NamedTuple):
    """How one line is drawn: what can't be believed is thin, gray and dotted, and hatched."""

    color: str
    ink: str | tuple[float, float, float]
    dash: Dash
    width: float
    marker: str
    is_hatched: bool = False


class EndLabel(NamedTuple):
    """A line's name, where the line ends in data coordinates, its colour and the text's."""

    text: str
    x: float
    y: float
    color: str
    ink: str | tuple[float, float, float]


def one_two_five(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade between two positive figures: few, and every one is labelled."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    ticks = [
        factor * 10.0**decade for decade in range(first, last + 1) for factor in (1.0, 2.0, 5.0)
    ]
    return [tick for tick in ticks if low <= tick <= high]


def log_ticks(low: float, high: float) -> list[float]:
    """The same; where they would be too few to read a figure off, more of each decade."""
    ticks = one_two_five(low, high)
    if len(ticks) >= FEWEST_TICKS:
        return ticks
    decade = 10.0 ** np.floor(np.log10(low))
    finer = (decade * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30))
    return [float(f"{tick:.3g}") for tick in finer if low <= tick <= high]


def round_ticks(high: float) -> list[float]:
    """Evenly spaced round figures from 0 to a positive one."""
    ticks = MaxNLocator(MOST_TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, high)
    return [float(tick) for tick in ticks if 0 <= tick <= high]


def log_x(axes: Axes, low: float, high: float, tick: Tick) -> None:
    """A logarithmic horizontal axis from low to high."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = one_two_five(low, high)
    put_x_ticks(axes, ticks, [tick(place) for place in ticks])


def doubling_x(axes: Axes, counts: Sequence[int]) -> None:
    """A horizontal axis on which each doubling gets the same room, with these counts as ticks."""
    axes.set_xscale("log", base=2)
    doublings = np.log2(counts[-1] / counts[0])
    left, right = max(0.15, 0.04 * doublings), max(0.05, 0.03 * doublings)
    axes.set_xlim(counts[0] / 2**left, counts[-1] * 2**right)
    put_x_ticks(axes, counts, [str(count) for count in counts])


def log_y(axes: Axes, low: float, high: float, tick: Tick, unit: str = "") -> None:
    """A logarithmic vertical axis from low to high, its unit written at its top."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    # The unit takes the place of a tick at the very top.
    highest = high / (high / low) ** UNIT_SHARE if unit else high
    ticks = log_ticks(low, highest)
    put_y_ticks(axes, ticks, [tick(place) for place in ticks])
    if unit:
        write(axes, 0, 1, unit, _moved(axes.transAxes, axes, -PAD, 0), ha="right", va="center")


def linear_y(axes: Axes, high: float, tick: Tick) -> None:
    """A vertical axis from 0 to high."""
    axes.set_ylim(0, high)
    ticks = round_ticks(high)
    put_y_ticks(axes, ticks, [tick(place) for place in ticks])


def put_x_ticks(axes: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    """Ticks on the horizontal axis with their lines of the grid; its scale has to be set."""
    transform = axes.get_xaxis_transform()
    axes.xaxis.set_major_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    _draw_grid(axes, [[(place, 0), (place, 1)] for place in places], transform)
    _draw_marks(axes, places, [0] * len(places), TICKDOWN, transform)
    moved = _moved(transform, axes, 0, -PAD)
    for place, label in zip(places, labels, strict=True):
        write(axes, place, 0, label, moved, ha="center", va="top")


def put_y_ticks(axes: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    """Ticks on the vertical axis with their lines of the grid; its scale has to be set."""
    transform = axes.get_yaxis_transform()
    axes.yaxis.set_major_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    _draw_grid(axes, [[(0, place), (1, place)] for place in places], transform)
    _draw_marks(axes, [0] * len(places), places, TICKLEFT, transform)
    moved = _moved(transform, axes, -PAD, 0)
    for place, label in zip(places, labels, strict=True):
        write(axes, 0, place, label, moved, ha="right", va="center_baseline")


def put_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names of rows left of the panel, the first on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.yaxis.set_major_locator(NullLocator())
    transform = _moved(axes.get_yaxis_transform(), axes, -PAD, 0)
    for place, name in enumerate(names):
        write(axes, 0, place, name, transform, size=TEXT_SIZE, ha="right", va="center_baseline")


def name_x(axes: Axes, text: str) -> None:
    """The name of the horizontal axis, below it."""
    transform = _moved(axes.transAxes, axes, 0, -NAME_DROP)
    write(axes, 0.5, 0, text, transform, size=TEXT_SIZE, ha="center", va="top")


def name_y(axes: Axes, text: str) -> None:
    """The name of the vertical axis, left of it."""
    transform = _moved(axes.transAxes, axes, -NAME_OUT, 0)
    write(axes, 0, 0.5, text, transform, size=TEXT_SIZE, ha="center", va="center", rotation=90)


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    transform: Transform,
    size: float = SMALL_SIZE,
    **look: Any,
) -> None:
    """A text in or beside a panel. The sheet holds it, for a panel would prepare to clip it."""
    sheet_of(axes).text(x, y, text, transform=transform, fontsize=points(size), **look)


def sheet_of(axes: Axes) -> Figure:
    """The figure a panel lies on; raises TypeError where it lies on none."""
    figure = axes.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError("the panel lies on no sheet")
    return figure


def _moved(transform: Transform, axes: Axes, across: float, up: float) -> Transform:
    """A place moved by so many pixels."""
    return transform + ScaledTranslation(
        across / PIXELS_PER_INCH, up / PIXELS_PER_INCH, sheet_of(axes).dpi_scale_trans
    )


def _draw_grid(
    axes: Axes, lines: Sequence[Sequence[tuple[float, float]]], transform: Transform
) -> None:
    """Lines of the grid, below all else."""
    grid = LineCollection(
        lines, colors=GRID, linewidths=LINE_WIDTH, transform=transform, zorder=0.5
    )
    axes.add_collection(grid, autolim=False)


def _draw_marks(
    axes: Axes, across: Sequence[float], up: Sequence[float], marker: int, transform: Transform
) -> None:
    """The small lines at an axis."""
    axes.plot(
        across,
        up,
        linestyle="none",
        marker=marker,
        markersize=points(MARK),
        markeredgecolor=FAINT_INK,
        markeredgewidth=LINE_WIDTH,
        transform=transform,
        clip_on=False,
        scalex=False,
        scaley=False,
    )


def look_of(cell: CellReport | SweepReport, style: Style) -> LineLook:
    """The look of a cell's line."""
    if cell.validity == "invalid":
        return LineLook(INVALID, FAINT_INK, (0, (1, 2)), 1.2, style.marker, is_hatched=True)
    return LineLook(style.color, style.ink, style.dash, 1.8, style.marker)


def line_name(cell: CellReport | SweepReport) -> str:
    """The label at a line's end."""
    name = shortened(cell_name(cell), NAME_LETTERS)
    return name if cell.validity == "valid" else f"{name} ({cell.validity})"


def draw_line(
    axes: Axes,
    across: Sequence[float],
    up: Sequence[float],
    look: LineLook,
    marked: Sequence[int] | None = None,
) -> None:
    """A line with markers, at all of its points or at those marked."""
    options: dict[str, Any] = {} if marked is None else {"markevery": list(marked)}
    if look.is_hatched:
        places = range(len(across)) if marked is None else marked
        draw_hatched(axes, [across[n] for n in places], [up[n] for n in places], look.marker)
    axes.plot(
        across,
        up,
        color=look.color,
        linestyle=look.dash,
        linewidth=look.width,
        marker="none" if look.is_hatched else look.marker,
        markersize=points(MARKER_SIZE),
        markeredgecolor="white",
        markeredgewidth=0.7,
        clip_on=False,
        **options,
    )


def draw_hatched(axes: Axes, across: Sequence[float], up: Sequence[float], marker: str) -> None:
    """Points that can't be believed: large hatched markers, whatever line they are on."""
    if not across:
        return
    axes.scatter(
        across,
        up,
        s=points(HATCHED_SIZE) ** 2,
        marker=marker,
        facecolor="white",
        edgecolor=INVALID,
        linewidth=1.0,
        hatch=HATCH * 2,
        clip_on=False,
        zorder=3,
    )


def draw_whiskers(
    axes: Axes, places: Sequence[float], estimates: Sequence[Interval], color: str
) -> None:
    """Intervals upright at their places; an estimate without bounds has none."""
    known = [
        (place, each.value, each.lower, each.upper)
        for place, each in zip(places, estimates, strict=True)
        if each.value is not None and each.lower is not None and each.upper is not None
    ]
    if known:
        axes.errorbar(
            [place for place, *_ in known],
            [value for _, value, _, _ in known],
            yerr=(
                [value - lower for _, value, lower, _ in known],
                [upper - value for _, value, _, upper in known],
            ),
            linestyle="none",
            color=color,
            elinewidth=1.2,
            capsize=points(CAP_SIZE),
            clip_on=False,
        )


class _Pixels(NamedTuple):
    """A panel in pixels of the sheet: where it lies, how large it is, where its lines end."""

    width: float
    height: float
    ends: Sequence[tuple[float, float]]


def spread(wanted: Sequence[float], height: float, low: float, high: float) -> list[float]:
    """Places as near as may be to those wanted, each `height` apart, within low and high.

    Keeps the order. Neighbours that would overlap form a block around their mean place; blocks
    that meet become one (pool adjacent violators: least squares under the order). More labels
    than fit are crowded evenly.
    """
    if not wanted:
        return []
    step = min(height, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    blocks: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        total, members = wanted[index] - rank * step, 1
        while blocks and blocks[-1][0] / blocks[-1][1] >= total / members:
            earlier_total, earlier_members = blocks.pop()
            total, members = total + earlier_total, members + earlier_members
        blocks.append((total, members))
    places = [0.0] * len(wanted)
    bases = [total / members for total, members in blocks for _ in range(members)]
    room = max(high - (len(wanted) - 1) * step, low)
    for rank, (index, base) in enumerate(zip(order, bases, strict=True)):
        places[index] = min(max(base, low), room) + rank * step
    return places


def label_ends(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Write each label right of the panel, with a leader from its line's end."""
    panel = _pixels(axes, labels)
    heights = spread([up for _, up in panel.ends], LABEL_HEIGHT, 0, panel.height)
    places = [(panel.width + LEADER, height) for height in heights]
    _draw_leaders(axes, panel, places, [label.color for label in labels], 0.9)
    for label, place in zip(labels, places, strict=True):
        across, up = (place[0] + GAP / 2) / panel.width, place[1] / panel.height
        baseline = "center_baseline"
        write(axes, across, up, label.text, axes.transAxes, va=baseline, color=label.ink)


def labels_width(labels: Sequence[str]) -> float:
    """The room that labels right of a panel take, in pixels."""
    return LEADER + GAP + MARGIN + max(text_width(label, SMALL_SIZE) for label in labels)


def tops_height(labels: Sequence[str]) -> float:
    """The room that labels above a panel take, in pixels."""
    longest = max((text_width(label, SMALL_SIZE) for label in labels), default=0.0)
    return TOP_LEADER + longest * sin(radians(SLANT)) + LABEL_HEIGHT


def label_tops(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Write each label aslant above the panel, with a leader from where its line ends."""
    panel = _pixels(axes, labels)
    rights = spread([across for across, _ in panel.ends], SLANT_WIDTH, 0, panel.width)
    places = [(right, panel.height + TOP_LEADER) for right in rights]
    _draw_leaders(axes, panel, places, [INVALID] * len(labels), 0.7)
    for label, place in zip(labels, places, strict=True):
        write(
            axes,
            (place[0] + GAP * cos(radians(SLANT))) / panel.width,
            (place[1] + GAP * sin(radians(SLANT))) / panel.height,
            label.text,
            axes.transAxes,
            rotation=SLANT,
            rotation_mode="anchor",
            va="center",
            color=label.ink,
        )


def _pixels(axes: Axes, labels: Sequence[EndLabel]) -> _Pixels:
    """The panel's size and its lines' ends; the axes' limits have to be set."""
    box = axes.get_window_extent()
    pixel = sheet_of(axes).dpi / PIXELS_PER_INCH
    corners = [axes.transData.transform((label.x, label.y)) for label in labels]
    return _Pixels(
        width=box.width / pixel,
        height=box.height / pixel,
        ends=[((x - box.x0) / pixel, (y - box.y0) / pixel) for x, y in corners],
    )


def _draw_leaders(
    axes: Axes,
    panel: _Pixels,
    places: Sequence[tuple[float, float]],
    colors: Sequence[str],
    width: float,
) -> None:
    """Lines from the ends to the labels' places: one collection, for an arrow each takes long."""
    segments = []
    for (x, y), (to_x, to_y) in zip(panel.ends, places, strict=True):
        share = min(CLEAR / (hypot(to_x - x, to_y - y) or CLEAR), 1.0)
        begin = (x + (to_x - x) * share, y + (to_y - y) * share)
        segments.append(
            [
                (begin[0] / panel.width, begin[1] / panel.height),
                (to_x / panel.width, to_y / panel.height),
            ]
        )
    axes.add_collection(
        LineCollection(
            segments,
            colors=list(colors),
            linewidths=width,
            transform=axes.transAxes,
            clip_on=False,
        ),
        autolim=False,
    )


def names_with_reasons(cells: Sequence[CellReport | SweepReport]) -> str:
    """Names with what kept them off the chart, each once."""
    several = len({cell.workers for cell in cells}) > 1
    names = (
        f"{cell_name(cell)}{f' w{cell.workers}' if several else ''} ({_why(cell)})"
        for cell in cells
    )
    return ", ".join(dict.fromkeys(names))


def _why(cell: CellReport | SweepReport) -> str:
    """Why a cell has no line."""
    verdict = verdict_word(cell)
    return verdict if cell.outcome != "ok" or verdict == OVERLOADED else "too few samples"


def has_whiskers(group: Group[CellReport], figure: Callable[[CellReport], Interval]) -> bool:
    """Whether any bar or point has an interval."""
    return any(figure(cell).lower is not None for cell in group.cells)
