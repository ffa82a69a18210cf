"""Labels at the ends of lines: nobody has to match eleven colours with a legend."""

from collections.abc import Sequence
from math import cos, hypot, radians, sin
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from asgi_bench.reporting.charts.axes import sheet_of, write
from asgi_bench.reporting.charts.sheet import (
    INVALID,
    PIXELS_PER_INCH,
    SMALL_SIZE,
    text_width,
)

LABEL_HEIGHT = SMALL_SIZE * 1.3
LEADER = 26
GAP = 5
# Labels above a panel stand aslant in degrees, so that each needs only this width.
SLANT = 40
SLANT_WIDTH = 23
TOP_LEADER = 20
# A leader begins this far from its line's end, for that has a marker.
CLEAR = 4


class EndLabel(NamedTuple):
    """A line's name, where the line ends in data coordinates, its colour and the text's."""

    text: str
    x: float
    y: float
    color: str
    ink: str | tuple[float, float, float]


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
