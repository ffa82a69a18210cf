"""The order of cells in every table and chart: similar ones together, the best first."""

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport, Report, SweepReport
from asgi_bench.model import Load
from asgi_bench.model.metrics import ranking_metric
from asgi_bench.store.folders import safe_name

CellT = TypeVar("CellT", bound=CellReport | SweepReport)


class Section(NamedTuple, Generic[CellT]):
    """Cells with the same worker count: `ranked`, then `unranked`, `invalid` and `absent`.

    Only these are ranked against each other: other worker counts are measured in other minutes.
    Closed loops are ranked by throughput; open ones by their median response time, because all
    have the same rate; sweeps by the highest rate. `unranked` cells lack that figure, for example
    if they were overloaded. `absent` cells failed or were skipped.
    """

    workers: int
    ranked: tuple[CellT, ...]
    unranked: tuple[CellT, ...]
    invalid: tuple[CellT, ...]
    absent: tuple[CellT, ...]

    @property
    def sound(self) -> tuple[CellT, ...]:
        """Those whose figures can be believed, in display order."""
        return (*self.ranked, *self.unranked)

    @property
    def cells(self) -> tuple[CellT, ...]:
        """All of them, in display order."""
        return (*self.sound, *self.invalid, *self.absent)


class Group(NamedTuple, Generic[CellT]):
    """Cells under the same request and load, by worker count.

    `scenario` includes HTTP version and transport unless they are HTTP/1.1 over TCP: `hello+tls`.
    """

    scenario: str
    load: Load
    sections: tuple[Section[CellT], ...]

    @property
    def cells(self) -> tuple[CellT, ...]:
        """All of them, in display order."""
        return tuple(cell for section in self.sections for cell in section.cells)

    @property
    def name(self) -> str:
        """A name that can be part of a file name and an address: `hello-c64`."""
        return safe_name(f"{self.scenario}-{self.load.key}").replace("%", "pct")


AnyGroup: TypeAlias = Group[CellReport] | Group[SweepReport]


def report_groups(report: Report) -> tuple[AnyGroup, ...]:
    """All groups of a report: first those of cells, then those of sweeps."""
    cells: tuple[AnyGroup, ...] = group_cells(report.cells)
    return cells + group_cells(report.sweeps)


def group_cells(cells: Iterable[CellT]) -> tuple[Group[CellT], ...]:
    """Divide cells into groups and sections, in the order in which the plan names them."""
    by_group: dict[tuple[str, Load], list[CellT]] = {}
    for cell in cells:
        by_group.setdefault((cell.request_key, cell.load), []).append(cell)
    return tuple(
        Group(request, load, _sections(members)) for (request, load), members in by_group.items()
    )


def _sections(cells: Sequence[CellT]) -> tuple[Section[CellT], ...]:
    """The sections of one group, by rising worker count."""
    return tuple(
        _section(workers, [cell for cell in cells if cell.workers == workers])
        for workers in sorted({cell.workers for cell in cells})
    )


def _section(workers: int, cells: Sequence[CellT]) -> Section[CellT]:
    """The cells of one worker count in order."""
    measured = sorted((cell for cell in cells if cell.outcome == "ok"), key=_best_first)
    sound = [cell for cell in measured if cell.validity != "invalid"]
    return Section(
        workers=workers,
        ranked=tuple(cell for cell in sound if _merit(cell) is not None),
        unranked=tuple(cell for cell in sound if _merit(cell) is None),
        invalid=tuple(cell for cell in measured if cell.validity == "invalid"),
        absent=tuple(
            sorted((c for c in cells if c.outcome != "ok"), key=lambda c: (c.outcome, c.cell))
        ),
    )


def _best_first(cell: CellReport | SweepReport) -> tuple[bool, float, str]:
    """By what the load ranks by; without it last; the key decides between equals."""
    merit = _merit(cell)
    return (merit is None, -(merit or 0.0), cell.cell)


def _merit(cell: CellReport | SweepReport) -> float | None:
    """What ranks a cell, more being better."""
    if isinstance(cell, SweepReport):
        return (cell.highest_rate_rps if cell.objective else cell.saturation_rps).value
    metric = ranking_metric(cell.load)
    value = cell_figure(metric, cell).value
    return value if value is None or metric.more_is_better else -value
