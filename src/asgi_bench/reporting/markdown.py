"""The report as Markdown: the same rows and findings, for a README or a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence

from asgi_bench.analysis.document import Report
from asgi_bench.model import Behaviour
from asgi_bench.reporting import behaviours
from asgi_bench.reporting.claims import claim_notes
from asgi_bench.reporting.columns import Column, column_notes, columns_of
from asgi_bench.reporting.costs import CostTable, cost_notes, cost_tables
from asgi_bench.reporting.groups import AnyGroup, report_groups
from asgi_bench.reporting.rows import Row, caption, run_words, section_rows
from asgi_bench.reporting.wording import findings, machine_words, plain

# Everything that Markdown or the HTML in it would read as more than a letter. A dot, a dash and
# a plus mean something only at the start of a line, where no text from outside stands.
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def render_markdown(report: Report) -> str:
    """The report as Markdown with one table for each scenario and load."""
    groups = report_groups(report)
    parts = [
        f"# {_escape(report.run.id)}",
        f"{_escape(run_words(report))}\\\n{_escape(machine_words(report.run.machine))}",
        *(f"## {_escape(caption(group))}\n\n{render_table(group)}" for group in groups),
    ]
    if groups:
        notes = column_notes((group.load for group in groups), report.run.reference)
        parts.append(_escape(" ".join((*notes, *claim_notes(report)))))
    costs = cost_tables(groups)
    parts += [f"## {_escape(table.caption)}\n\n{render_costs(table)}" for table in costs]
    if costs:
        parts.append(_escape(cost_notes(costs)))
    found = findings(report)
    if found:
        lines = [
            f"- **{finding.level}** "
            + _escape(f"{finding.subject}: {finding.text}" if finding.cells else finding.text)
            for finding in found
        ]
        parts.append("## Findings\n\n" + "\n".join(lines))
    if report.behaviour:
        parts += _behaviour_parts(report.behaviour)
    return "\n\n".join(parts) + "\n"


def render_table(group: AnyGroup) -> str:
    """One group's table alone, as a README shows it."""
    columns = columns_of(group.load)
    return _table(columns, [section_rows(section, columns) for section in group.sections])


def render_costs(table: CostTable) -> str:
    """One group's table of costs alone."""
    return _table(table.columns, map(table.rows, table.group.sections))


def _table(columns: Sequence[Column], sections: Iterable[Iterable[Row]]) -> str:
    lines = _head(columns)
    lines += [_line(tuple(map(_escape, row.texts))) for rows in sections for row in rows]
    return "\n".join(lines)


def _behaviour_parts(behaviour: Sequence[Behaviour]) -> Iterator[str]:
    """A table of all settings, then each in words."""
    columns = behaviours.COLUMNS
    lines = _head(columns)
    lines += [_line(tuple(_escape(c.text(each)) for c in columns)) for each in behaviour]
    yield "## Behaviour\n\n" + "\n".join(lines)
    yield _escape(" ".join(behaviours.NOTES))
    for each in behaviour:
        words = (f"- {_escape(sentence)}" for sentence in behaviours.sentences(each))
        yield f"**{_escape(each.setting)}**\n\n" + "\n".join(words)


def _head(columns: Sequence[Column]) -> list[str]:
    """The first two lines of a table."""
    titles = (f"{column.title} {column.unit}".strip() for column in columns)
    rules = ("---" if column.align == "left" else "---:" for column in columns)
    return [_line(tuple(map(_escape, titles))), _line(tuple(rules))]


def _line(texts: tuple[str, ...]) -> str:
    """One line of a table."""
    return f"| {' | '.join(texts)} |"


def _escape(text: str) -> str:
    """Text that stays text."""
    return SPECIAL.sub(r"\\\1", plain(text))
