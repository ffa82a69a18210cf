"""The latency chart: percentiles up to p99.99 on the axis that gives the tail its room."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.percentiles import TailCurve
from asgi_bench.analysis.report import CellReport
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.palette import Style, Styles
from asgi_bench.reporting.charts.panels import (
    HATCHED,
    EndLabel,
    draw_line,
    label_ends,
    labels_width,
    line_name,
    log_y,
    look_of,
    name_x,
    names_with_reasons,
    put_x_ticks,
)
from asgi_bench.reporting.charts.sheet import (
    Margins,
    Panel,
    Words,
    open_sheet,
)
from asgi_bench.reporting.groups import Group
from asgi_bench.reporting.wording import latency_words, workers_words

PANEL_HEIGHT = 330
LEFT = 62
MARKED_TAILS = (2.0, 10.0, 100.0, 1000.0, 10000.0)
PERCENTILE_NAMES = ("p50", "p90", "p99", "p99.9", "p99.99")


class LatencyLine(NamedTuple):
    """One cell's curve and how it is drawn."""

    cell: CellReport
    curve: TailCurve
    style: Style


def draw_latency(
    words: Words, group: Group[CellReport], curves: Mapping[str, TailCurve], styles: Styles
) -> Figure | None:
    """A panel of curves for each worker count, all on one scale; None without any curve.

    `curves` are by cell key: tail 1/(1-q) against seconds.
    """
    parts = []
    for section in group.sections:
        lines = [
            LatencyLine(cell, curves[cell.cell], styles[cell.server, cell.variant])
            for cell in (*section.ranked, *section.invalid)
            if cell.cell in curves
        ]
        if lines:
            parts.append((section.workers, lines))
    if not parts:
        return None
    names = [line_name(line.cell) for _, lines in parts for line in lines]
    right = labels_width(names)
    panels = [
        Panel(workers_words([workers]) if len(parts) > 1 else "", PANEL_HEIGHT)
        for workers, _ in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(LEFT, right))
    times = np.concatenate([line.curve.seconds for _, lines in parts for line in lines])
    longest = max(line.curve.tail[-1] for _, lines in parts for line in lines)
    tails = [
        tail
        for tail, one_before in zip(MARKED_TAILS, (0.0, *MARKED_TAILS), strict=False)
        if one_before < longest
    ]
    for axes, (_, lines) in zip(drawn, parts, strict=True):
        _draw_panel(axes, lines, float(times.min()), float(times.max()), tails)
    name_x(drawn[-1], "percentile of requests")
    return figure


def latency_notes(group: Group[CellReport], curves: Collection[str]) -> Iterator[str]:
    """For the latency chart; `curves` are the keys of the cells with a line."""
    words = latency_words(group.load)
    if group.load.is_closed:
        # N connections that always wait: the mean is N / throughput (Little's law).
        words += ", where it mirrors throughput"
    yield words
    yield "a line ends where fewer than ten samples lie beyond it"
    if any(section.invalid for section in group.sections):
        yield HATCHED
    missing = [cell for cell in group.cells if cell.cell not in curves]
    if missing:
        yield f"without a line: {names_with_reasons(missing)}"


def _draw_panel(
    axes: Axes,
    lines: Sequence[LatencyLine],
    fastest_s: float,
    slowest_s: float,
    tails: Sequence[float],
) -> None:
    """The curves of one worker count; the axis has these tails, the first and last at its ends."""
    log_y(axes, fastest_s / 1.25, slowest_s * 1.25, numbers.milliseconds_tick, "ms")
    axes.set_xscale("log")
    # Where p50 alone is known its place is the middle.
    axes.set_xlim(*((tails[0], tails[-1]) if len(tails) > 1 else (1.0, tails[0] ** 2)))
    put_x_ticks(axes, tails, PERCENTILE_NAMES[: len(tails)])
    for line in lines:
        _draw_line(axes, line)
    label_ends(axes, [_end_label(line) for line in lines])


def _draw_line(axes: Axes, line: LatencyLine) -> None:
    """One curve, with its marker at the percentiles that the axis names."""
    tail = line.curve.tail
    marked = [
        int(np.abs(tail - named).argmin()) for named in MARKED_TAILS if named <= tail[-1] * 1.01
    ]
    seconds = line.curve.seconds.tolist()
    draw_line(axes, tail.tolist(), seconds, look_of(line.cell, line.style), marked)


def _end_label(line: LatencyLine) -> EndLabel:
    """The label of one curve."""
    look = look_of(line.cell, line.style)
    return EndLabel(
        line_name(line.cell),
        x=float(line.curve.tail[-1]),
        y=float(line.curve.seconds[-1]),
        color=look.color,
        ink=look.ink,
    )
