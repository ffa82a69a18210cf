"""How to read each chart, in the line under its subject: only what occurs in it."""

from collections.abc import Callable, Collection, Iterator, Sequence

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.document import Report
from asgi_bench.analysis.estimates import Interval
from asgi_bench.model import ClosedLoop
from asgi_bench.reporting.charts.bars import Measure
from asgi_bench.reporting.charts.scaling import is_relative
from asgi_bench.reporting.charts.strip import SHOWN_DEVIATION, pooled
from asgi_bench.reporting.groups import Group, Section
from asgi_bench.reporting.wording import (
    OVERLOADED,
    cell_name,
    latency_words,
    plain,
    verdict_word,
)

WHISKERS = "whiskers: 95% interval over rounds"
HATCHED = "hatched: invalid"
FACTOR = "×"  # noqa: RUF001 (the sign before every ratio)


def bar_notes(
    report: Report, group: Group[CellReport], measure: Measure, note: str
) -> Iterator[str]:
    """For a chart of bars."""
    yield note
    if measure.shows_ratio and any(cell.throughput_ratio for cell in group.cells):
        yield f"{FACTOR}: ratio to {plain(report.run.reference or '')} in the same rounds"
    if measure.part is not None and any(map(measure.part, group.cells)):
        yield measure.part_name
    if _has_whiskers(group, measure.figure):
        yield f"whiskers: {measure.whiskers}"
    if any(section.invalid for section in group.sections):
        yield HATCHED


def latency_notes(group: Group[CellReport], curves: Collection[str]) -> Iterator[str]:
    """For the latency chart; `curves` are the keys of the cells with a line."""
    words = latency_words(group.load)
    if isinstance(group.load, ClosedLoop):
        # N connections that always wait: the mean is N / throughput (Little's law).
        words += ", where it mirrors throughput"
    yield words
    yield "a line ends where fewer than ten samples lie beyond"
    if any(section.invalid for section in group.sections):
        yield HATCHED
    missing = [cell for cell in group.cells if cell.cell not in curves]
    if missing:
        yield f"without a line: {_listed(missing)}"


def curve_notes(section: Section[SweepReport]) -> Iterator[str]:
    """For the load curve."""
    yield "response time from the intended moment"
    yield "arrow: overloaded, the queue grows without end"
    if any(sweep.highest_rate_rps.value is not None for sweep in section.cells):
        yield "on the dashed line: the highest rate that kept the objective, 95% interval"
    if any(sweep.saturation_rps.value is not None for sweep in section.cells):
        yield "dotted: what is answered at saturation"
    yield "gray diagonal: all that is offered"
    if section.invalid:
        yield HATCHED
    missing = [sweep for sweep in section.cells if not sweep.points]
    if missing:
        yield f"without a line: {_listed(missing)}"


def concurrency_notes(cells: Sequence[CellReport]) -> Iterator[str]:
    """For the chart of throughput by concurrency."""
    if any(cell.throughput_rps.lower is not None for cell in cells):
        yield WHISKERS
    if any(cell.validity == "invalid" for cell in cells):
        yield HATCHED
    missing = [cell for cell in cells if cell.throughput_rps.value is None]
    if missing:
        yield f"without a point: {_listed(missing)}"


def _listed(cells: Sequence[CellReport | SweepReport]) -> str:
    """Names with what kept them off the chart, each once."""
    several = len({cell.workers for cell in cells}) > 1
    names = (
        f"{cell_name(cell)}{f' w{cell.workers}' if several else ''} ({_why(cell)})"
        for cell in cells
    )
    return ", ".join(dict.fromkeys(names))


def _why(cell: CellReport | SweepReport) -> str:
    """Why a cell has no line."""
    verdict = verdict_word(cell)
    return verdict if cell.outcome != "ok" or verdict == OVERLOADED else "too few samples"


def scaling_notes(report: Report, group: Group[CellReport]) -> Iterator[str]:
    """For the chart of throughput by worker count."""
    if is_relative(group):
        yield f"ratio to {plain(report.run.reference or '')} in the same rounds"
    yield f"{FACTOR}: speed-up"
    if _has_whiskers(group, lambda cell: cell.throughput_rps):
        yield WHISKERS
    if any(cell.oversubscribed for cell in group.cells):
        yield "hollow: more workers than server CPUs"
    if any(section.invalid for section in group.sections):
        yield HATCHED


def strip_notes(slices: int, *, is_spoilt: bool) -> Iterator[str]:
    """For the strip chart."""
    together = pooled(slices)
    yield "a dot a slice" if together == 1 else f"a dot {together} slices"
    yield "a line a round, high where faster than the cell's own mean"
    yield f"a row shows ±{SHOWN_DEVIATION:.0%}"
    yield "right: standard deviation of the dots"
    yield "a dip in all rows is the machine's, in one row the server's"
    if is_spoilt:
        yield HATCHED


def _has_whiskers(group: Group[CellReport], figure: Callable[[CellReport], Interval]) -> bool:
    """Whether any bar or point has an interval."""
    return any(figure(cell).lower is not None for cell in group.cells)
