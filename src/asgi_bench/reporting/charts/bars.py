"""Charts of one figure a cell: a bar each, the best on top, its value beside it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.document import CellReport, Interval
from asgi_bench.reporting.charts.palette import Style, Styles
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    INK,
    INVALID,
    MARGIN,
    SMALL_SIZE,
    TEXT_SIZE,
    WIDTH,
    Margins,
    Panel,
    Words,
    fitted,
    open_sheet,
    points,
    text_width,
)
from asgi_bench.reporting.groups import Group, Section
from asgi_bench.reporting.wording import cell_name, plain, shortened, verdict_word, workers_words

ROW_HEIGHT = 27
BAR_SHARE = 0.66
GAP = 7
NAME_LETTERS = 34
# However long its label, the longest bar keeps this share of the panel.
LEAST_BAR_SHARE = 0.3
SLACK = 2


class Measure(NamedTuple):
    """What a chart's bars show: a figure in SI, and the axis's unit in SI, named in its title."""

    figure: Callable[[CellReport], Interval]
    label: Callable[[CellReport], str]
    unit: float
    tick: Callable[[float], str]
    axis: str
    more_is_better: bool
    shows_ratio: bool = False
    # Whether it says something of an open loop, whose throughput is the offered rate.
    depends_on_rate: bool = False


def draw_bars(words: Words, group: Group[CellReport], measure: Measure, styles: Styles) -> Figure:
    """A panel of bars for each worker count, all on one scale."""
    parts = [(section, _in_order(section, measure)) for section in group.sections]
    cells = [cell for _, members in parts for cell in members]
    left = MARGIN + GAP + max(text_width(_name(cell)) for cell in cells)
    panels = [
        Panel(_heading(section, len(parts)), ROW_HEIGHT * len(members))
        for section, members in parts
    ]
    figure, drawn = open_sheet(words, panels, Margins(left, MARGIN))
    limit = _limit(cells, measure, WIDTH - left - MARGIN)
    for axes, (_, members) in zip(drawn, parts, strict=True):
        _draw_panel(axes, members, measure, styles, limit)
    drawn[-1].set_xlabel(measure.axis, fontsize=points(TEXT_SIZE))
    return figure


def _in_order(section: Section[CellReport], measure: Measure) -> list[CellReport]:
    """The best first by this measure; then the invalid ones, then those without figures."""

    def merit(cell: CellReport) -> tuple[bool, float]:
        value = measure.figure(cell).value
        return (value is None, 0.0 if value is None else value * direction)

    direction = -1 if measure.more_is_better else 1
    return [
        *sorted(section.ranked, key=merit),
        *sorted(section.unranked, key=merit),
        *sorted(section.invalid, key=merit),
        *section.absent,
    ]


def _heading(section: Section[CellReport], sections: int) -> str:
    """The worker count, where it isn't the same for all and thus in the subtitle."""
    oversubscribed = any(cell.oversubscribed for cell in section.cells)
    note = ", more than the server CPUs" if oversubscribed else ""
    return workers_words([section.workers]) + note if sections > 1 or note else ""


def _name(cell: CellReport) -> str:
    """The text left of a bar."""
    return shortened(cell_name(cell), NAME_LETTERS)


def _label(cell: CellReport, measure: Measure) -> str:
    """The text right of a bar, or in its place."""
    if cell.outcome != "ok":
        return f"{cell.outcome}, {plain(cell.reason or 'no reason was given')}"
    label = measure.label(cell)
    verdict = verdict_word(cell)
    return label if verdict == "valid" else f"{label}  {verdict}"


def _end(cell: CellReport, measure: Measure) -> float:
    """Where a bar and its whisker end."""
    estimate = measure.figure(cell)
    return (estimate.upper or estimate.value or 0.0) / measure.unit


def _limit(cells: Sequence[CellReport], measure: Measure, width: float) -> float:
    """The scale's end: the least at which every label fits beside its bar."""
    limits = [_end(cell, measure) * 1.02 for cell in cells]
    for cell in cells:
        room = width - GAP - text_width(_label(cell, measure), SMALL_SIZE)
        limits.append(_end(cell, measure) * width / max(room - SLACK, width * LEAST_BAR_SHARE))
    return max(limits) or 1.0


def _draw_panel(
    axes: Axes, cells: Sequence[CellReport], measure: Measure, styles: Styles, limit: float
) -> None:
    """The bars of one worker count."""
    axes.set_xlim(0, limit)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_yticks(range(len(cells)), [_name(cell) for cell in cells])
    axes.tick_params(axis="y", length=0, labelsize=points(TEXT_SIZE), pad=points(GAP))
    axes.tick_params(axis="x", labelsize=points(SMALL_SIZE), length=points(4))
    axes.xaxis.set_major_formatter(lambda value, _: measure.tick(value))
    axes.grid(axis="x")
    width = axes.get_position().width * WIDTH
    for place, cell in enumerate(cells):
        if cell.outcome == "ok":
            _draw_bar(axes, place, cell, measure, styles[cell.server, cell.variant])
        room = width * (1 - _end(cell, measure) / limit) - GAP
        axes.annotate(
            fitted(_label(cell, measure), SMALL_SIZE, room),
            (_end(cell, measure), place),
            xytext=(points(GAP), 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=points(SMALL_SIZE),
            color=INK if cell.outcome == "ok" else FAINT_INK,
            style="normal" if cell.outcome == "ok" else "italic",
        )


def _draw_bar(axes: Axes, place: int, cell: CellReport, measure: Measure, style: Style) -> None:
    """One bar with its interval; hatched where it can't be believed."""
    estimate = measure.figure(cell)
    if estimate.value is None:
        return
    value = estimate.value / measure.unit
    if cell.validity == "invalid":
        axes.barh(place, value, BAR_SHARE, color="white", edgecolor=INVALID, hatch="////")
    else:
        axes.barh(place, value, BAR_SHARE, color=style.fill)
    if estimate.lower is not None and estimate.upper is not None:
        below = value - estimate.lower / measure.unit
        above = estimate.upper / measure.unit - value
        axes.errorbar(
            value,
            place,
            xerr=[[below], [above]],
            color=INK,
            elinewidth=1.3,
            capsize=points(4),
            capthick=1.3,
        )
