"""The latency chart: percentiles up to p99.99 on the axis that gives the tail its room."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.document import CellReport
from asgi_bench.analysis.percentiles import TailCurve
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.bars import Styles
from asgi_bench.reporting.charts.lines import GAP, LEADER, EndLabel, label_ends
from asgi_bench.reporting.charts.palette import Style
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    INVALID,
    MARGIN,
    SMALL_SIZE,
    TEXT_SIZE,
    Margins,
    Panel,
    Words,
    open_sheet,
    points,
    text_width,
)
from asgi_bench.reporting.groups import Group
from asgi_bench.reporting.wording import cell_name, shortened, workers_words

PANEL_HEIGHT = 330
LEFT = 62
NAME_LETTERS = 30
MARKED_TAILS = (2.0, 10.0, 100.0, 1000.0, 10000.0)
PERCENTILE_NAMES = ("p50", "p90", "p99", "p99.9", "p99.99")


class Line(NamedTuple):
    """One cell's curve and how it is drawn."""

    cell: CellReport
    curve: TailCurve
    style: Style


def draw_latency(
    words: Words, group: Group, curves: Mapping[str, TailCurve], styles: Styles
) -> Figure | None:
    """A panel of curves for each worker count, all on one scale; None without any curve.

    `curves` are by cell key: tail 1/(1-q) against seconds.
    """
    parts = []
    for section in group.sections:
        lines = [
            Line(cell, curves[cell.cell], styles[cell.server, cell.variant])
            for cell in (*section.ranked, *section.invalid)
            if cell.cell in curves
        ]
        if lines:
            parts.append((section.workers, lines))
    if not parts:
        return None
    names = [_name(line.cell) for _, lines in parts for line in lines]
    right = LEADER + GAP + MARGIN + max(text_width(name, SMALL_SIZE) for name in names)
    panels = [
        Panel(workers_words([workers]) if len(parts) > 1 else "", PANEL_HEIGHT)
        for workers, _ in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(LEFT, right))
    times = np.concatenate([line.curve.seconds for _, lines in parts for line in lines])
    for axes, (_, lines) in zip(drawn, parts, strict=True):
        _draw_panel(axes, lines, float(times.min()), float(times.max()))
    drawn[-1].set_xlabel("percentile of requests", fontsize=points(TEXT_SIZE))
    return figure


def _name(cell: CellReport) -> str:
    """The label at a line's end."""
    name = shortened(cell_name(cell), NAME_LETTERS)
    return name if cell.validity == "valid" else f"{name} ({cell.validity})"


def _draw_panel(axes: Axes, lines: Sequence[Line], fastest_s: float, slowest_s: float) -> None:
    """The curves of one worker count."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(MARKED_TAILS[0], MARKED_TAILS[-1])
    axes.set_ylim(fastest_s / 1.25, slowest_s * 1.25)
    axes.set_xticks(MARKED_TAILS, PERCENTILE_NAMES)
    axes.set_xticks([], minor=True)
    axes.set_yticks(*_time_ticks(fastest_s / 1.25, slowest_s * 1.25))
    axes.set_yticks([], minor=True)
    axes.tick_params(labelsize=points(SMALL_SIZE), length=points(4))
    axes.annotate(
        "ms",
        (0, 1),
        xytext=(-points(8), -points(2)),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=points(SMALL_SIZE),
    )
    axes.grid()
    for line in lines:
        _draw_line(axes, line)
    label_ends(axes, [_end_label(line) for line in lines])


def _draw_line(axes: Axes, line: Line) -> None:
    """One curve, with its marker at the percentiles that the axis names."""
    is_invalid = line.cell.validity == "invalid"
    marked = [
        int(np.abs(line.curve.tail - tail).argmin())
        for tail in MARKED_TAILS
        if tail <= line.curve.tail[-1] * 1.01
    ]
    axes.plot(
        line.curve.tail,
        line.curve.seconds,
        color=INVALID if is_invalid else line.style.color,
        linestyle=(0, (1, 2)) if is_invalid else line.style.dash,
        linewidth=1.2 if is_invalid else 1.8,
        marker=line.style.marker,
        markersize=points(7),
        markevery=marked,
        markeredgecolor="white",
        markeredgewidth=0.7,
        clip_on=False,
    )


def _end_label(line: Line) -> EndLabel:
    """The label of one curve."""
    is_invalid = line.cell.validity == "invalid"
    return EndLabel(
        _name(line.cell),
        x=float(line.curve.tail[-1]),
        y=float(line.curve.seconds[-1]),
        color=INVALID if is_invalid else line.style.color,
        ink=FAINT_INK if is_invalid else line.style.ink,
    )


def _time_ticks(low_s: float, high_s: float) -> tuple[list[float], list[str]]:
    """1, 2 and 5 of each decade: few lines, and every one has its figure."""
    first, last = int(np.floor(np.log10(low_s))), int(np.ceil(np.log10(high_s)))
    ticks = [
        factor * 10.0**decade for decade in range(first, last + 1) for factor in (1.0, 2.0, 5.0)
    ]
    shown = [tick for tick in ticks if low_s <= tick <= high_s]
    return shown, [numbers.milliseconds_tick(tick) for tick in shown]
