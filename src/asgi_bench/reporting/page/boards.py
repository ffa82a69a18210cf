"""Tables of cells as the page shows them: the rows of every format, and a picture of each ratio."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.estimates import Interval, Ratio
from asgi_bench.model import ClosedLoop
from asgi_bench.reporting import requests
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, columns_of
from asgi_bench.reporting.costs import CostTable
from asgi_bench.reporting.groups import AnyGroup, Group
from asgi_bench.reporting.numbers import milliseconds
from asgi_bench.reporting.requests import request_rows
from asgi_bench.reporting.rows import Row, caption, section_rows
from asgi_bench.reporting.scaling import ScalingTable
from asgi_bench.reporting.wording import latency_words, plain
from asgi_bench.store.folders import safe_name

# Of the picture in a row, in pixels.
PICTURE_WIDTH = 150.0
# Beyond the longest whisker.
SLACK = 1.04
# The rows' names, and behind which column the picture stands.
NAME_TITLE, PICTURE_TITLE = IDENTITY[1].title, IDENTITY[3].title
VERDICT_TITLE = VERDICT[-1].title


class Header(NamedTuple):
    """A column's title and unit, whether it holds text, and what its cells are."""

    title: str
    unit: str
    is_text: bool
    is_name: bool
    is_verdict: bool
    has_picture: bool


class Picture(NamedTuple):
    """A ratio as a bar with its interval, and where 1 is: pixels from the left."""

    bar: float
    lower: float | None
    upper: float | None
    one: float


class Line(NamedTuple):
    """A row: the cell's texts, what filters ask for, its picture where it has a ratio."""

    texts: tuple[str, ...]
    server: str
    workers: int
    scenario: str
    is_sound: bool
    is_leader: bool
    picture: Picture | None


class Board(NamedTuple):
    """One table: a scenario under a load."""

    name: str
    caption: str
    scenario: str
    headers: tuple[Header, ...]
    lines: tuple[Line, ...]


def ranking_board(group: AnyGroup) -> Board:
    """A group's ranking, with a picture of each ratio to the reference."""
    columns = columns_of(group.load)
    limit = max((_end(cell) for cell in group.cells), default=0.0) * SLACK
    rows = [row for section in group.sections for row in section_rows(section, columns)]
    return board_of(f"ranking-{group.name}", caption(group), columns, rows, limit)


def cost_board(table: CostTable) -> Board:
    """A group's table of costs."""
    rows = [row for section in table.group.sections for row in table.rows(section)]
    return board_of(f"costs-{table.group.name}", table.caption, table.columns, rows)


def scaling_board(table: ScalingTable) -> Board:
    """What more workers gain and cost."""
    rows = [row for section in table.sections() for row in section]
    name = safe_name(f"workers-{table.scenario}-{table.load.key}")
    return board_of(name, table.caption, table.columns, rows)


def latency_board(group: Group[CellReport]) -> Board:
    """A group's percentiles of response times, as far as there are samples for them."""
    service = () if isinstance(group.load, ClosedLoop) else _SERVICE
    columns = (*IDENTITY[1:], *_PERCENTILES, *service, VERDICT[-1])
    rows = [Row(cell, tuple(c.text(cell) for c in columns)) for cell in group.cells]
    words = f"{latency_words(group.load)}, ms · {caption(group)}"
    return board_of(f"latency-{group.name}", words[:1].upper() + words[1:], columns, rows)


def request_boards(groups: Iterable[AnyGroup]) -> Iterator[Board]:
    """Tables of the single requests, where cells send several."""
    columns = requests.COLUMNS
    for group in groups:
        found = [
            Row(row.cell, tuple(column.text(row) for column in columns))
            for row in request_rows(group)
        ]
        if found:
            words = f"By request, ms · {caption(group)}"
            yield board_of(f"requests-{group.name}", words, columns, found)


def board_of(
    name: str, words: str, columns: Sequence[Column], rows: Iterable[Row], limit: float = 0.0
) -> Board:
    """A table of rows; with a limit ratios have pictures, on a scale that ends there."""
    rows = tuple(rows)
    leaders = _leaders(rows)
    lines = tuple(
        Line(
            texts=row.texts,
            server=plain(row.cell.server),
            workers=row.cell.workers,
            scenario=plain(row.cell.scenario),
            is_sound=row.cell.outcome == "ok" and row.cell.validity != "invalid",
            is_leader=row.cell.cell in leaders,
            picture=_picture(row.cell, limit),
        )
        for row in rows
    )
    headers = tuple(
        Header(
            title=column.title,
            unit=column.unit,
            is_text=column.align == "left",
            is_name=column.title == NAME_TITLE,
            is_verdict=column.title == VERDICT_TITLE,
            has_picture=column.title == PICTURE_TITLE and any(line.picture for line in lines),
        )
        for column in columns
    )
    scenario = lines[0].scenario if lines else ""
    return Board(name, words, scenario, headers, lines)


def choices(boards: Sequence[Board]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """What rows can be filtered by: the name in the markup, the label, the values there are."""
    lines = [line for board in boards for line in board.lines]
    yield "server", "Server", tuple(sorted({line.server for line in lines}))
    yield "workers", "Workers", tuple(str(n) for n in sorted({line.workers for line in lines}))
    yield "scenario", "Scenario", tuple(sorted({line.scenario for line in lines}))


def _leaders(rows: Iterable[Row]) -> set[str]:
    """The cells that may hold the first place, where that says something: others can't."""
    ranked = [
        row.cell for row in rows if isinstance(row.cell, CellReport) and row.cell.rank is not None
    ]
    counts = Counter(cell.workers for cell in ranked)
    return {
        cell.cell
        for cell in ranked
        if cell.rank is not None
        and cell.rank.best == 1
        and (cell.rank.worst < counts[cell.workers] or counts[cell.workers] == 1)
    }


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


_PERCENTILES = (
    Column("p50", "", lambda cell: milliseconds(cell.response_time_s.p50)),
    Column("p90", "", lambda cell: milliseconds(cell.response_time_s.p90)),
    Column("p99", "", lambda cell: milliseconds(cell.response_time_s.p99)),
    Column("p99.9", "", lambda cell: milliseconds(cell.response_time_s.p999)),
    Column("p99.99", "", lambda cell: milliseconds(cell.response_time_s.p9999)),
    Column("max", "", lambda cell: milliseconds(cell.response_time_s.max)),
)
_SERVICE = (
    Column("service", "p50", lambda cell: milliseconds(cell.service_time_s.p50)),
    Column("service", "p99", lambda cell: milliseconds(cell.service_time_s.p99)),
)
