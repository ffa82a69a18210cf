"""A history as a document: what changed first, then where each series stands."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asgi_bench.analysis.history.series import History, Series, Shift
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.document import (
    Block,
    Document,
    Item,
    Items,
    Mark,
    Notes,
    Section,
    Span,
    Text,
    Words,
)
from asgi_bench.reporting.history.words import (
    DOUBTFUL_TITLE,
    blame_words,
    break_words,
    commit_words,
    effect_words,
    findings,
    headline,
    level_words,
    notes,
    place_words,
    series_name,
    span_words,
)
from asgi_bench.reporting.run.source import Charts
from asgi_bench.reporting.wording import plain
from asgi_bench.store.index import Listing

COLUMNS = (
    Column("cell", "", lambda series: plain(series.cell), "left"),
    Column("metric", "", lambda series: series.metric.label, "left"),
    Column("runs", "", lambda series: numbers.count(len(series.points))),
    Column("newest ratio", "to the reference", level_words, "left"),
    Column("changes", "", lambda series: numbers.count(len(series.own_shifts))),
    Column("doubtful", "", lambda series: numbers.count(len(series.doubtful_shifts))),
)
NO_CHARTS = Charts()
FOOTER = (
    "Made by asgi-bench from stored runs. Ratios of servers that were measured in the same minutes "
    "are what is followed; what moved both of them is not seen here."
)


class Room(NamedTuple):
    """How many entries of each list are told, and what is said of the others."""

    changes: int | None = None
    surroundings: int | None = None
    findings: int | None = None
    others: str = "more"


TERMINAL = Room(20, 10, 20, "more on the page")
# A system that is upgraded with every run would fill the page with them.
PAGE = Room(surroundings=200, others="older ones")


def history_document(
    history: History, listing: Listing, room: Room, charts: Charts = NO_CHARTS
) -> Document:
    """What there is to say about the runs of a folder; charts are for a page."""
    figures = tuple(figure for _, figure in charts.figures)
    missing = Notes(tuple(_missing(charts)))
    return Document(
        title=headline(history),
        facts=(span_words(history),) if history.runs else (),
        sections=(
            Section("changes", "Changes", tuple(_changes(history, room))),
            Section("charts", "Over time", (*figures, missing), least="page"),
            Section("series", "Where each stands", (table_of(COLUMNS, history.series),)),
            Section(
                "surroundings",
                "Where the surroundings changed",
                (_listed(map(break_words, reversed(history.breaks)), room.surroundings, room),),
            ),
            Section(
                "findings",
                "What else to know",
                (_listed(findings(history, listing), room.findings, room),),
            ),
        ),
        kind="history",
        footer=FOOTER,
    )


def _changes(history: History, room: Room) -> Iterator[Block]:
    """The changes for good, then those that may be the measuring's, and how to read them."""
    if history.shifts:
        yield _shifts("", history.shifts, room)
    elif history.series:
        meanwhile = " while the measuring stayed the same" if history.doubtful_shifts else ""
        yield Text(
            f"None of the series changed its level for good by as much as matters{meanwhile}."
        )
    yield _shifts(DOUBTFUL_TITLE, history.doubtful_shifts, room)
    if history.series:
        yield Notes(notes(history))


def _shifts(title: str, shifts: Sequence[tuple[Series, Shift]], room: Room) -> Items:
    """A list of changes."""
    items = (
        Item(
            (f"{series_name(series)}: ", _mark(shift)),
            details=tuple(_details(shift)),
        )
        for series, shift in shifts
    )
    return _within(room.changes, room, items, title)


def _mark(shift: Shift) -> Mark:
    """The size of a change, with what it means."""
    if shift.may_be_measuring:
        return Mark(effect_words(shift), "warn")
    return Mark(effect_words(shift), "bad" if shift.effect.d > 0 else "good")


def _details(shift: Shift) -> Iterator[Words]:
    """With which run a change came, the commits in question, and what else changed."""
    yield place_words(shift)
    commits = commit_words(shift)
    if commits:
        yield ("commits ", Span(commits, "code"))
    yield (Span(f"what else changed: {blame_words(shift)}", "faint"),)


def _missing(charts: Charts) -> Iterator[str]:
    """What became of the charts that aren't there."""
    yield from charts.undrawn
    if charts.left_out:
        yield f"Left out to keep this page small: {'; '.join(charts.left_out)}."


def _listed(texts: Iterable[str], most: int | None, room: Room) -> Items:
    return _within(most, room, map(Item, texts))


def _within(most: int | None, room: Room, items: Iterable[Item], title: str = "") -> Items:
    """A list of as many entries as there is room for."""
    found = tuple(items)
    told = found[:most]
    more = len(found) - len(told)
    last = (Item(f"… and {numbers.count(more)} {room.others}"),) if more else ()
    return Items((*told, *last), title)
