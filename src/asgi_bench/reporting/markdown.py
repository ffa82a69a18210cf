"""The report as Markdown: the same rows and findings, for a README or a pull request."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from asgi_bench.analysis.document import Report
from asgi_bench.analysis.settings import SettingReport
from asgi_bench.model import Behaviour
from asgi_bench.reporting import behaviours, requests
from asgi_bench.reporting.claims import surety_notes
from asgi_bench.reporting.columns import Column, column_notes, columns_of
from asgi_bench.reporting.costs import cost_notes, cost_tables
from asgi_bench.reporting.groups import AnyGroup, report_groups
from asgi_bench.reporting.markdown_text import escape, table_head, table_line
from asgi_bench.reporting.requests import request_notes, request_rows
from asgi_bench.reporting.rows import Row, caption, run_words, section_rows
from asgi_bench.reporting.scaling import scaling_notes, scaling_tables
from asgi_bench.reporting.settings import TITLE, setting_lines, settings_of
from asgi_bench.reporting.wording import findings, machine_words


def render_markdown(report: Report) -> str:
    """The report as Markdown with one table for each scenario and load."""
    groups = report_groups(report)
    parts = [
        f"# {escape(report.run.id)}",
        f"{escape(run_words(report))}\\\n{escape(machine_words(report.run.machine))}",
        *(part for group in groups for part in _group_parts(group)),
    ]
    if groups:
        notes = column_notes((group.load for group in groups), report.run.reference)
        parts.append(escape(" ".join((*notes, *request_notes(report), *surety_notes(report)))))
    costs = cost_tables(groups)
    for costly in costs:
        table = _table(costly.columns, map(costly.rows, costly.group.sections))
        parts.append(f"## {escape(costly.caption)}\n\n{table}")
    if costs:
        parts.append(escape(cost_notes(costs)))
    scaling = scaling_tables(report)
    for workers in scaling:
        table = _table(workers.columns, workers.sections())
        parts.append(f"## {escape(workers.caption)}\n\n{table}")
    if scaling:
        parts.append(escape(scaling_notes(scaling, report.run.reference)))
    found = findings(report)
    if found:
        lines = [
            f"- **{finding.level}** "
            + escape(f"{finding.subject}: {finding.text}" if finding.cells else finding.text)
            for finding in found
        ]
        parts.append("## Findings\n\n" + "\n".join(lines))
    if report.behaviour:
        parts += _behaviour_parts(report.behaviour)
    if report.settings:
        parts += _setting_parts(report.settings)
    return "\n\n".join(parts) + "\n"


def render_table(group: AnyGroup) -> str:
    """One group's table alone, as a README shows it."""
    columns = columns_of(group.load)
    return _table(columns, [section_rows(section, columns) for section in group.sections])


def _table(columns: Sequence[Column], sections: Iterable[Iterable[Row]]) -> str:
    lines = table_head(columns)
    lines += [table_line(map(escape, row.texts)) for rows in sections for row in rows]
    return "\n".join(lines)


def _group_parts(group: AnyGroup) -> Iterator[str]:
    """A group's table and, where its cells send several requests, a table of these."""
    yield f"## {escape(caption(group))}\n\n{render_table(group)}"
    rows = tuple(request_rows(group))
    if rows:
        yield _filled(requests.COLUMNS, rows)


def _filled(columns: Sequence[Column], entries: Iterable[Any]) -> str:
    """A table with a line for each entry."""
    lines = [table_line(escape(column.text(entry)) for column in columns) for entry in entries]
    return "\n".join([*table_head(columns), *lines])


def _behaviour_parts(behaviour: Sequence[Behaviour]) -> Iterator[str]:
    """A table of all settings, then each in words."""
    yield "## Behaviour\n\n" + _filled(behaviours.COLUMNS, behaviour)
    yield escape(" ".join(behaviours.NOTES))
    for each in behaviour:
        words = (f"- {escape(sentence)}" for sentence in behaviours.sentences(each))
        yield f"**{escape(each.setting)}**\n\n" + "\n".join(words)


def _setting_parts(settings: Sequence[SettingReport]) -> Iterator[str]:
    """Each server's version, its command for each worker count, and what really ran."""
    yield f"## {TITLE}"
    for each in settings_of(settings):
        proofs = (f"seen from inside: {proof}" for proof in each.proofs)
        lines = (f"- {escape(line)}" for line in (*setting_lines(each), *proofs))
        yield f"**{escape(each.name)}** {escape(each.version)}\n\n" + "\n".join(lines)
