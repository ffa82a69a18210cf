"""The chart of ratios: each setting's throughput over the reference's, with its interval.

Ratios stand on a logarithmic axis, on which twice as fast is as far from 1 as half as fast.
"""

from collections.abc import Collection, Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.bars import (
    Measure,
    in_order,
    panel_heading,
    row_label,
    row_name,
)
from asgi_bench.reporting.charts.palette import Style, Styles
from asgi_bench.reporting.charts.panels import (
    FEWEST_TICKS,
    HATCHED,
    MOST_TICKS,
    draw_hatched,
    log_ticks,
    name_x,
    put_rows,
    put_x_ticks,
    write,
)
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    GRID,
    INK,
    INVALID,
    MARGIN,
    SMALL_SIZE,
    WIDTH,
    Margins,
    Panel,
    Words,
    fitted,
    open_sheet,
    points,
    text_width,
)
from asgi_bench.reporting.groups import Group
from asgi_bench.reporting.run.claims import is_reference, is_told_apart, rated, ratio_of
from asgi_bench.reporting.wording import cell_name, plain

ROW_HEIGHT = 23
GAP = 8
LINE_WIDTH = 2.0
MARK_SIZE = 5.5
# Beyond the outermost interval, as a factor; and what is seen at least on either side of 1.
SLACK = 1.05
LEAST_SIDE = 1.05
GUIDE_WIDTH = 0.6
# Of a panel's width: where a reason begins.
INDENT = 0.01


def forest_title(report: Report) -> str:
    """What the chart is headed by."""
    return f"Throughput ratio to {_reference_name(report)}"


def _reference_name(report: Report) -> str:
    """What all ratios are to."""
    setting = report.run.reference or ""
    found = next((cell for cell in report.cells if cell.cell.startswith(f"{setting}/")), None)
    return plain(setting) if found is None else cell_name(found)


def draw_forest(
    words: Words, report: Report, group: Group[CellReport], styles: Styles
) -> Figure | None:
    """A panel for each worker count, a row for each setting; None where no sound cell has a ratio.

    Settings that can be told apart from the reference have a filled marker, others a hollow one.
    """
    if not any(map(rated, group.sections)):
        return None
    told_apart = {cell.cell for cell in group.cells if is_told_apart(report, cell)}
    parts = [(section, in_order(section, RATIO)) for section in group.sections]
    cells = [cell for _, members in parts for cell in members]
    measured = [cell for cell in cells if cell.outcome == "ok"]
    left = MARGIN + GAP + max(text_width(row_name(cell)) for cell in cells)
    right = MARGIN + GAP + max(text_width(_label(cell), SMALL_SIZE) for cell in measured)
    panels = [
        Panel(panel_heading(section, len(parts)), ROW_HEIGHT * len(members))
        for section, members in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(left, right))
    limits = _limits(measured)
    for axes, (_, members) in zip(drawn, parts, strict=True):
        _draw_panel(axes, members, styles, limits, told_apart)
    name_x(drawn[-1], f"throughput, {_reference_name(report)} = 1 (more is better)")
    return figure


def forest_notes(report: Report, group: Group[CellReport]) -> Iterator[str]:
    """How to read it."""
    yield f"ratio to {plain(report.run.reference or '')} in the same rounds"
    yield "line: 95% interval over rounds"
    others = [cell for cell in group.cells if cell.throughput_ratio and not is_reference(cell)]
    if not all(is_told_apart(report, cell) for cell in others):
        yield "hollow: can't be told apart from the reference"
    if any(section.invalid for section in group.sections):
        yield HATCHED


def _label(cell: CellReport) -> str:
    """The text right of the panel."""
    return row_label(cell, RATIO)


def _figure_label(cell: CellReport) -> str:
    """A ratio with its interval; the reference's own is none."""
    ratio = ratio_of(cell)
    if is_reference(cell):
        return "reference"
    return numbers.with_interval(numbers.factor(ratio.value), ratio)


