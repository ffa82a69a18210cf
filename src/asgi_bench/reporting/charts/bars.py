"""Charts of one figure a cell: a bar each, the best on top, its value beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.model.metric import Chart, Metric
from asgi_bench.model.metrics import CPU, MEMORY, METRICS, THROUGHPUT
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import (
    FACTOR,
    HATCHED,
    has_whiskers,
    name_x,
    put_rows,
    put_x_ticks,
    round_ticks,
    write,
)
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    HATCH,
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
from asgi_bench.reporting.groups import Group, Section
from asgi_bench.reporting.wording import cell_name, plain, shortened, verdict_word, workers_words

ROW_HEIGHT = 27
BAR_SHARE = 0.66
GAP = 7
NAME_LETTERS = 34
# However long its label, the longest bar keeps this share of the panel.
LEAST_BAR_SHARE = 0.3
SLACK = 2
# What is right of the line that figures are compared with, at least.
EVEN_ROOM = 1.05
# How far a part is darkened: paler would look like another variant of the server.
SHADE = 0.3


class Measure(NamedTuple):
    """What a chart's bars show: a figure in SI, and the axis's unit in SI, named in its title.

    `whiskers` says what the figure's bounds are. A `part` of the figure is shaded.
    """

    figure: Callable[[CellReport], Interval]
    label: Callable[[CellReport], str]
    unit: float
    tick: Callable[[float], str]
    axis: str
    more_is_better: bool
    shows_ratio: bool = False
    whiskers: str = "95% interval over rounds"
    part: Callable[[CellReport], float | None] | None = None
    part_name: str = ""
    even: float | None = None
    """Where a line marks what figures are compared with."""


def draw_bars(
    words: Words,
    group: Group[CellReport],
    measure: Measure,
    styles: Styles,
    headings: Sequence[str] = (),
) -> Figure:
    """A panel of bars for each section, all on one scale; headed by its workers, or as told."""
    parts = [(section, in_order(section, measure)) for section in group.sections]
    cells = [cell for _, members in parts for cell in members]
    left = MARGIN + GAP + max(text_width(row_name(cell)) for cell in cells)
    panels = [
        Panel(
            headings[number] if headings else panel_heading(section, len(parts)),
            ROW_HEIGHT * len(members),
        )
        for number, (section, members) in enumerate(parts)
    ]
    figure, drawn = open_sheet(words, panels, Margins(left, MARGIN))
    limit = _limit(cells, measure, WIDTH - left - MARGIN)
    for axes, (_, members) in zip(drawn, parts, strict=True):
        _draw_panel(axes, members, measure, styles, limit)
    name_x(drawn[-1], measure.axis)
    return figure


def bar_notes(
    report: Report, group: Group[CellReport], measure: Measure, note: str
) -> Iterator[str]:
    """For a chart of bars."""
    yield note
    if measure.shows_ratio and any(cell.throughput_ratio for cell in group.cells):
        yield f"{FACTOR}: ratio to {plain(report.run.reference or '')} in the same rounds"
    if measure.part is not None and any(map(measure.part, group.cells)):
        yield measure.part_name
    if has_whiskers(group, measure.figure):
        yield f"whiskers: {measure.whiskers}"
    if any(section.invalid for section in group.sections):
        yield HATCHED


def in_order(section: Section[CellReport], measure: Measure) -> list[CellReport]:
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


def panel_heading(section: Section[CellReport], sections: int) -> str:
    """The worker count, where it isn't the same for all and thus in the subtitle."""
    oversubscribed = any(cell.oversubscribed for cell in section.cells)
    note = ", more than the servers have CPUs" if oversubscribed else ""
    return workers_words([section.workers]) + note if sections > 1 or note else ""


def row_name(cell: CellReport) -> str:
    """The text left of a bar."""
    return shortened(cell_name(cell), NAME_LETTERS)


def row_label(cell: CellReport, measure: Measure) -> str:
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
        room = width - GAP - text_width(row_label(cell, measure), SMALL_SIZE)
        limits.append(_end(cell, measure) * width / max(room - SLACK, width * LEAST_BAR_SHARE))
    if measure.even is not None:
        limits.append(measure.even * EVEN_ROOM)
    return max(limits) or 1.0


def _draw_panel(
    axes: Axes, cells: Sequence[CellReport], measure: Measure, styles: Styles, limit: float
) -> None:
    """The bars of one worker count."""
    axes.set_xlim(0, limit)
    if measure.even is not None:
        axes.axvline(measure.even, color=FAINT_INK, linewidth=1, zorder=0.5)
    ticks = round_ticks(limit)
    put_x_ticks(axes, ticks, [measure.tick(place) for place in ticks])
    put_rows(axes, [row_name(cell) for cell in cells])
    shown = [place for place, cell in enumerate(cells) if cell.outcome == "ok"]
    sound = [place for place in shown if cells[place].validity != "invalid"]
    fills = [styles[cells[place].server, cells[place].variant].fill for place in sound]
    _draw_bars(axes, cells, sound, measure, color=fills)
    _draw_bars(
        axes,
        cells,
        [place for place in shown if place not in sound],
        measure,
        color="white",
        edgecolor=INVALID,
        hatch=HATCH,
    )
    _draw_parts(axes, cells, sound, measure)
    _draw_whiskers(axes, cells, shown, measure)
    _write_labels(axes, cells, measure, limit)


