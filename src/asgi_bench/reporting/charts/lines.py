"""Labels at the ends of lines: nobody has to match eleven colours with a legend."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from asgi_bench.reporting.charts.sheet import SMALL_SIZE, points

LABEL_HEIGHT = SMALL_SIZE * 1.3
LEADER = 26
GAP = 5


class EndLabel(NamedTuple):
    """A line's name, where the line ends in data coordinates, its colour and the text's."""

    text: str
    x: float
    y: float
    color: str
    ink: str | tuple[float, float, float]


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
