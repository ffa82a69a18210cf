"""Two runs compared, as text and as Markdown: the table, what differs, what it is worth."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from asgi_bench.analysis.comparison import Comparison
from asgi_bench.reporting import numbers
from asgi_bench.reporting.ab.rows import COLUMNS, DETAILS, AbRow, worst_first
from asgi_bench.reporting.ab.text import STYLES
from asgi_bench.reporting.history.words import change_words
from asgi_bench.reporting.markdown_text import (
    MOST_BYTES,
    escape,
    joined,
    size_bytes,
    table_head,
    table_line,
)
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.terminal import empty_table, printed
from asgi_bench.reporting.wording import plain, shortened

# Of an A/B's columns those that two runs have: no control, no blocks left out.
FIGURES = tuple(column for column in DETAILS[2:] if column.title in ("baseline", "candidate", "p"))
SHOWN = (*COLUMNS[:-1], *FIGURES, COLUMNS[-1])
# A comment has no room for a whole environment.
TOLD_DIFFERENCES = 60
# So many rows, differences and findings each are shown of what is too large to be posted: the
# most that fit.
SHOWN_LINES = (100, 30, 8, 1)
# A log line, or a name from outside, may be within.
LINE_LETTERS = 600


def render_compared_text(found: Comparison, *, width: int = WIDTH, color: bool = False) -> str:
    """The comparison as lines of text, at most `width` columns wide where names allow."""
    return printed(lambda console: _print(console, found), width=width, color=color)


def render_compared_markdown(found: Comparison, *, most_bytes: int = MOST_BYTES) -> str:
    """The comparison as Markdown.

    What would make it larger than `most_bytes` is cut, and it is said so.
    """
    parts = _markdown_parts(found, None)
    for most in SHOWN_LINES:
        if size_bytes(parts) <= most_bytes:
            break
        parts = [*_markdown_parts(found, most), "*Cut, being too long: the text format has all.*"]
    return joined(parts)


def _markdown_parts(found: Comparison, most: int | None) -> list[str]:
    """Verdict, table, and lists; of each as many lines as `most`, if that is given."""
    line = shortened(plain(found.text), LINE_LETTERS)
    rows = compared_rows(found)
    table = [table_line(_outside(column.text(row)) for column in SHOWN) for row in rows[:most]]
    differences = [_outside(change_words(change)) for change in found.differences]
    at_once = TOLD_DIFFERENCES if most is None else min(most, TOLD_DIFFERENCES)
    findings = [_outside(text) for text in compared_findings(found)]
    return [
        f"**{found.verdict}**{escape(line.removeprefix(found.verdict))}",
        "\n".join([*table_head(SHOWN), *table]) if table else "",
        f"… and {numbers.count(len(rows) - len(table))} more rows" if rows[len(table) :] else "",
        escape(" ".join(compared_notes(found))),
        _markdown_list("What differs", differences or ["nothing that is recorded"], at_once),
        _markdown_list("Findings", findings, len(findings) if most is None else most),
    ]


def _markdown_list(title: str, texts: Sequence[str], most: int) -> str:
    """A list under its title, as far as there is room; empty where there is nothing."""
    if not texts:
        return ""
    told = list(texts[:most])
    if len(texts) > most:
        told.append(f"… and {numbers.count(len(texts) - most)} more")
    return "\n".join([f"**{title}**", "", *(f"- {text}" for text in told)])


def _outside(text: str) -> str:
    """Text from outside as Markdown, of a length that many of fit."""
    return escape(shortened(text, LINE_LETTERS))


def compared_rows(found: Comparison) -> tuple[AbRow, ...]:
    """A row for each metric of each cell, and one for a cell without any; the worst first."""
    return worst_first(found.cells)


def compared_notes(found: Comparison) -> Iterator[str]:
    """What the figures mean, and what the comparison can't see."""
    yield f"base {plain(found.base)}, candidate {plain(found.candidate)}."
    if found.reference is None:
        yield "Slowdowns are of absolute figures, which move with the machine: none is judged."
    else:
        yield (
            f"Slowdown: how much the cell's ratio to {plain(found.reference)}, which both runs "
            f"have, got worse; {numbers.tick(found.min_change * 100)}% or more matters. What "
            f"changed for both, as an app or interpreter they share, cancels out: that takes "
            f"asgi-bench ab. Intervals are over the rounds of both runs, as wide as all metrics "
            f"and cells together ask for."
        )


def compared_findings(found: Comparison) -> Iterator[str]:
    """What else to know: machines, cells that could not be compared."""
    if not found.same_machine:
        yield (
            "the machines differ: even ratios of servers move with processor, kernel and CPU "
            "count by more than most changes do; measure both on one machine, or with ab"
        )
    for cell in found.cells:
        yield from (f"{plain(cell.cell)}: {plain(reason.text)}" for reason in cell.reasons)
    for key, role in found.only:
        yield f"{plain(key)}: in the {role} run alone"


def _print(console: Console, found: Comparison) -> None:
    rows = compared_rows(found)
    if rows:
        table = empty_table(SHOWN)
        for row in rows:
            *texts, verdict = (Text(column.text(row)) for column in SHOWN)
            verdict.stylize(STYLES[row.verdict])
            table.add_row(*texts, verdict)
        console.print(table)
        console.print()
    for note in compared_notes(found):
        console.print(Text(note, style="dim"))
    differences = [change_words(change) for change in found.differences]
    _print_list(console, "What differs", differences or ["nothing that is recorded"])
    _print_list(console, "Findings", list(compared_findings(found)))
    console.print()


def _print_list(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print()
        console.print(Text(title, style="bold"))
        for line in lines:
            console.print(Text(f" {line}"))
