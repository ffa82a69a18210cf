"""The load curve: what each offered rate does to response times, and how much is answered."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.analysis.report import SweepPoint, SweepReport
from asgi_bench.model import Objective
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.panels import (
    HATCHED,
    EndLabel,
    LineLook,
    draw_hatched,
    draw_line,
    label_ends,
    label_tops,
    labels_width,
    line_name,
    log_x,
    log_y,
    look_of,
    name_x,
    names_with_reasons,
    tops_height,
)
from asgi_bench.reporting.charts.sheet import (
    FAINT_INK,
    INK,
    INVALID,
    SMALL_SIZE,
    Margins,
    Panel,
    Words,
    open_sheet,
    points,
)
from asgi_bench.reporting.groups import Section
from asgi_bench.reporting.wording import objective_words

LEFT = 62
TAIL_HEIGHT = 250
MEDIAN_HEIGHT = 190
ANSWERED_HEIGHT = 230
SLACK = 1.15

Figure_s = Callable[[Percentiles], float | None]
TAILS: dict[float, tuple[str, Figure_s]] = {
    0.9: ("p90", lambda times: times.p90),
    0.99: ("p99", lambda times: times.p99),
    0.999: ("p99.9", lambda times: times.p999),
    0.9999: ("p99.99", lambda times: times.p9999),
}


class Curve(NamedTuple):
    """One sweep and how it is drawn; its points have an offered rate each."""

    sweep: SweepReport
    look: LineLook

    @property
    def points(self) -> Sequence[tuple[float, SweepPoint]]:
        """The points with the rate that was offered."""
        return [(p.offered_rps, p) for p in self.sweep.points if p.offered_rps is not None]


def draw_load_curve(words: Words, section: Section[SweepReport], styles: Styles) -> Figure | None:
    """Tail, median and answers per second over the offered rate; None without any curve."""
    shown = (*section.sound, *section.invalid)
    curves = [Curve(sweep, look_of(sweep, styles[sweep.server, sweep.variant])) for sweep in shown]
    curves = [curve for curve in curves if curve.points]
    if not curves:
        return None
    objective = curves[0].sweep.objective
    tail, tail_s = TAILS.get(objective.quantile if objective else 0.99, TAILS[0.99])
    names_height = tops_height([line_name(curve.sweep) for curve in curves])
    panels = [
        Panel(f"{tail} response time, ms", TAIL_HEIGHT, above=names_height),
        Panel("p50 response time, ms", MEDIAN_HEIGHT),
        Panel("answered per second", ANSWERED_HEIGHT),
    ]
    right = labels_width([_saturation(curve) for curve in curves])
    figure, (above, middle, below) = open_sheet(words, panels, Margins(LEFT, right))
    rates_rps = [rate_rps for curve in curves for rate_rps, _ in curve.points]
    for axes in (above, middle, below):
        log_x(axes, min(rates_rps) / SLACK, max(rates_rps) * SLACK, numbers.compact_tick)
    _draw_times(above, curves, tail_s, objective if _is_shown(objective, tail) else None)
    _draw_times(middle, curves, lambda times: times.p50, None)
    _draw_answers(below, curves)
    label_tops(above, [_top(curve, tail_s, above) for curve in curves])
    name_x(below, "offered rate, requests per second")
    return figure


def curve_notes(section: Section[SweepReport]) -> Iterator[str]:
    """For the load curve."""
    yield "response time from the intended time"
    yield "arrow: overloaded, the queue grows without end"
    if any(sweep.highest_rate_rps.value is not None for sweep in section.cells):
        yield "on the dashed line: the highest rate that met the objective, with its 95% interval"
    if any(sweep.saturation_rps.value is not None for sweep in section.cells):
        yield "dotted: throughput at saturation"
    yield "gray diagonal: the offered rate"
    if section.invalid:
        yield HATCHED
    missing = [sweep for sweep in section.cells if not sweep.points]
    if missing:
        yield f"without a line: {names_with_reasons(missing)}"


def _is_shown(objective: Objective | None, tail: str) -> bool:
    """Whether the objective is on the percentile of the first panel."""
    return objective is not None and TAILS.get(objective.quantile, ("", None))[0] == tail


def _draw_times(
    axes: Axes, curves: Sequence[Curve], figure_s: Figure_s, objective: Objective | None
) -> None:
    """A percentile over the offered rate; where a server is overloaded it leaves the panel."""
    times_s = [value for curve in curves for _, value in _times(curve, figure_s)]
    if objective is not None:
        times_s.append(objective.limit_s)
    if not times_s:
        times_s = [1e-3]
    log_y(axes, min(times_s) / SLACK, max(times_s) * 1.5, numbers.milliseconds_tick)
    if objective is not None:
        _draw_objective(axes, curves, objective)
    for curve in curves:
        known = _times(curve, figure_s)
        draw_line(axes, [x for x, _ in known], [y for _, y in known], curve.look)
        knee_rps = _knee_rps(curve)
        if knee_rps is not None and known:
            _draw_ascent(axes, known[-1], knee_rps, curve.look)


def _draw_ascent(axes: Axes, last: tuple[float, float], knee_rps: float, look: LineLook) -> None:
    """From the last rate that a server could take to the first that it couldn't: there is no end.

    The queue grows for as long as the load lasts, so the line leaves the panel with an arrow.
    """
    top = axes.get_ylim()[1]
    axes.plot(
        [last[0], knee_rps],
        [last[1], top],
        color=look.color,
        linewidth=1.0,
        linestyle=(0, (2, 2)),
        clip_on=False,
    )
    axes.plot(knee_rps, top, color=look.color, marker="^", markersize=points(6), clip_on=False)


def _draw_objective(axes: Axes, curves: Sequence[Curve], objective: Objective) -> None:
    """The objective, and on it the highest rate that each server kept it at."""
    limit_s = objective.limit_s
    axes.axhline(limit_s, color=FAINT_INK, linewidth=1.0, linestyle=(0, (5, 3)), zorder=1)
    axes.annotate(
        objective_words(objective),
        (0, limit_s),
        xycoords=("axes fraction", "data"),
        xytext=(points(6), points(3)),
        textcoords="offset points",
        fontsize=points(SMALL_SIZE),
        color=FAINT_INK,
    )
    for curve in curves:
        highest = curve.sweep.highest_rate_rps
        if highest.value is None:
            continue
        if curve.look.is_hatched:
            draw_hatched(axes, [highest.value], [limit_s], curve.look.marker)
            continue
        lower, upper = highest.lower or highest.value, highest.upper or highest.value
        axes.errorbar(
            highest.value,
            limit_s,
            xerr=[[highest.value - lower], [upper - highest.value]],
            color=curve.look.color,
            marker=curve.look.marker,
            markersize=points(9),
            markeredgecolor=INK,
            markeredgewidth=0.9,
            elinewidth=1.2,
            capsize=points(3),
            zorder=3,
        )


def _draw_answers(axes: Axes, curves: Sequence[Curve]) -> None:
    """Correct answers per second over the offered rate, and the line on which all is answered."""
    low, high = axes.get_xlim()
    answered = [
        (curve, rate_rps, point.throughput_rps.value)
        for curve in curves
        for rate_rps, point in curve.points
        if point.throughput_rps.value is not None
    ]
    if not answered:
        return
    figures = [value for _, _, value in answered]
    log_y(axes, min(figures) / SLACK, max(figures) * SLACK, numbers.compact_tick)
    axes.plot([low, high], [low, high], color=INVALID, linewidth=1.0, zorder=1)
    labels = []
    for curve in curves:
        own = [(x, y) for c, x, y in answered if c is curve]
        if not own:
            continue
        draw_line(axes, [x for x, _ in own], [y for _, y in own], curve.look)
        end = own[-1]
        level_rps = curve.sweep.saturation_rps.value
        if level_rps is not None:
            axes.plot(
                [end[0], high],
                [level_rps, level_rps],
                color=curve.look.color,
                linewidth=1.0,
                linestyle=(0, (1, 2)),
            )
            end = (high, level_rps)
        labels.append(EndLabel(_saturation(curve), *end, curve.look.color, curve.look.ink))
    label_ends(axes, labels)


def _times(curve: Curve, figure_s: Figure_s) -> list[tuple[float, float]]:
    """The offered rates and the percentile at each where it is known."""
    found = [(rate_rps, figure_s(point.response_time_s)) for rate_rps, point in curve.points]
    return [(rate_rps, value) for rate_rps, value in found if value is not None]


def _knee_rps(curve: Curve) -> float | None:
    """The lowest rate that overloaded the server, of those above all that it could take."""
    knee_rps = None
    for rate_rps, point in reversed(curve.points):
        if not point.overloaded:
            break
        knee_rps = rate_rps
    return knee_rps


def _top(curve: Curve, figure_s: Figure_s, axes: Axes) -> EndLabel:
    """Where a curve leaves the first panel, or else where it ends, and its name."""
    top = axes.get_ylim()[1]
    knee_rps = _knee_rps(curve)
    known = _times(curve, figure_s)
    x, y = curve.points[-1][0], top
    if knee_rps is not None:
        x = knee_rps
    elif known:
        x, y = known[-1]
    return EndLabel(line_name(curve.sweep), x, y, curve.look.color, curve.look.ink)


def _saturation(curve: Curve) -> str:
    """The label in the last panel: the name, and what was answered at saturation."""
    level_rps = curve.sweep.saturation_rps.value
    name = line_name(curve.sweep)
    return name if level_rps is None else f"{name} {numbers.compact(level_rps)}"
