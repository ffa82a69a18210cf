"""The chart of how long it took to open connections: a panel for each scenario and protocol."""

from collections.abc import Iterable

from matplotlib.figure import Figure

from asgi_bench.analysis.report import CellReport
from asgi_bench.model.metrics import HANDSHAKE_P50
from asgi_bench.reporting.charts.bars import Measure, draw_bars, measure_of
from asgi_bench.reporting.charts.palette import Styles
from asgi_bench.reporting.charts.sheet import Words
from asgi_bench.reporting.groups import Group, Section
from asgi_bench.reporting.wording import plain, way_words, workers_words

OPENING: Measure = measure_of(HANDSHAKE_P50, "milliseconds")


def draw_openings(words: Words, group: Group[CellReport], styles: Styles) -> Figure:
    """A panel for each request and worker count, the shortest of them first."""
    return draw_bars(words, group, OPENING, styles, _headings(group.sections))


def _headings(sections: Iterable[Section[CellReport]]) -> list[str]:
    """What is requested and how, and of how many workers where these differ."""
    sections = tuple(sections)
    several = len({section.workers for section in sections}) > 1
    return [
        f"{plain(cell.scenario)}, {way_words(cell.http, cell.transport)}"
        + (f", {workers_words([cell.workers])}" if several else "")
        for cell in (section.cells[0] for section in sections)
    ]
