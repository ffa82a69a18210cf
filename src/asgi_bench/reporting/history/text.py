"""A history as text for a terminal: what changed first, then where each series stands."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from asgi_bench.analysis.history import History, Series, Shift
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column
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
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.terminal import empty_table, printed
from asgi_bench.reporting.wording import plain
from asgi_bench.store.index import Listing

# The page has them all.
TOLD_SHIFTS = 20
TOLD_BREAKS = 10
TOLD_FINDINGS = 20
COLUMNS = (
    Column("cell", "", lambda series: plain(series.cell), "left"),
    Column("metric", "", lambda series: series.metric.label, "left"),
    Column("runs", "", lambda series: numbers.count(len(series.points))),
    Column("newest ratio", "to the reference", level_words, "left"),
    Column("changes", "", lambda series: numbers.count(len(series.own_shifts))),
    Column("doubtful", "", lambda series: numbers.count(len(series.doubtful_shifts))),
)


def render_history_text(
    history: History, listing: Listing, *, width: int = WIDTH, color: bool = False
) -> str:
    """The history as lines of text, at most `width` columns wide where names allow."""
    return printed(lambda console: _print(console, history, listing), width=width, color=color)


def _print(console: Console, history: History, listing: Listing) -> None:
    console.print(Text(headline(history), style="bold"))
    if history.runs:
        console.print(Text(span_words(history)))
    _print_shifts(console, history.shifts)
    if history.doubtful_shifts:
        console.print()
        console.print(Text(DOUBTFUL_TITLE, style="bold"))
        _print_shifts(console, history.doubtful_shifts)
    if history.series:
        console.print()
        _print_series(console, history.series)
        for note in notes(history):
            console.print(Text(note, style="dim"))
    _print_list(
        console,
        "Surroundings changed",
        list(map(break_words, reversed(history.breaks))),
        TOLD_BREAKS,
    )
    _print_list(console, "Findings", list(findings(history, listing)), TOLD_FINDINGS)


def _print_shifts(console: Console, shifts: Sequence[tuple[Series, Shift]]) -> None:
    for series, shift in shifts[:TOLD_SHIFTS]:
        style = "red" if shift.effect.d > 0 else "green"
        console.print()
        console.print(
            Text(
                f"{series_name(series)}: {effect_words(shift)}",
                style="yellow" if shift.may_be_measuring else style,
            )
        )
        console.print(Text(f"  {place_words(shift)}"))
        commits = commit_words(shift)
        if commits:
            console.print(Text(f"  commits {commits}"))
        console.print(Text(f"  what else changed: {blame_words(shift)}"))
    _print_more(console, len(shifts) - TOLD_SHIFTS)


def _print_series(console: Console, series: tuple[Series, ...]) -> None:
    table = empty_table(COLUMNS)
    for one in series:
        table.add_row(*(Text(column.text(one)) for column in COLUMNS))
    console.print(table)
    console.print()


def _print_list(console: Console, title: str, lines: list[str], most: int) -> None:
    if not lines:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for line in lines[:most]:
        console.print(Text(f" {line}"))
    _print_more(console, len(lines) - most)


def _print_more(console: Console, more: int) -> None:
    if more > 0:
        console.print(Text(f" … and {numbers.count(more)} more on the page", style="dim"))