RATIO = Measure(
    figure=ratio_of,
    label=_figure_label,
    unit=1.0,
    tick=numbers.tick,
    axis="throughput ratio",
    more_is_better=True,
)


def _limits(cells: Sequence[CellReport]) -> tuple[float, float]:
    """Both ends of the axis: around all intervals, and around 1."""
    ratios = [ratio for cell in cells if (ratio := ratio_of(cell)).value is not None]
    lows = [ratio.lower or ratio.value or 1.0 for ratio in ratios]
    highs = [ratio.upper or ratio.value or 1.0 for ratio in ratios]
    return min(*lows, 1 / LEAST_SIDE) / SLACK, max(*highs, LEAST_SIDE) * SLACK


def _ticks(low: float, high: float) -> list[float]:
    """Round figures, 1 among them."""
    found = log_ticks(low, high)
    if len(found) < FEWEST_TICKS:
        steps = MaxNLocator(MOST_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
        found = [round(float(tick), 9) for tick in steps if low <= tick <= high]
    return sorted({*found, 1.0})


def _draw_panel(
    axes: Axes,
    cells: Sequence[CellReport],
    styles: Styles,
    limits: tuple[float, float],
    told_apart: Collection[str],
) -> None:
    """The rows of one worker count."""
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    ticks = _ticks(*limits)
    put_x_ticks(axes, ticks, [numbers.tick(tick) for tick in ticks])
    put_rows(axes, [row_name(cell) for cell in cells])
    axes.hlines(range(len(cells)), *limits, colors=GRID, linewidth=GUIDE_WIDTH, zorder=0.4)
    axes.axvline(1.0, color=FAINT_INK, linewidth=1.2, zorder=0.8)
    _draw_intervals(axes, cells, styles)
    for place, cell in enumerate(cells):
        if ratio_of(cell).value is not None:
            is_filled = cell.cell in told_apart or is_reference(cell)
            _draw_marker(axes, place, cell, styles[cell.server, cell.variant], is_filled=is_filled)
    _write_labels(axes, cells)


def _color(cell: CellReport, styles: Styles) -> str:
    """A server's own colour, or that of what can't be believed."""
    return INVALID if cell.validity == "invalid" else styles[cell.server, cell.variant].color


def _draw_intervals(axes: Axes, cells: Sequence[CellReport], styles: Styles) -> None:
    """The intervals of those that have any."""
    known = [
        (place, ratio.lower, ratio.upper, _color(cell, styles))
        for place, cell in enumerate(cells)
        for ratio in (ratio_of(cell),)
        if ratio.lower is not None and ratio.upper is not None and not is_reference(cell)
    ]
    if known:
        places, lowers, uppers, colors = zip(*known, strict=True)
        axes.hlines(places, lowers, uppers, colors=colors, linewidth=LINE_WIDTH)


def _draw_marker(
    axes: Axes, place: int, cell: CellReport, style: Style, *, is_filled: bool
) -> None:
    """A row's estimate."""
    ratio = ratio_of(cell).value or 1.0
    if cell.validity == "invalid":
        draw_hatched(axes, [ratio], [place], style.marker)
        return
    axes.plot(
        [ratio],
        [place],
        marker=style.marker,
        markersize=points(MARK_SIZE),
        markerfacecolor=style.color if is_filled else "white",
        markeredgecolor=style.color,
        markeredgewidth=1.2,
        clip_on=False,
    )


def _write_labels(axes: Axes, cells: Sequence[CellReport]) -> None:
    """Each figure right of the panel; what has none says why, within it."""
    transform = axes.get_yaxis_transform()
    width = axes.get_position().width * WIDTH
    for place, cell in enumerate(cells):
        is_measured = cell.outcome == "ok"
        room = width * (1 - INDENT)
        write(
            axes,
            1 + GAP / width if is_measured else INDENT,
            place,
            _label(cell) if is_measured else fitted(_label(cell), SMALL_SIZE, room),
            transform,
            va="center_baseline",
            color=INK if is_measured else FAINT_INK,
            style="normal" if is_measured else "italic",
        )
