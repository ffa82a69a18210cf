import re
from collections.abc import Callable

import msgspec
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.report import Report, SweepReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Objective, RateSweep, Run, ValidityLevel
from asgi_bench.reporting.charts.load_curve import curve_notes, draw_load_curve
from asgi_bench.reporting.charts.palette import assign_styles
from asgi_bench.reporting.charts.sheet import INVALID, sheet_settings
from asgi_bench.reporting.groups import group_cells
from tests.reporting.charts.sheets import is_within_sheet, words
from tests.synthetic_run import OPEN_AND_SWEEP, planned_cells, synthetic_run, with_errors

replace = msgspec.structs.replace
SWEEP = OPEN_AND_SWEEP[-1]


def sweep_run(load: RateSweep | None = None, servers: int = 3, rounds: int = 3) -> Run:
    """A run of a sweep of the first servers, each with one worker."""
    cells = planned_cells((load or SWEEP,), worker_counts=(1,))
    return synthetic_run(cells[:servers], rounds=rounds)


def curve_of(run: Run) -> Figure | None:
    """The load curve of a run's one group."""
    return drawn(summarize(run))


def drawn(report: Report) -> Figure | None:
    """The load curve of a report's one group."""
    (group,) = group_cells(report.sweeps)
    with sheet_settings():
        return draw_load_curve(words(report), group.sections[0], assign_styles(report.everything))


def texts_of(figure: Figure | None) -> list[str]:
    """All texts of a figure."""
    assert figure is not None
    return [text.get_text() for text in figure.findobj(Text)]


def test_tail_median_and_throughput_on_one_sheet() -> None:
    """Three panels, every server named above and below, the objective, what is answered at most."""
    shown = texts_of(curve_of(sweep_run()))
    for text in ("p99 response time, ms", "p50 response time, ms", "answered per second"):
        assert text in shown
    assert "p99 ≤ 20 ms" in shown
    for server in ("daphne", "granian", "granian asyncio"):
        assert server in shown
        assert any(re.fullmatch(rf"{server} [\d.]+k", text) for text in shown)


def test_overload_leaves_the_panel() -> None:
    """Past the knee there is no figure: each line ends with an arrow at the top of its panel."""
    figure = curve_of(sweep_run(servers=1))
    assert figure is not None
    for axes in figure.axes[:2]:
        arrows = [line for line in axes.lines if line.get_marker() == "^"]
        tops = [line.get_ydata()[0] for line in arrows]  # type: ignore[index]
        assert tops == [axes.get_ylim()[1]]


@pytest.mark.parametrize(
    ("quantile", "heading", "is_drawn"), [(0.999, "p99.9", True), (0.95, "p99", False)]
)
def test_panel_follows_the_objective(quantile: float, heading: str, is_drawn: bool) -> None:
    """An objective on p99.9 is drawn on a panel of p99.9; one that has no panel isn't drawn."""
    load = RateSweep((0.5, 1.1), Objective(quantile, 0.02), search_steps=1)
    shown = texts_of(curve_of(sweep_run(load, servers=1)))
    assert f"{heading} response time, ms" in shown
    assert any("≤" in text for text in shown) == is_drawn


def test_light_load_and_few_samples_are_drawn() -> None:
    """Light load alone has no knee, and a short trial no p99: what there is, is shown."""
    run = sweep_run(RateSweep((0.0001, 0.0002)), servers=2, rounds=1)
    points = [point for sweep in summarize(run).sweeps for point in sweep.points]
    assert {point.response_time_s.p99 for point in points} == {None}
    assert "daphne" in texts_of(curve_of(run))


def test_no_curve_without_a_measured_round() -> None:
    """A run that was stopped before its first trial ended has nothing to draw."""
    assert curve_of(sweep_run(rounds=0)) is None