def _draw_bars(
    axes: Axes, cells: Sequence[CellReport], places: Sequence[int], measure: Measure, **look: Any
) -> None:
    """The bars of some cells, all at once: matplotlib takes long for each call."""
    if places:
        values = [(measure.figure(cells[place]).value or 0.0) / measure.unit for place in places]
        axes.barh(list(places), values, BAR_SHARE, **look)


def _draw_parts(
    axes: Axes, cells: Sequence[CellReport], places: Sequence[int], measure: Measure
) -> None:
    """The part of each bar that is told apart, from the left, where it is known."""
    if measure.part is None:
        return
    parts = [(place, part) for place in places if (part := measure.part(cells[place]))]
    if parts:
        axes.barh(
            [place for place, _ in parts],
            [part / measure.unit for _, part in parts],
            BAR_SHARE,
            color=INK,
            alpha=SHADE,
        )


def _draw_whiskers(
    axes: Axes, cells: Sequence[CellReport], places: Sequence[int], measure: Measure
) -> None:
    """The intervals, where there are any."""
    estimates = [(place, measure.figure(cells[place])) for place in places]
    known = [
        (place, each.value / measure.unit, each.lower / measure.unit, each.upper / measure.unit)
        for place, each in estimates
        if each.value is not None and each.lower is not None and each.upper is not None
    ]
    if known:
        axes.errorbar(
            [value for _, value, _, _ in known],
            [place for place, *_ in known],
            xerr=(
                [value - lower for _, value, lower, _ in known],
                [upper - value for _, value, _, upper in known],
            ),
            linestyle="none",
            color=INK,
            elinewidth=1.3,
            capsize=points(4),
            capthick=1.3,
        )


def _write_labels(axes: Axes, cells: Sequence[CellReport], measure: Measure, limit: float) -> None:
    """Each cell's figure right of its bar, or why it has none."""
    width = axes.get_position().width * WIDTH
    for place, cell in enumerate(cells):
        end = _end(cell, measure)
        write(
            axes,
            end + GAP * limit / width,
            place,
            fitted(row_label(cell, measure), SMALL_SIZE, width * (1 - end / limit) - GAP),
            axes.transData,
            va="center_baseline",
            color=INK if cell.outcome == "ok" else FAINT_INK,
            style="normal" if cell.outcome == "ok" else "italic",
        )


def _throughput_label(cell: CellReport) -> str:
    """Requests per second, and the ratio, which is the surer of the two."""
    label = numbers.rate(cell.throughput_rps.value)
    ratio = cell.throughput_ratio
    if ratio is None:
        return label
    if ratio.reference == cell.cell:
        return f"{label}   reference"
    return f"{label}   {numbers.with_interval(numbers.factor(ratio.value), ratio)}"


def _metric_label(metric: Metric, cell: CellReport) -> str:
    found = cell_figure(metric, cell)
    return numbers.with_interval(numbers.figure(metric, found.value), found)


def _memory(cell: CellReport) -> Interval:
    """Memory after the load, from idle to its peak; a failed cell has none."""
    loaded, idle = cell.server_pss_bytes, cell.costs.server_pss_idle_bytes
    peak = cell.costs.server_pss_peak_bytes
    if loaded is None or idle is None or peak is None:
        return Interval(value=loaded)
    return Interval(loaded, min(idle, loaded), max(peak, loaded))


# What a chart shows beside its metric's figure.
_LABELS: Mapping[Metric, Callable[[CellReport], str]] = {
    THROUGHPUT: _throughput_label,
    MEMORY: lambda cell: numbers.figure(MEMORY, cell.server_pss_bytes),
}


def measure_of(metric: Metric, axis: str) -> Measure:
    """The bars of a metric's chart."""
    better = "more" if metric.more_is_better else "less"
    measure = Measure(
        figure=partial(cell_figure, metric),
        label=_LABELS.get(metric, partial(_metric_label, metric)),
        unit=1 / metric.unit.factor,
        tick=numbers.compact_tick if metric.unit.factor == 1 else numbers.tick,
        axis=f"{axis} ({better} is better)",
        more_is_better=metric.more_is_better,
        shows_ratio=metric == THROUGHPUT,
    )
    if metric == CPU:
        return measure._replace(
            part=lambda cell: cell.costs.server_system_s_per_request.value,
            part_name="shaded: system time",
        )
    if metric == MEMORY:
        return measure._replace(
            figure=_memory, whiskers="from ready without load to the peak between slices"
        )
    return measure


# The charts of bars, and what their bars show.
MEASURES: tuple[tuple[Chart, Measure], ...] = tuple(
    (metric.chart, measure_of(metric, metric.chart.axis))
    for metric in METRICS
    if metric.chart is not None
)
