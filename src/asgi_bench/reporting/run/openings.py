"""How long it took to open connections, where load opens them: by scenario and by protocol."""

from collections.abc import Sequence

from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.model import Load
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import IDENTITY, VERDICT, Column, heads
from asgi_bench.reporting.document import Notes, Section, Table
from asgi_bench.reporting.groups import Group, group_cells
from asgi_bench.reporting.groups import Section as CellSection
from asgi_bench.reporting.run.rows import grouped_rows
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.wording import load_words, plain, way_words

NOTE = (
    "Opening: time until a connection could carry a request (TCP, TLS and WebSocket together), "
    "for connections opened under load. CPU: per request, including its connection."
)


def openings_section(source: Source) -> Section:
    """A table for each load, with a server's scenarios and protocols next to each other."""
    by_load: dict[Load, list[CellReport]] = {}
    for cell in source.report.cells:
        if cell.handshake_time_s.max is not None:
            by_load.setdefault(cell.load, []).append(cell)
    tables = tuple(_table(load, cells) for load, cells in by_load.items())
    return Section(
        "openings",
        "Opening connections",
        (*source.charts.about("handshake"), *tables, Notes((NOTE,) if tables else ())),
    )


def opening_groups(report: Report) -> tuple[Group[CellReport], ...]:
    """A group for each closed loop, a section for each request and worker count with such times."""
    opened = [cell for cell in report.cells if cell.handshake_time_s.p50 is not None]
    found: dict[str, list[Group[CellReport]]] = {}
    for group in group_cells(cell for cell in opened if cell.load.is_closed):
        found.setdefault(group.load.key, []).append(group)
    return tuple(_together(members) for members in found.values())


def _together(members: Sequence[Group[CellReport]]) -> Group[CellReport]:
    """One group of several, which differ in what is requested and how."""
    sections = sorted((one for each in members for one in each.sections), key=_fastest_s)
    return members[0]._replace(scenario="", sections=tuple(sections))


def _fastest_s(section: CellSection[CellReport]) -> float:
    return min(cell.handshake_time_s.p50 or 0.0 for cell in section.cells)


def _table(load: Load, cells: Sequence[CellReport]) -> Table:
    """The rows of each server setting by how long it takes."""
    settings: dict[tuple[int, str, str], list[CellReport]] = {}
    for cell in cells:
        settings.setdefault((cell.workers, cell.server, cell.variant), []).append(cell)
    rows = [sorted(settings[key], key=_median_s) for key in sorted(settings)]
    return Table(
        heads(_COLUMNS),
        tuple(grouped_rows(rows, _COLUMNS)),
        f"Opening connections · {load_words(load)}",
    )


def _median_s(cell: CellReport) -> float:
    return cell.handshake_time_s.p50 or 0.0


_COLUMNS = (
    *IDENTITY[1:],
    Column("scenario", "", lambda cell: plain(cell.scenario), "left"),
    Column("asked by", "", lambda cell: way_words(cell.http, cell.transport), "left"),
    Column("opening", "p50 ms", lambda cell: numbers.milliseconds(cell.handshake_time_s.p50)),
    Column("", "p99 ms", lambda cell: numbers.milliseconds(cell.handshake_time_s.p99)),
    Column("", "max ms", lambda cell: numbers.milliseconds(cell.handshake_time_s.max)),
    Column("CPU", "µs", lambda cell: numbers.microseconds(cell.server_cpu_s_per_request.value)),
    VERDICT[-1],
)
