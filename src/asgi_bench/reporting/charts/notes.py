"""How to read each chart, in the line under its subject: only what occurs in it."""

from collections.abc import Callable, Iterator

from asgi_bench.analysis.document import CellReport, Interval, Report
from asgi_bench.model import ClosedLoop
from asgi_bench.reporting.charts.bars import Measure
from asgi_bench.reporting.charts.scaling import is_relative
from asgi_bench.reporting.groups import Group
from asgi_bench.reporting.wording import latency_words, plain

WHISKERS = "whiskers: 95% interval over rounds"
FACTOR = "×"  # noqa: RUF001 (the sign before every ratio)


def bar_notes(report: Report, group: Group, measure: Measure, note: str) -> Iterator[str]:
    """For a chart of bars."""
    yield note
    if measure.shows_ratio and any(cell.throughput_ratio for cell in group.cells):
        yield f"{FACTOR}: ratio to {plain(report.run.reference or '')} in the same rounds"
    if _has_whiskers(group, measure.figure):
        yield WHISKERS
    if any(section.invalid for section in group.sections):
        yield "hatched: invalid"


def latency_notes(group: Group) -> Iterator[str]:
    """For the latency chart."""
    words = latency_words(group.load)
    if isinstance(group.load, ClosedLoop):
        # N connections that always wait: the mean is N / throughput (Little's law).
        words += ", where it mirrors throughput"
    yield words
    yield "a line ends where fewer than ten samples lie beyond"


def scaling_notes(report: Report, group: Group) -> Iterator[str]:
    """For the chart of throughput by worker count."""
    if is_relative(group):
        yield f"ratio to {plain(report.run.reference or '')} in the same rounds"
    yield f"{FACTOR}: speed-up"
    if _has_whiskers(group, lambda cell: cell.throughput_rps):
        yield WHISKERS
    if any(cell.oversubscribed for cell in group.cells):
        yield "hollow: more workers than server CPUs"
    if any(section.invalid for section in group.sections):
        yield "gray cross: invalid"


def _has_whiskers(group: Group, figure: Callable[[CellReport], Interval]) -> bool:
    """Whether any bar or point has an interval."""
    return any(figure(cell).lower is not None for cell in group.cells)
