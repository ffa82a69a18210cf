"""An A/B as text for a terminal: the verdict, the table, what to do next, what differs."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from asgi_bench.model import AbReport
from asgi_bench.reporting.ab.advice import advice
from asgi_bench.reporting.ab.rows import (
    COLUMNS,
    DETAILS,
    NO_STALLS,
    SHOWN_ONLY,
    AbRow,
    ab_rows,
    difference_words,
    effort_words,
    notes,
    reasons,
    side_words,
)
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.terminal import empty_table, printed
from asgi_bench.reporting.wording import plain

STYLES = {
    "regression": "red",
    "failed": "red",
    "invalid": "red",
    "undecided": "yellow",
    "improvement": "green",
    "pass": "green",
    SHOWN_ONLY: "dim",
    NO_STALLS: "dim",
}


def render_ab_text(report: AbReport, *, width: int = WIDTH, color: bool = False) -> str:
    """The A/B as lines of text, at most `width` columns wide where names allow."""
    return printed(lambda console: _print(console, report), width=width, color=color)


def _print(console: Console, report: AbReport) -> None:
    rows = ab_rows(report)
    console.print(Text(plain(report.run), style="bold"))
    console.print(Text(plain(report.text), style=STYLES[report.verdict]))
    console.print(Text(f"What to do next: {advice(report)}"))
    console.print()
    console.print(Text(f"baseline  {side_words(report.baseline)}"))
    console.print(Text(f"candidate {side_words(report.candidate)}"))
    console.print()
    if rows:
        console.print(_table(COLUMNS, rows))
        console.print()
        # One cell's name stands above already; several are folded.
        names = len({row.cell.cell for row in rows}) > 1
        console.print(_table(DETAILS if names else DETAILS[1:], rows))
        console.print()
    for note in (*notes(report), effort_words(report)):
        console.print(Text(note, style="dim"))
    _print_list(console, "Findings", reasons(report))
    _print_list(console, "What differs", [difference_words(one) for one in report.differences])


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print()
        console.print(Text(title, style="bold"))
        for line in lines:
            console.print(Text(f" {line}"))


def _table(columns: Sequence[Column], rows: Sequence[AbRow]) -> Table:
    table = empty_table(columns)
    for row in rows:
        texts = [Text(column.text(row)) for column in columns]
        if columns is COLUMNS:
            texts[-1].stylize(STYLES[row.verdict])
        table.add_row(*texts)
    return table
