"""Charts of a history: a cell's ratio over its runs, with its levels, changes and breaks.

Runs stand at their number, not at their date: they come in bursts, and a change is between two
runs whatever the time between them.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asgi_bench.analysis.history.series import History, Series, Shift
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.drawing import Draft, Drawing, Drawn, drawn
from asgi_bench.reporting.charts.palette import HUES, mixed
from asgi_bench.reporting.charts.panels import name_x, put_x_ticks, put_y_ticks, write
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    GRID,
    INK,
    INVALID,
    SMALL_SIZE,
    TEXT_SIZE,
    WIDTH,
    Margins,
    Panel,
    Words,
    fitted,
    open_sheet,
    points,
    sheet_settings,
)
from asgi_bench.reporting.history import (
    comparatives,
    count_words,
    place_sentence,
    series_name,
)
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import safe_name

BLUE, VERMILION, GREEN = HUES[:3]
PANEL_HEIGHT = 120
ABOVE = 44
LEFT, RIGHT = 62, 24
# More dots than this can't be told apart over the sheet's width; each is then a median of several.
MOST_DOTS = 360
# Whiskers of more runs than this are a blur.
MOST_WHISKERS = 60
DOT = 4.5
MOST_TICKS = 4
SLACK = 0.12
SHARE_OF_DATES = 6

# So many panels are as tall as three screens; the page's table lists all series.
MOST_PANELS = 16
# In pixels: the room above a panel that labels take, and how wide the longest is.
LABEL_HEIGHT, LABEL_WIDTH = 16, 84

Color = tuple[float, float, float]
Floats = npt.NDArray[np.float64]


class Dots(NamedTuple):
    """What is drawn of many runs: places, ratios, and how many runs each stands for."""

    across: Floats
    up: Floats
    runs: int


def draw_history(history: History) -> tuple[Drawing, ...]:
    """Draw a history's charts, those with a change first; none where there is no series."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for series in history.series:
        place = series.cell.split("/", 3)[-1]
        groups.setdefault((place, series.metric.name, series.reference), []).append(series)
    ordered = sorted(
        groups.items(), key=lambda each: -sum(len(series.shifts) for series in each[1])
    )
    with sheet_settings():
        drawings = [
            drawn(
                Draft(
                    "history",
                    f"{metric}-{safe_name(place.replace('/', '-'))}",
                    plain(place),
                    partial(_timeline, history, place, members),
                    says=place_sentence(members),
                )
            )
            for (place, metric, _), members in ordered
        ]
        return tuple(drawing for drawing in drawings if drawing is not None)


def _timeline(history: History, place: str, members: list[Series], says: str) -> Drawn:
    """The sheet of one group; what has changed comes first, and what finds no room is counted."""
    shown = sorted(members, key=lambda series: -len(series.shifts))[:MOST_PANELS]
    words = _words(history, place, members, len(members) - len(shown), says)
    return words, draw_timeline(words, history, shown)


