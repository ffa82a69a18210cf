"""What a timeline says of changes: a shade over the runs they may have come with, and a label."""

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from asgi_bench.analysis.history import Series, Shift
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.axes import write
from asgi_bench.reporting.charts.palette import HUES, mixed
from asgi_bench.reporting.charts.sheet import FAINT_INK, GRID, SMALL_SIZE, WIDTH

_, VERMILION, GREEN = HUES[:3]
# In pixels: the room above a panel that labels take, and how wide the longest is.
LABEL_HEIGHT, LABEL_WIDTH = 16, 84

Color = tuple[float, float, float]


def mark_changes(axes: Axes, series: Series) -> None:
    """Shade all changes of a series, and label those that have the room."""
    for shift in series.shifts:
        _shade(axes, series, shift)
    for place, shift in labelled(series, _label_distance(axes)):
        _label(axes, place, shift)


def labelled(series: Series, distance: float) -> list[tuple[float, Shift]]:
    """The changes that have room for a label, with its place in runs: the largest first.

    A label is left out where a larger change's stands within that distance.
    """
    placed: list[tuple[float, Shift]] = []
    for shift in sorted(series.shifts, key=lambda shift: -abs(shift.effect.d)):
        place = _place(series, shift)
        if all(abs(place - other) >= distance for other, _ in placed):
            placed.append((place, shift))
    return placed


def _label_distance(axes: Axes) -> float:
    """How many runs a label is wide."""
    low, high = axes.get_xlim()
    return (high - low) * LABEL_WIDTH / (WIDTH * axes.get_position().width)


def _place(series: Series, shift: Shift) -> float:
    """Where a change stands among the runs."""
    if shift.step.kind == "drift":
        return (series.numbers[shift.step.first] + series.numbers[shift.step.last]) / 2
    return series.numbers[shift.step.place] - 0.5


def _shade(axes: Axes, series: Series, shift: Shift) -> None:
    """The runs that a change may have come with."""
    first, last = series.numbers[shift.step.first], series.numbers[shift.step.last]
    axes.axvspan(first - 1, last, color=_inks(shift)[0], linewidth=0, zorder=0.2)


def _label(axes: Axes, place: float, shift: Shift) -> None:
    """The size of a change, above the panel."""
    word = "slower" if shift.effect.d > 0 else "faster"
    write(
        axes,
        place,
        1.03,
        f"{numbers.percent(abs(shift.effect.d))}% {word}",
        axes.get_xaxis_transform(),
        size=SMALL_SIZE,
        ha="center",
        va="bottom",
        color=_inks(shift)[1],
    )


def _inks(shift: Shift) -> tuple[Color, Color]:
    """Shade and ink of a change: of slower ones, of faster ones, of doubtful ones."""
    if shift.may_be_measuring:
        return to_rgb(GRID), to_rgb(FAINT_INK)
    color = VERMILION if shift.effect.d > 0 else GREEN
    return mixed(color, 1.0, 0.65), mixed(color, 0.0, 0.38)
