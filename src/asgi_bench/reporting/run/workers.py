"""What more workers gain and cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from asgi_bench.analysis.across_cells import Scaling, ScalingPoint
from asgi_bench.analysis.report import Report
from asgi_bench.model import ClosedLoop
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.run.rows import grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import load_words, plain


def workers_section(source: Source) -> Section:
    """A table for each scenario and load with settings at several worker counts."""
    report = source.report
    groups: dict[tuple[str, ClosedLoop], list[Scaling]] = {}
    for scaling in report.scaling:
        groups.setdefault((scaling.request_key, scaling.load), []).append(scaling)
    tables = tuple(_table(report, members) for members in groups.values())
    points = [point for scaling in report.scaling for point in scaling.points]
    notes = (" ".join(_notes(points, report.run.reference)),) if tables else ()
    return Section("workers", "Workers", (*source.charts.about("workers"), *tables, Notes(notes)))


def _table(report: Report, members: Sequence[Scaling]) -> Table:
    """The settings that were measured with several worker counts, under one scenario and load."""
    cells = {cell.cell: cell for cell in report.cells}
    points = {point.cell: point for scaling in members for point in scaling.points}
    columns_of_points = map(partial(_column, points), _FIGURES)
    columns = (*IDENTITY[1:], *columns_of_points, *VERDICT[1:])
    groups = (
        [cells[point.cell] for point in scaling.points if point.cell in cells]
        for scaling in members
    )
    first = members[0]
    caption = f"Workers · {plain(first.request_key)} · {load_words(first.load)}"
    return Table(heads(columns), tuple(grouped_rows(groups, columns)), caption)


def _column(points: Mapping[str, ScalingPoint], figure: "_Figure") -> Column:
    """A figure as a column of cells."""
    return Column(figure.title, figure.unit, lambda cell: figure.text(points[cell.cell]))


def _notes(points: Sequence[ScalingPoint], reference: str | None) -> Iterator[str]:
    """What the columns mean, for under the tables."""
    bases = {point.basis for point in points}
    yield (
        "Speed-up: throughput relative to the fewest workers. Eff.: efficiency, the speed-up "
        "divided by the growth in workers. CPU: per request, relative to the fewest workers."
    )
    if "reference" in bases and reference is not None:
        yield (
            "Worker counts are measured minutes apart, so each is first taken relative to "
            f"{plain(reference)} in the same minutes; the interval therefore includes the "
            "reference's noise."
        )
    if "round" in bases:
        yield "Without a reference beside both, the speed-up includes the machine's drift."
    yield (
        "Per worker: memory of the whole process tree. Added: growth per additional worker. "
        "Conn., busy: connections and CPU time of the busiest worker relative to an equal share."
    )
    if any(point.oversubscribed for point in points):
        yield (
            "Over CPUs: oversubscribed, with more workers than server CPUs; this shows what "
            "workers cost, not what they gain."
        )


class _Figure(NamedTuple):
    title: str
    unit: str
    text: Callable[[ScalingPoint], str]


def _speedup(point: ScalingPoint) -> str:
    return numbers.with_interval(numbers.times(point.speedup.value, 2), point.speedup)


def _cpu(point: ScalingPoint) -> str:
    cost = point.server_cpu_ratio
    return numbers.with_interval(numbers.times(cost.value, 2), cost)


_FIGURES = (
    _Figure("speed-up", "", _speedup),
    _Figure("eff.", "%", lambda point: numbers.percent(point.efficiency.value)),
    _Figure("CPU", "ratio", _cpu),
    _Figure("MiB per", "worker", lambda point: numbers.mebibytes(point.pss_bytes_per_worker)),
    _Figure("MiB", "added", lambda point: numbers.mebibytes(point.pss_bytes_per_added_worker)),
    _Figure("conn.", "/equal", lambda point: numbers.times(point.connections_imbalance, 2)),
    _Figure("busy", "/equal", lambda point: numbers.times(point.cpu_imbalance, 2)),
    _Figure("over", "CPUs", lambda point: "yes" if point.oversubscribed else "no"),
)
