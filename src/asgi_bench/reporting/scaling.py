"""The tables of what more workers gain and cost."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport
from asgi_bench.analysis.document import Report
from asgi_bench.analysis.scaling_points import Scaling, ScalingPoint
from asgi_bench.model import ClosedLoop
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column
from asgi_bench.reporting.rows import Row
from asgi_bench.reporting.wording import load_words, plain


class ScalingTable(NamedTuple):
    """The settings that were measured with several worker counts, under one scenario and load."""

    scenario: str
    load: ClosedLoop
    members: tuple[Scaling, ...]
    cells: dict[str, CellReport]

    @property
    def caption(self) -> str:
        """What it shows."""
        return f"Workers · {plain(self.scenario)} · {load_words(self.load)}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, each of a cell and all that is known of it."""
        return (*IDENTITY[1:], *map(self._column, _FIGURES), *VERDICT[1:])

    def sections(self) -> Iterator[list[Row]]:
        """The rows of each setting, by rising worker count."""
        columns = self.columns
        for scaling in self.members:
            cells = [self.cells[p.cell] for p in scaling.points if p.cell in self.cells]
            yield [Row(cell, tuple(column.text(cell) for column in columns)) for cell in cells]

    def _column(self, figure: "_Figure") -> Column:
        points = {point.cell: point for scaling in self.members for point in scaling.points}
        return Column(figure.title, figure.unit, lambda cell: figure.text(points[cell.cell]))


def scaling_tables(report: Report) -> tuple[ScalingTable, ...]:
    """A table for each scenario and load with settings at several worker counts."""
    cells = {cell.cell: cell for cell in report.cells}
    groups: dict[tuple[str, ClosedLoop], list[Scaling]] = {}
    for scaling in report.scaling:
        groups.setdefault((scaling.scenario, scaling.load), []).append(scaling)
    return tuple(
        ScalingTable(scenario, load, tuple(members), cells)
        for (scenario, load), members in groups.items()
    )


def scaling_notes(tables: Sequence[ScalingTable], reference: str | None) -> str:
    """What the columns mean, for under the tables."""
    points = [p for table in tables for scaling in table.members for p in scaling.points]
    bases = {point.basis for point in points}
    notes = [
        "Speed-up: throughput over that of the fewest workers; eff.: efficiency, that over the "
        "growth in workers; CPU: of a request, over that of the fewest.",
    ]
    if "reference" in bases and reference is not None:
        notes.append(
            f"Worker counts are minutes apart: each is taken over {plain(reference)} in the same "
            "minutes first, so the interval holds that one's noise too."
        )
    if "round" in bases:
        notes.append("Without a reference beside both, the machine's drift is in the speed-up.")
    notes.append(
        "Per worker: memory of the whole tree; added: what it grew by for each more. Conn., busy: "
        "connections and CPU time of the busiest worker over an equal share."
    )
    if any(point.oversubscribed for point in points):
        notes.append(
            "Over CPUs: oversubscribed, with more workers than server CPUs; it shows what workers "
            "cost, not what they gain."
        )
    return " ".join(notes)


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
