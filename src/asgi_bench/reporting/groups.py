"""The order of cells in every table and chart: like beside like, the fastest first."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from asgi_bench.analysis.document import CellReport
from asgi_bench.model import Load
from asgi_bench.store.folders import safe_name


class Section(NamedTuple):
    """Cells with the same worker count: `ranked` by throughput, then `invalid`, then `absent`.

    Only these are ranked against each other: other worker counts are measured in other minutes.
    `absent` cells failed or were skipped.
    """

    workers: int
    ranked: tuple[CellReport, ...]
    invalid: tuple[CellReport, ...]
    absent: tuple[CellReport, ...]

    @property
    def cells(self) -> tuple[CellReport, ...]:
        """All of them, in the order in which they are shown."""
        return (*self.ranked, *self.invalid, *self.absent)


class Group(NamedTuple):
    """Cells under the same scenario and load, by worker count."""

    scenario: str
    load: Load
    sections: tuple[Section, ...]

    @property
    def cells(self) -> tuple[CellReport, ...]:
        """All of them, in the order in which they are shown."""
        return tuple(cell for section in self.sections for cell in section.cells)

    @property
    def name(self) -> str:
        """A name that may stand in a file name and an address: `hello-c64`."""
        return safe_name(f"{self.scenario}-{self.load.key}").replace("%", "pct")


def group_cells(cells: Iterable[CellReport]) -> tuple[Group, ...]:
    """Part cells into groups and sections, in the order in which the plan names them."""
    by_group: dict[tuple[str, Load], list[CellReport]] = {}
    for cell in cells:
        by_group.setdefault((cell.scenario, cell.load), []).append(cell)
    return tuple(
        Group(scenario, load, _sections(members)) for (scenario, load), members in by_group.items()
    )


def _sections(cells: Sequence[CellReport]) -> tuple[Section, ...]:
    """The sections of one group, by rising worker count."""
    return tuple(
        _section(workers, [cell for cell in cells if cell.workers == workers])
        for workers in sorted({cell.workers for cell in cells})
    )


def _section(workers: int, cells: Sequence[CellReport]) -> Section:
    """The cells of one worker count in order."""
    measured = sorted((cell for cell in cells if cell.outcome == "ok"), key=_fastest_first)
    return Section(
        workers=workers,
        ranked=tuple(cell for cell in measured if cell.validity != "invalid"),
        invalid=tuple(cell for cell in measured if cell.validity == "invalid"),
        absent=tuple(
            sorted((c for c in cells if c.outcome != "ok"), key=lambda c: (c.outcome, c.cell))
        ),
    )


def _fastest_first(cell: CellReport) -> tuple[float, str]:
    """By falling throughput; without one last; the key decides between equals."""
    return (-(cell.throughput_rps.value or 0.0), cell.cell)
