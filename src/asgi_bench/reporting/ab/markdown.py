"""The summary of an A/B as Markdown: for a step summary, a comment, a chat. One screen."""

from collections.abc import Iterator, Sequence

from asgi_bench.model import AbReport, Verdict
from asgi_bench.reporting.ab.advice import advice
from asgi_bench.reporting.ab.rows import (
    COLUMNS,
    DETAILS,
    AbRow,
    ab_rows,
    difference_words,
    effort_words,
    notes,
    reasons,
    side_words,
)
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.markdown_text import (
    MOST_BYTES,
    escape,
    joined,
    size_bytes,
    table_head,
    table_line,
)
from asgi_bench.reporting.wording import plain, shortened

# What one screen has room for; the rest is folded.
ROWS = 12
DIFFERENCES = 8
# A log line may be within.
SENTENCE_LETTERS = 600
WORDS_LETTERS = 200
# Alerts of GitHub's Markdown; elsewhere they are quotes.
ALERTS: dict[Verdict, str] = {
    "regression": "CAUTION",
    "failed": "CAUTION",
    "invalid": "WARNING",
    "undecided": "IMPORTANT",
    "improvement": "TIP",
    "pass": "NOTE",
}


def render_ab_markdown(report: AbReport, *, most_bytes: int = MOST_BYTES) -> str:
    """The verdict, the table, what to do next and what differs; the details folded.

    What would make it larger than `most_bytes` is cut, the details first, and it is said so.
    """
    parts = [*_head(report, rest="folded below"), _details(report)]
    if size_bytes(parts) > most_bytes:
        parts = [*_head(report, rest="left out"), _cut("The details are", report)]
    if size_bytes(parts) > most_bytes:
        parts = [parts[0], _cut("The table and the details are", report)]
    return joined(parts)


def _cut(what: str, report: AbReport) -> str:
    run = _outside(report.run)
    return f"*{what} cut here, being too long: see `verdict.json` of the run {run}.*"


def _head(report: AbReport, rest: str) -> list[str]:
    """What must be seen, the verdict first; `rest` is what became of what finds no room."""
    rows = ab_rows(report)
    more = len(rows) - ROWS
    sides = f"**Baseline** {_outside(side_words(report.baseline))}"
    sides += f" · **candidate** {_outside(side_words(report.candidate))}"
    return [
        f"> [!{ALERTS[report.verdict]}]\n> {_sentence(report)}",
        _table(COLUMNS, rows[:ROWS]) if rows else "",
        f"… and {more} more rows, {rest}." if more > 0 else "",
        f"**What to do next:** {_outside(advice(report), letters=SENTENCE_LETTERS)}",
        f"{sides}\\\n{_differences(report, rest)}",
    ]


def _sentence(report: AbReport) -> str:
    """The verdict line, its first word bold."""
    word, colon, rest = report.text.partition(":")
    if not colon or word != report.verdict:
        rest = report.text
    return f"**{report.verdict}**: {_outside(rest, letters=SENTENCE_LETTERS)}"


def _differences(report: AbReport, rest: str) -> str:
    """What is not the same on both sides, as far as there is room."""
    if not report.differences:
        same = "as it should be" if report.is_aa else "so it is the code, or nothing"
        return f"No difference is known between the sides' environments: {same}."
    words = [_outside(difference_words(one)) for one in report.differences[:DIFFERENCES]]
    more = len(report.differences) - DIFFERENCES
    if more > 0:
        words.append(f"and {more} more, {rest}")
    return f"**What differs:** {', '.join(words)}"


def _details(report: AbReport) -> str:
    """Everything else, folded. Blank lines around it make Markdown of it."""
    body = "\n\n".join(part for part in _detail_parts(report) if part)
    return f"<details>\n<summary>Details</summary>\n\n{body}\n\n</details>"


def _detail_parts(report: AbReport) -> Iterator[str]:
    rows = ab_rows(report)
    found = [f"- {_outside(text, letters=SENTENCE_LETTERS)}" for text in reasons(report)]
    yield "\n".join(found)
    if len(rows) > ROWS:
        yield _table(COLUMNS, rows)
    yield _table(DETAILS, rows) if rows else ""
    if len(report.differences) > DIFFERENCES:
        yield "\n".join(f"- {_outside(difference_words(one))}" for one in report.differences)
    yield escape(" ".join(notes(report)))
    yield f"{escape(effort_words(report))} · run {_outside(report.run)}"


def _table(columns: Sequence[Column], rows: Sequence[AbRow]) -> str:
    lines = table_head(columns)
    lines += [table_line(_outside(column.text(row)) for column in columns) for row in rows]
    return "\n".join(lines)


def _outside(text: str, *, letters: int = WORDS_LETTERS) -> str:
    """Text that stays text wherever it's posted: it calls nobody and links nowhere.

    A backslash keeps GitHub neither from calling `@somebody` nor from linking an address; a space
    of no width does. `plain` has removed any that came along.
    """
    kept = escape(shortened(plain(text), letters))
    return kept.replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")
