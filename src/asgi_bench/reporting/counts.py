"""A run that counted as a document, in the formats of the other verbs."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from asgi_bench.model.counts import (
    UNPLACED,
    Breakdown,
    CountedCell,
    Counter,
    CountFigures,
    CountsReport,
)
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column, table_of
from asgi_bench.reporting.counts_csv import render_counts_csv
from asgi_bench.reporting.document import Document, Item, Items, Notes, Section, Table
from asgi_bench.reporting.render.post import render_post
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal
from asgi_bench.reporting.wording import plain

CountsFormat = Literal["text", "json", "markdown", "csv"]
# In what the instructions of a request go: as many lines as one screen has room for.
MOST_PARTS = 10
# Smaller ones would be told as 0.00.
LEAST_TOLD = 0.005
NOUNS: dict[Counter, str] = {
    "instructions": "instructions",
    "syscalls": "system calls",
    "python_calls": "Python calls",
}
PARTS: dict[Breakdown, str] = {
    "object": "shared object",
    "function": "C function",
    "mode": "mode",
    "name": "system call",
    "wait": "waiting call",
    "python_function": "Python function",
}


class _Line(msgspec.Struct, frozen=True):
    """One counter of one cell, or a cell of which nothing was counted."""

    cell: CountedCell
    figures: CountFigures | None


def render_counts(
    report: CountsReport, format: CountsFormat, *, width: int = WIDTH, color: bool = False
) -> str:
    """A run that counted in a format; `width` and `color` are the terminal's, for text."""
    if format == "json":
        return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
    if format == "csv":
        return render_counts_csv(report)
    document = counts_document(report)
    if format == "text":
        return render_terminal(document, width=width, color=color)
    return render_post(document)


def counts_document(report: CountsReport) -> Document:
    """What a request takes by cell, where it goes, and what a count doesn't see."""
    lines = list(_lines(report))
    failed = tuple(
        Item(f"{plain(cell.cell)}: {plain(cell.reason or '')}")
        for cell in report.cells
        if cell.outcome != "ok"
    )
    return Document(
        title=f"Counts of run {plain(report.run)}",
        facts=(),
        sections=(
            Section("counts", "Counted per request", (table_of(COLUMNS, lines),)),
            Section("failed", "Not counted", (Items(failed),)),
            *(section for cell in report.cells for section in _parts_sections(cell)),
            Section("notes", "How to read these counts", (Notes(tuple(map(plain, report.notes))),)),
        ),
    )


def _lines(report: CountsReport) -> Iterator[_Line]:
    for cell in report.cells:
        yield from [_Line(cell, one) for one in cell.figures] or [_Line(cell, None)]


def _value(line: _Line) -> str:
    if line.figures is None:
        return numbers.MISSING
    return count_text(line.figures.per_request.value)


def _error(line: _Line) -> str:
    """The half of its 95 % interval."""
    if line.figures is None or line.figures.per_request.upper is None:
        return numbers.MISSING
    estimate = line.figures.per_request
    assert estimate.upper is not None
    half = estimate.upper - estimate.value
    if line.figures.counter != "instructions":
        return f"±{numbers.significant(half, 2, 3)}"
    return f"±{numbers.significant(half / estimate.value * 100, 2, 3)}%"


def count_text(value: float) -> str:
    """A count per request: `113,512`, or `2.05` if it is small."""
    return numbers.significant(value, 3, 2)


COLUMNS = (
    Column("cell", "", lambda line: plain(line.cell.cell), "left"),
    Column("version", "", lambda line: plain(line.cell.server_version or numbers.MISSING), "left"),
    Column(
        "counted",
        "",
        lambda line: NOUNS[line.figures.counter] if line.figures else numbers.MISSING,
        "left",
    ),
    Column("per", "request", _value),
    Column("95%", "", _error),
    Column(
        "layouts",
        "",
        lambda line: str(len(line.figures.by_layout)) if line.figures else numbers.MISSING,
    ),
    Column(
        "by", "", lambda line: line.figures.backend if line.figures else numbers.MISSING, "left"
    ),
    Column("outcome", "", lambda line: line.cell.outcome, "left"),
)


def _parts_sections(cell: CountedCell) -> Iterator[Section]:
    for figures in cell.figures:
        for kind, parts in figures.parts.items():
            table = _parts_table(cell, figures, kind, parts)
            yield Section(f"{figures.counter}-{kind}", "", (table,))


def _share(value: float, total: float) -> str:
    return f"{numbers.significant(value / total * 100, 2, 1)}%" if total else numbers.MISSING


def _parts_table(
    cell: CountedCell, figures: CountFigures, kind: Breakdown, parts: dict[str, float]
) -> Table:
    """The largest parts of a request, and the rest."""
    total = figures.per_request.value
    named = [(name, value) for name, value in parts.items() if name != UNPLACED]
    told = [(name, value) for name, value in named if abs(value) >= LEAST_TOLD][:MOST_PARTS]
    rest = total - sum(value for _, value in told)
    if kind != "wait" and abs(rest) >= LEAST_TOLD:
        told.append(("all others", rest))
    columns = (
        Column(PARTS[kind], "", lambda part: plain(part[0]), "left"),
        Column("per", "request", lambda part: count_text(part[1])),
        Column("share", "", lambda part: _share(part[1], total)),
    )
    how = "in which it waits, not counted above" if kind == "wait" else f"by {PARTS[kind]}"
    caption = f"{plain(cell.cell)}: {NOUNS[figures.counter]} {how}"
    return table_of(columns, told, caption)
