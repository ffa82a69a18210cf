"""Lines and whiskers, as every chart draws them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.estimates import Interval
from asgi_bench.reporting.charts.palette import Dash, Style
from asgi_bench.reporting.charts.sheet import FAINT_INK, HATCH, INVALID, points
from asgi_bench.reporting.wording import cell_name, shortened

NAME_LETTERS = 30
MARKER_SIZE = 7
# Wide enough that three strokes of the hatch are seen in it.
HATCHED_SIZE = 11
CAP_SIZE = 3.5


class Look(NamedTuple):
    """How one line is drawn: what can't be believed is thin, gray and dotted, and hatched."""

    color: str
    ink: str | tuple[float, float, float]
    dash: Dash
    width: float
    marker: str
    is_hatched: bool = False


def look_of(cell: CellReport | SweepReport, style: Style) -> Look:
    """The look of a cell's line."""
    if cell.validity == "invalid":
        return Look(INVALID, FAINT_INK, (0, (1, 2)), 1.2, style.marker, is_hatched=True)
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
