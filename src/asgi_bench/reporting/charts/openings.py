"""The chart of how long it took to open connections: a panel for each scenario and protocol."""

from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.model.metrics import HANDSHAKE_P50
from asgi_bench.reporting.charts.bars import Measure, draw_bars, measure_of
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.sheet import Words
from asgi_bench.reporting.groups import Group, Section, group_cells
from asgi_bench.reporting.wording import plain, way_words, workers_words

OPENING: Measure = measure_of(HANDSHAKE_P50, "milliseconds")


def opening_groups(report: Report) -> tuple[Group[CellReport], ...]:
    """A group for each closed loop, a section for each request and worker count with such times."""
    opened = [cell for cell in report.cells if cell.handshake_time_s.p50 is not None]
    found: dict[str, list[Group[CellReport]]] = {}
    for group in group_cells(cell for cell in opened if cell.load.is_closed):
        found.setdefault(group.load.key, []).append(group)
    return tuple(_together(members) for members in found.values())


def draw_openings(words: Words, group: Group[CellReport], styles: Styles) -> Figure:
    """A panel for each request and worker count, the shortest of them first."""
    return draw_bars(words, group, OPENING, styles, _headings(group.sections))


def _together(members: Sequence[Group[CellReport]]) -> Group[CellReport]:
    """One group of several, which differ in what is requested and how."""
    sections = sorted((one for each in members for one in each.sections), key=_fastest_s)
    return members[0]._replace(scenario="", sections=tuple(sections))


def _fastest_s(section: Section[CellReport]) -> float:
    return min(cell.handshake_time_s.p50 or 0.0 for cell in section.cells)


def _headings(sections: Iterable[Section[CellReport]]) -> list[str]:
    """What is requested and how, and of how many workers where these differ."""
    sections = tuple(sections)
    several = len({section.workers for section in sections}) > 1
    return [
        f"{plain(cell.scenario)}, {way_words(cell.http, cell.transport)}"
        + (f", {workers_words([cell.workers])}" if several else "")
        for cell in (section.cells[0] for section in sections)
    ]
