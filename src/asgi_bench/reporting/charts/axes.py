"""What the axes of all charts have in common: scales, ticks and names.

Ticks are drawn here as one collection of lines and plain texts: matplotlib's own are five artists
each, and take a third of the time that a chart takes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.markers import TICKDOWN, TICKLEFT
from matplotlib.ticker import MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform

from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    GRID,
    PIXELS_PER_INCH,
    SMALL_SIZE,
    TEXT_SIZE,
    points,
)

Tick = Callable[[float], str]
# Of a panel's height.
UNIT_SHARE = 0.05
MARK = 4
PAD = 8
NAME_DROP = 26
NAME_OUT = 50
LINE_WIDTH = 0.8
MOST_TICKS = 8


def one_two_five(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade between two positive figures: few, and every one is labelled."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    ticks = [
        factor * 10.0**decade for decade in range(first, last + 1) for factor in (1.0, 2.0, 5.0)
    ]
    return [tick for tick in ticks if low <= tick <= high]


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
    ticks = one_two_five(low, highest)
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
