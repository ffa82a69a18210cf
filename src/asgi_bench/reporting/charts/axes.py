"""What the axes of line charts have in common: ticks on logarithmic scales, and their look."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes

from asgi_bench.reporting.charts.sheet import SMALL_SIZE, points

Tick = Callable[[float], str]
# Of a panel's height.
UNIT_SHARE = 0.05


def one_two_five(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade between two positive figures: few, and every one is labelled."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    ticks = [
        factor * 10.0**decade for decade in range(first, last + 1) for factor in (1.0, 2.0, 5.0)
    ]
    return [tick for tick in ticks if low <= tick <= high]


def log_x(axes: Axes, low: float, high: float, tick: Tick) -> None:
    """A logarithmic horizontal axis from low to high."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = one_two_five(low, high)
    axes.set_xticks(ticks, [tick(place) for place in ticks])
    axes.set_xticks([], minor=True)
    _finish(axes)


def doubling_x(axes: Axes, counts: list[int]) -> None:
    """A horizontal axis on which each doubling gets the same room, with these counts as ticks."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(counts[0] / 2**0.15, counts[-1] * 2**0.05)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xticks([], minor=True)
    _finish(axes)


def log_y(axes: Axes, low: float, high: float, tick: Tick, unit: str = "") -> None:
    """A logarithmic vertical axis from low to high, its unit written at its top."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    # The unit takes the place of a tick at the very top.
    highest = high / (high / low) ** UNIT_SHARE if unit else high
    ticks = one_two_five(low, highest)
    axes.set_yticks(ticks, [tick(place) for place in ticks])
    axes.set_yticks([], minor=True)
    axes.annotate(
        unit,
        (0, 1),
        xytext=(-points(8), -points(2)),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=points(SMALL_SIZE),
    )
    _finish(axes)


def _finish(axes: Axes) -> None:
    """Ticks and grid as in every chart."""
    axes.tick_params(labelsize=points(SMALL_SIZE), length=points(4))
    axes.grid(visible=True)
