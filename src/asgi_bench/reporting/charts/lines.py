"""Lines, and labels at their ends: nobody has to match eleven colours with a legend."""

from collections.abc import Sequence
from math import radians, sin
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from asgi_bench.analysis.document import CellReport, SweepReport
from asgi_bench.reporting.charts.palette import Dash, Style
from asgi_bench.reporting.charts.sheet import FAINT_INK, INVALID, SMALL_SIZE, points, text_width
from asgi_bench.reporting.wording import cell_name, shortened

LABEL_HEIGHT = SMALL_SIZE * 1.3
LEADER = 26
GAP = 5
NAME_LETTERS = 30
# Labels above a panel stand aslant in degrees, so that each needs only this width.
SLANT = 40
SLANT_WIDTH = 23
TOP_LEADER = 20
MARKER_SIZE = 7


class EndLabel(NamedTuple):
    """A line's name, where the line ends in data coordinates, its colour and the text's."""

    text: str
    x: float
    y: float
    color: str
    ink: str | tuple[float, float, float]


class Look(NamedTuple):
    """How one line is drawn: what can't be believed is thin, gray and dotted."""

    color: str
    ink: str | tuple[float, float, float]
    dash: Dash
    width: float
    marker: str


def look_of(cell: CellReport | SweepReport, style: Style) -> Look:
    """The look of a cell's line."""
    if cell.validity == "invalid":
        return Look(INVALID, FAINT_INK, (0, (1, 2)), 1.2, style.marker)
    return Look(style.color, style.ink, style.dash, 1.8, style.marker)


def line_name(cell: CellReport | SweepReport) -> str:
    """The label at a line's end."""
    name = shortened(cell_name(cell), NAME_LETTERS)
    return name if cell.validity == "valid" else f"{name} ({cell.validity})"


def draw_line(
    axes: Axes,
    across: Sequence[float],
    up: Sequence[float],
    look: Look,
    marked: Sequence[int] | None = None,
) -> None:
    """A line with markers, at all of its points or at those marked."""
    options: dict[str, Any] = {} if marked is None else {"markevery": list(marked)}
    axes.plot(
        across,
        up,
        color=look.color,
        linestyle=look.dash,
        linewidth=look.width,
        marker=look.marker,
        markersize=points(MARKER_SIZE),
        markeredgecolor="white",
        markeredgewidth=0.7,
        clip_on=False,
        **options,
    )


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
    figure = axes.get_figure()
    if figure is None or not labels:
        return
    box = axes.get_window_extent()
    pixel = figure.dpi / 96
    ends = [axes.transData.transform((label.x, label.y)) for label in labels]
    heights = [float(end[1]) for end in ends]
    places = spread(heights, LABEL_HEIGHT * pixel, box.y0, box.y1)
    for label, place in zip(labels, places, strict=True):
        up = (place - box.y0) / box.height
        axes.annotate(
            label.text,
            xy=(label.x, label.y),
            xycoords="data",
            xytext=(1 + LEADER * pixel / box.width, up),
            textcoords="axes fraction",
            va="center_baseline",
            fontsize=points(SMALL_SIZE),
            color=label.ink,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": label.color,
                "linewidth": 0.9,
                "shrinkA": points(2),
                "shrinkB": points(3),
                "relpos": (0.0, 0.5),
            },
        )


def tops_height(labels: Sequence[str]) -> float:
    """The room that labels above a panel take, in pixels."""
    longest = max((text_width(label, SMALL_SIZE) for label in labels), default=0.0)
    return TOP_LEADER + longest * sin(radians(SLANT)) + LABEL_HEIGHT


def label_tops(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Write each label aslant above the panel, with a leader from where its line ends."""
    figure = axes.get_figure()
    if figure is None or not labels:
        return
    box = axes.get_window_extent()
    pixel = figure.dpi / 96
    across = [float(axes.transData.transform((label.x, label.y))[0]) for label in labels]
    places = spread(across, SLANT_WIDTH * pixel, box.x0, box.x1)
    for label, place in zip(labels, places, strict=True):
        axes.annotate(
            label.text,
            xy=(label.x, label.y),
            xycoords="data",
            xytext=((place - box.x0) / box.width, 1 + TOP_LEADER * pixel / box.height),
            textcoords="axes fraction",
            rotation=SLANT,
            rotation_mode="anchor",
            ha="left",
            va="center",
            fontsize=points(SMALL_SIZE),
            color=label.ink,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": INVALID,
                "linewidth": 0.7,
                "shrinkA": points(1),
                "shrinkB": points(3),
                "relpos": (0.0, 0.0),
            },
        )
