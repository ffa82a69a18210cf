"""An A/B as a document: one screen, the verdict first."""

from collections.abc import Iterable, Sequence
from typing import Literal

from asgi_bench.model import AbReport, Verdict
from asgi_bench.reporting.ab.advice import advice
from asgi_bench.reporting.ab.rows import (
    COLUMNS,
    DETAILS,
    TONES,
    AbRow,
    ab_rows,
    difference_words,
    effort_words,
    notes,
    reasons,
    side_words,
)
from asgi_bench.reporting.columns import Column, heads
from asgi_bench.reporting.document import (
    Alert,
    Document,
    Fold,
    Item,
    Items,
    Mark,
    Notes,
    Row,
    Section,
    Span,
    Table,
    Text,
)
from asgi_bench.reporting.render.post import render_post
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal
from asgi_bench.reporting.wording import plain

# What one screen of a comment has room for.
ROWS = 12
DIFFERENCES = 8
ALERTS: dict[Verdict, Alert] = {
    "regression": "caution",
    "failed": "caution",
    "invalid": "warning",
    "undecided": "important",
    "improvement": "tip",
    "pass": "note",
}


def render_ab(
    report: AbReport,
    format: Literal["text", "markdown"],
    *,
    width: int = WIDTH,
    color: bool = False,
) -> str:
    """A judged A/B in a format; `width` in columns and `color` are the terminal's, for text."""
    if format == "text":
        return render_terminal(ab_document(report), width=width, color=color)
    return render_post(ab_document(report))


def ab_document(report: AbReport) -> Document:
    """The verdict and what to do next, then what they rest on."""
    blocks = (
        verdict_text(report.verdict, report.text),
        Text((Span("What to do next:", "strong"), f" {advice(report)}")),
        *ab_section(report).blocks,
    )
    return Document("", (), (Section("verdict", "", blocks),))


def ab_section(report: AbReport) -> Section:
    """The table, the sides and what differs; the details folded."""
    rows = ab_rows(report)
    # One cell's name stands above already; several are folded.
    has_names = len({row.cell.cell for row in rows}) > 1
    return Section(
        "ab",
        "Baseline and candidate",
        (
            verdict_table(COLUMNS, rows, at_once=ROWS),
            Text((Span("Baseline", "strong"), f" {side_words(report.baseline)}")),
            Text((Span("Candidate", "strong"), f" {side_words(report.candidate)}")),
            _differences(report),
            Fold(
                "Details",
                (
                    listing("Findings", reasons(report)),
                    verdict_table(DETAILS if has_names else DETAILS[1:], rows),
                    Notes(
                        (*notes(report), f"{effort_words(report)}.", f"Run {plain(report.run)}.")
                    ),
                ),
            ),
        ),
    )


def verdict_text(verdict: Verdict, text: str) -> Text:
    """The verdict line, which begins with its word."""
    rest = plain(text).removeprefix(verdict)
    return Text((Span(verdict, "strong"), rest), TONES[verdict], ALERTS[verdict])


def verdict_table(
    columns: Sequence[Column], rows: Iterable[AbRow], at_once: int | None = None
) -> Table:
    """A table of judged rows; their verdict stands out."""
    found = (
        Row(
            tuple(
                Mark(row.verdict, TONES[row.verdict])
                if column.title == "verdict"
                else column.text(row)
                for column in columns
            )
        )
        for row in rows
    )
    return Table(heads(columns), tuple(found), at_once=at_once)


def listing(title: str, texts: Iterable[str], at_once: int | None = None) -> Items:
    """A list of sentences."""
    return Items(tuple(map(Item, texts)), title, at_once)


def _differences(report: AbReport) -> Text | Items:
    """What is not the same on both sides."""
    if not report.differences:
        same = "as it should be" if report.is_aa else "so it is the code, or nothing"
        return Text(f"No difference is known between the sides' environments: {same}.")
    return listing("What differs", map(difference_words, report.differences), DIFFERENCES)
