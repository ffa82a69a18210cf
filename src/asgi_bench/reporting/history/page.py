"""A history as one self-contained page, in the manner of a run's report."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from asgi_bench.analysis.history import History, Series, Shift
from asgi_bench.errors import BenchError
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts import draw_history
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.document import Figure
from asgi_bench.reporting.history.text import COLUMNS
from asgi_bench.reporting.history.words import (
    DOUBTFUL_TITLE,
    blame_words,
    break_words,
    commit_words,
    effect_words,
    findings,
    headline,
    notes,
    place_words,
    series_name,
    span_words,
)
from asgi_bench.reporting.render.page import filled
from asgi_bench.reporting.run.page import charts_of
from asgi_bench.store.index import Listing

HISTORY_FILE = "history.html"
# The newest; a system that is upgraded with every run would fill the page with them.
MOST_BREAKS = 200


class ShownShift(NamedTuple):
    """A change in words."""

    series: str
    effect: str
    place: str
    commits: str
    blame: str


class HistoryPage(NamedTuple):
    """What the template takes: texts, and charts as markup."""

    headline: str
    span: str
    shifts: tuple[ShownShift, ...]
    doubtful_title: str
    doubtful: tuple[ShownShift, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    left_out: tuple[str, ...]
    columns: tuple[Column, ...]
    series: tuple[tuple[str, ...], ...]
    breaks: tuple[str, ...]
    more_breaks: str
    findings: tuple[str, ...]

    @property
    def contents(self) -> Iterator[tuple[str, str]]:
        """Anchor and name of every section, in order."""
        yield "changes", "Changes"
        if self.figures:
            yield "charts", "Over time"
        if self.series:
            yield "series", "Where each stands"
        if self.breaks:
            yield "surroundings", "Surroundings"
        if self.findings:
            yield "findings", "What else to know"


def write_history_page(history: History, listing: Listing, folder: Path) -> Path:
    """Write `history.html` into the folder of the runs and return it.

    Raises BenchError where it can't be written.
    """
    file = folder / HISTORY_FILE
    try:
        file.write_text(render_history_page(history, listing), encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{file}: the page can't be written: {error.strerror}") from None
    return file


def render_history_page(history: History, listing: Listing) -> str:
    """The page as text."""
    charts = charts_of(draw_history(history))
    newest = list(reversed(history.breaks))
    more = len(newest) - MOST_BREAKS
    said = headline(history)
    return filled(
        "history.html",
        title=f"{said} · asgi-bench history",
        page=HistoryPage(
            headline=said,
            span=span_words(history) if history.runs else "",
            shifts=_shown(history.shifts),
            doubtful_title=DOUBTFUL_TITLE,
            doubtful=_shown(history.doubtful_shifts),
            notes=notes(history),
            figures=tuple(figure for _, figure in charts.figures),
            left_out=charts.left_out,
            columns=COLUMNS,
            series=tuple(
                tuple(column.text(series) for column in COLUMNS) for series in history.series
            ),
            breaks=tuple(map(break_words, newest[:MOST_BREAKS])),
            more_breaks=numbers.count(more) if more > 0 else "",
            findings=tuple(findings(history, listing)),
        ),
    )


def _shown(shifts: Sequence[tuple[Series, Shift]]) -> tuple[ShownShift, ...]:
    """Changes in words, in their order."""
    return tuple(
        ShownShift(
            series_name(series),
            effect_words(shift),
            place_words(shift),
            commit_words(shift),
            blame_words(shift),
        )
        for series, shift in shifts
    )