def test_invalid_curve_is_gray() -> None:
    """What can't be believed has no colour of its own, and its name says why."""
    run = sweep_run(servers=2)
    spoilt = tuple(
        with_errors(trial, 0.1) if trial.cell.startswith("daphne") else trial
        for trial in run.trials
    )
    figure = curve_of(replace(run, trials=spoilt))
    assert figure is not None
    assert "daphne (invalid)" in texts_of(figure)
    colors = {line.get_color() for axes in figure.axes for line in axes.lines}
    (sweep, _) = summarize(run).sweeps
    assert INVALID in colors
    assert assign_styles([sweep])[sweep.server, sweep.variant].color not in colors


def test_no_text_leaves_the_sheet() -> None:
    """Slanted names and end labels lie within the picture, with all shipped servers on it."""
    figure = curve_of(sweep_run(servers=11))
    assert figure is not None
    assert is_within_sheet(figure)


def notes_of(report: Report) -> str:
    """How to read the load curve of a report's one group."""
    (group,) = group_cells(report.sweeps)
    return "; ".join(curve_notes(group.sections[0]))


def edited(report: Report, edit: Callable[[SweepReport], SweepReport]) -> Report:
    """The report with other sweeps."""
    return replace(report, sweeps=tuple(map(edit, report.sweeps)))


def test_notes_speak_of_what_is_drawn() -> None:
    """Of objective, saturation, hatches and missing lines only where there are any."""
    report = summarize(sweep_run())
    unknown = Interval(None)
    bare = edited(
        report, lambda one: replace(one, highest_rate_rps=unknown, saturation_rps=unknown)
    )
    for told in ("on the dashed line: the highest rate", "dotted: throughput at saturation"):
        assert told in notes_of(report) and told not in notes_of(bare)
    odd = edited(
        report,
        lambda one: replace(
            one,
            validity="invalid" if one.server == "granian" else "valid",
            points=() if one.server == "daphne" else one.points,
        ),
    )
    assert "hatched: invalid" in notes_of(odd) and "hatched" not in notes_of(report)
    assert "without a line: daphne" in notes_of(odd) and "without a" not in notes_of(report)


@pytest.mark.parametrize("validity", ["valid", "invalid"])
def test_an_invalid_highest_rate_is_hatched(validity: ValidityLevel) -> None:
    """What can't be believed stands on the objective's line without an interval."""
    report = summarize(sweep_run(servers=1))
    figure = drawn(edited(report, lambda one: replace(one, validity=validity)))
    assert figure is not None
    assert bool(figure.axes[0].containers) == (validity == "valid")


def test_a_server_that_every_rate_overloads_has_no_line() -> None:
    """Its name stands at the lowest rate, where the panel's top is."""
    run = sweep_run(RateSweep((1.2, 1.5)), servers=1)
    (sweep,) = summarize(run).sweeps
    assert all(point.overloaded for point in sweep.points)
    figure = curve_of(run)
    assert "daphne" in texts_of(figure)
    assert figure is not None
    assert not any(line.get_marker() == "^" for line in figure.axes[0].lines)


def test_a_server_that_no_rate_overloads_is_named_at_its_end() -> None:
    """Without a knee the line ends in the panel: there is no arrow, and no saturation is told."""
    run = sweep_run(RateSweep((0.1, 0.3)), servers=1)
    (sweep,) = summarize(run).sweeps
    assert not any(point.overloaded for point in sweep.points)
    figure = curve_of(run)
    assert figure is not None
    assert not any(line.get_marker() == "^" for axes in figure.axes for line in axes.lines)
    assert texts_of(figure).count("daphne") == 2


def test_a_point_without_an_answer_is_not_drawn() -> None:
    """Where one server answered nothing its line is missing; where all did, no line is left."""
    report = summarize(sweep_run(servers=2))

    def silent(one: SweepReport) -> SweepReport:
        points = (replace(point, throughput_rps=Interval(None)) for point in one.points)
        return replace(one, points=tuple(points))

    def lines(shown: Report) -> int:
        figure = drawn(shown)
        assert figure is not None
        return len(figure.axes[2].lines)

    some = edited(report, lambda one: silent(one) if one.server == "daphne" else one)
    assert lines(edited(report, silent)) < lines(some) < lines(report)
