"""The ranking as the page shows it: the tables of every format, and a picture of each ratio."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.document import CellReport, Interval, Ratio, SweepReport
from asgi_bench.model import ClosedLoop
from asgi_bench.reporting.columns import columns_of
from asgi_bench.reporting.groups import AnyGroup
from asgi_bench.reporting.rows import caption, section_rows
from asgi_bench.reporting.wording import cell_name, plain

# Of the picture in a row, in pixels.
PICTURE_WIDTH = 150.0
# Beyond the longest whisker.
SLACK = 1.04


class Header(NamedTuple):
    """A column's title and unit, and whether it holds text or figures."""

    title: str
    unit: str
    is_text: bool


class Picture(NamedTuple):
    """A ratio as a bar with its interval, and where 1 is: pixels from the left."""

    bar: float
    lower: float | None
    upper: float | None
    one: float


class Line(NamedTuple):
    """A row: the cell's texts, what filters ask for, its picture where it has a ratio."""

    texts: tuple[str, ...]
    name: str
    server: str
    workers: int
    scenario: str
    verdict: str
    is_ranked: bool
    is_leader: bool
    picture: Picture | None


class Board(NamedTuple):
    """One table: a scenario under a load."""

    name: str
    caption: str
    scenario: str
    headers: tuple[Header, ...]
    lines: tuple[Line, ...]
    has_pictures: bool


def board_of(group: AnyGroup) -> Board:
    """A group's table."""
    columns = columns_of(group.load)
    limit = max((_end(cell) for cell in group.cells), default=0.0)
    lines = []
    for section in group.sections:
        for row in section_rows(section, columns):
            cell = row.cell
            lines.append(
                Line(
                    texts=row.texts,
                    name=cell_name(cell),
                    server=plain(cell.server),
                    workers=cell.workers,
                    scenario=plain(cell.scenario),
                    verdict=row.texts[-1],
                    is_ranked=cell in section.ranked,
                    is_leader=_is_leader(cell),
                    picture=_picture(cell, limit * SLACK),
                )
            )
    return Board(
        name=group.name,
        caption=caption(group),
        scenario=plain(group.scenario),
        headers=tuple(Header(c.title, c.unit, c.align == "left") for c in columns),
        lines=tuple(lines),
        has_pictures=any(line.picture for line in lines),
    )


def _is_leader(cell: CellReport | SweepReport) -> bool:
    """Whether it may hold the first place."""
    return isinstance(cell, CellReport) and cell.rank is not None and cell.rank.best == 1


def _ratio(cell: CellReport | SweepReport) -> Ratio | None:
    """The throughput ratio of a closed loop: an open one sets the throughput itself."""
    if isinstance(cell, CellReport) and isinstance(cell.load, ClosedLoop):
        return cell.throughput_ratio
    return None


def _end(cell: CellReport | SweepReport) -> float:
    """How far to the right a cell's picture reaches, as a ratio."""
    ratio = _ratio(cell)
    return 0.0 if ratio is None else max(ratio.upper or 0.0, ratio.value, 1.0)


def _picture(cell: CellReport | SweepReport, limit: float) -> Picture | None:
    """The picture of a ratio on a scale that ends at `limit`."""
    ratio = _ratio(cell)
    if ratio is None or limit <= 0:
        return None
    scale = PICTURE_WIDTH / limit
    estimate = Interval(ratio.value, ratio.lower, ratio.upper)
    if ratio.reference == cell.cell:
        estimate = Interval(1.0)
    return Picture(
        bar=round(scale * ratio.value, 1),
        lower=None if estimate.lower is None else round(scale * estimate.lower, 1),
        upper=None if estimate.upper is None else round(scale * estimate.upper, 1),
        one=round(scale, 1),
    )


def choices(boards: Sequence[Board]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What rows can be filtered by: the name in the markup, the label, the values there are."""
    lines = [line for board in boards for line in board.lines]
    yield "server", "Server", tuple(sorted({line.server for line in lines}))
    yield "workers", "Workers", tuple(str(n) for n in sorted({line.workers for line in lines}))
    yield "scenario", "Scenario", tuple(sorted({line.scenario for line in lines}))