def _words(history: History, place: str, members: list[Series], left_out: int, says: str) -> Words:
    """What a sheet says."""
    metric = members[0].metric.label
    longest = max(len(series.points) for series in members)
    per_dot = -(-longest // MOST_DOTS)
    last = history.runs[-1]
    notes = [
        "dot: a run" if per_dot == 1 else f"dot: the median of up to {per_dot} runs",
        "hollow: a spike",
        "line: the level",
        "shaded: the runs with which a change may have come",
        "gray shade: doubtful, since the measurement changed too",
        "dashed: machine, tool or load changed"
        if members[0].reference
        else "dashed: kernel, libraries, interpreter or tool changed",
        "dotted: packages or flags changed",
    ]
    if left_out:
        notes.append(f"{left_out} more without a change are left out")
    return Words(
        title=f"{metric[:1].upper()}{metric[1:]} over time: {plain(place)}",
        says=says,
        facts=(
            f"ratio to {plain(members[0].reference)} in the same run"
            if members[0].reference
            else "per request, counted",
            count_words(len(history.runs), "run"),
        ),
        notes=tuple(notes),
        footer=(
            plain(last.cpu_model),
            count_words(last.cpu_count, "CPU"),
            f"machine {plain(last.fingerprint)}",
            f"newest run {plain(numbers.moment(last.started_at))}",
        ),
    )


def draw_timeline(words: Words, history: History, series: Sequence[Series]) -> Figure:
    """A panel for each series, over all runs of the history."""
    heading_room = WIDTH - LEFT - RIGHT
    panels = [
        Panel(
            fitted(series_name(one), TEXT_SIZE * 1.12, heading_room),
            PANEL_HEIGHT,
            ABOVE,
            LABEL_HEIGHT if one.shifts else 0,
        )
        for one in series
    ]
    figure, drawn = open_sheet(words, panels, Margins(LEFT, RIGHT))
    for axes, one in zip(drawn, series, strict=True):
        _draw_panel(axes, history, one)
    name_x(drawn[-1], "run, oldest first, with the day it began")
    return figure


def thinned(series: Series) -> Dots:
    """The series' dots: one a run, or medians of equally many where there are too many."""
    across = np.asarray(series.numbers, dtype=float)
    up = np.array([point.ratio for point in series.points])
    runs = -(-len(up) // MOST_DOTS)
    if runs == 1:
        return Dots(across, up, 1)
    parts = range(0, len(up), runs)
    return Dots(
        np.array([np.median(across[part : part + runs]) for part in parts]),
        np.array([np.median(up[part : part + runs]) for part in parts]),
        runs,
    )


def _draw_panel(axes: Axes, history: History, series: Series) -> None:
    dots = thinned(series)
    _set_scales(axes, history, series, dots)
    _draw_breaks(axes, history)
    if len(series.points) <= MOST_WHISKERS:
        whiskers = [
            [(number, point.lower), (number, point.upper)]
            for number, point in zip(series.numbers, series.points, strict=True)
            if point.lower is not None and point.upper is not None
        ]
        axes.add_collection(
            LineCollection(whiskers, colors=[mixed(BLUE, 1.0, 0.4)], linewidths=1.0), autolim=False
        )
    _draw_dots(axes, series, dots)
    _draw_levels(axes, series)
    mark_changes(axes, series)


def _set_scales(axes: Axes, history: History, series: Series, dots: Dots) -> None:
    """The same runs from left to right in every panel; ratios about those that there are."""
    count = len(history.runs)
    axes.set_xlim(-0.5 - 0.01 * count, count - 0.5 + 0.01 * count)
    sound = np.delete(dots.up, list(series.spikes)) if dots.runs == 1 else dots.up
    low, high = (float(bound) for bound in (sound.min(), sound.max()))
    if len(series.points) <= MOST_WHISKERS:
        bounds = [bound for point in series.points for bound in (point.lower, point.upper) if bound]
        # An interval of three rounds may be wider than anything that happened.
        low = max(min([low, *bounds]), low * 0.7)
        high = min(max([high, *bounds]), high * 1.3)
    room = max(high - low, 0.02 * high) * SLACK
    axes.set_ylim(low - room, high + room)
    ticks = MaxNLocator(MOST_TICKS, steps=[1, 2, 2.5, 5, 10]).tick_values(low - room, high + room)
    shown = [float(tick) for tick in ticks if low - room <= tick <= high + room]
    put_y_ticks(axes, shown, [numbers.tick(round(tick, 9)) for tick in shown])
    places = sorted(
        {round(place) for place in np.linspace(0, count - 1, min(SHARE_OF_DATES, count))}
    )
    days = [history.runs[place].started_at[:10] for place in places]
    put_x_ticks(axes, places, days)


def _draw_breaks(axes: Axes, history: History) -> None:
    """Where the surroundings changed: dashed where machine, tool or load did, else dotted."""
    transform = axes.get_xaxis_transform()
    for is_measuring, dash, color in (
        (False, (0, (1, 2)), INVALID),
        (True, (0, (4, 2)), FAINT_INK),
    ):
        lines = [
            [(found.number - 0.5, 0.0), (found.number - 0.5, 1.0)]
            for found in history.breaks
            if found.is_measuring == is_measuring
        ]
        axes.add_collection(
            LineCollection(
                lines, colors=color, linestyles=[dash], linewidths=1.0, transform=transform
            ),
            autolim=False,
        )


def _draw_dots(axes: Axes, series: Series, dots: Dots) -> None:
    """A dot a run; spikes are hollow, at the panel's edge where they lie beyond it."""
    is_spike = np.zeros(len(dots.up), dtype=bool)
    if dots.runs == 1:
        is_spike[list(series.spikes)] = True
    low, high = axes.get_ylim()
    up = np.clip(dots.up, low, high)
    for chosen, face in ((~is_spike, BLUE), (is_spike, "white")):
        axes.plot(
            dots.across[chosen],
            up[chosen],
            linestyle="none",
            marker="o",
            markersize=points(DOT),
            markerfacecolor=face,
            markeredgecolor=BLUE,
            markeredgewidth=0.8,
            clip_on=False,
        )


def _draw_levels(axes: Axes, series: Series) -> None:
    """The geometric mean between changes; a drift is a straight line."""
    logs = np.log([point.ratio for point in series.points])
    calm = np.ones(len(logs), dtype=bool)
    calm[list(series.spikes)] = False
    lines: list[list[tuple[float, float]]] = []
    begin = 0
    for shift in (*series.shifts, None):
        end = len(logs) if shift is None else _end_of_level(shift)
        if end > begin and calm[begin:end].any():
            level = float(np.exp(logs[begin:end][calm[begin:end]].mean()))
            lines.append([(series.numbers[begin], level), (series.numbers[end - 1], level)])
        if shift is None:
            break
        begin = shift.step.place
        if shift.step.kind == "drift":
            lines.append(_drift_line(series, logs, shift))
            begin = shift.step.last + 1
    axes.add_collection(LineCollection(lines, colors=INK, linewidths=1.6, zorder=3), autolim=False)


def _end_of_level(shift: Shift) -> int:
    return shift.step.first if shift.step.kind == "drift" else shift.step.place


def _drift_line(series: Series, logs: Floats, shift: Shift) -> list[tuple[float, float]]:
    """From the level at its begin to that at its end."""
    first, last = shift.step.first, shift.step.last
    middle = float(np.median(logs[first : last + 1]))
    low, high = np.exp([middle - shift.step.change / 2, middle + shift.step.change / 2]).tolist()
    return [(series.numbers[first], low), (series.numbers[last], high)]


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
    worse, better = comparatives(shift)
    word = worse if shift.effect.d > 0 else better
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
