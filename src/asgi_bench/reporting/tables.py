"""The report as text for a terminal: ranked tables, then what to know beside the figures."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from asgi_bench.analysis.document import Report
from asgi_bench.analysis.settings import SettingReport
from asgi_bench.model import Behaviour
from asgi_bench.reporting import behaviours, requests
from asgi_bench.reporting.claims import surety_notes
from asgi_bench.reporting.columns import Column, column_notes, columns_of
from asgi_bench.reporting.costs import CostTable, cost_notes, cost_tables
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.requests import request_notes, request_rows
from asgi_bench.reporting.rows import Row, caption, run_words, section_rows
from asgi_bench.reporting.scaling import scaling_notes, scaling_tables
from asgi_bench.reporting.settings import TITLE, setting_lines, settings_of
from asgi_bench.reporting.terminal import empty_table, printed
from asgi_bench.reporting.wording import OVERLOADED, Finding, findings, machine_words, plain

# What the widest shipped rows take; wider terminals leave it at that.
WIDTH = 100
STYLES = {
    "failed": "red",
    "invalid": "red",
    "suspect": "yellow",
    "skipped": "dim",
    "note": "cyan",
    OVERLOADED: "cyan",
    "valid": "green",
}


def render_text(report: Report, *, width: int = WIDTH, color: bool = False) -> str:
    """The report as lines of text, at most `width` columns wide where names allow."""
    return printed(lambda console: _print_report(console, report), width=width, color=color)


def _print_report(console: Console, report: Report) -> None:
    """The parts in order."""
    console.print(Text(plain(report.run.id), style="bold"))
    console.print(Text(run_words(report)))
    console.print(Text(machine_words(report.run.machine)))
    groups = report_groups(report)
    for group in groups:
        console.print()
        console.print(Text(caption(group), style="bold"))
        columns = columns_of(group.load)
        console.print(_table(columns, [section_rows(s, columns) for s in group.sections]))
        rows = tuple(request_rows(group))
        if rows:
            console.print()
            console.print(_filled(requests.COLUMNS, rows))
    if groups:
        console.print()
        notes = column_notes((group.load for group in groups), report.run.reference)
        for note in (*notes, *request_notes(report), *surety_notes(report)):
            console.print(Text(plain(note), style="dim"))
    _print_costs(console, cost_tables(groups))
    _print_scaling(console, report)
    if report.settings:
        _print_settings(console, report.settings)
    _print_findings(console, findings(report))
    if report.behaviour:
        _print_behaviour(console, report.behaviour)


def _print_costs(console: Console, tables: Sequence[CostTable]) -> None:
    """A table for each group, then what the columns mean."""
    for table in tables:
        console.print()
        console.print(Text(table.caption, style="bold"))
        console.print(_table(table.columns, map(table.rows, table.group.sections)))
    if tables:
        console.print()
        console.print(Text(cost_notes(tables), style="dim"))


def _print_scaling(console: Console, report: Report) -> None:
    """The same of what more workers gain and cost."""
    tables = scaling_tables(report)
    for table in tables:
        console.print()
        console.print(Text(table.caption, style="bold"))
        console.print(_table(table.columns, table.sections()))
    if tables:
        console.print()
        console.print(Text(scaling_notes(tables, report.run.reference), style="dim"))


def _filled(columns: Sequence[Column], entries: Iterable[Any]) -> Table:
    """A table with a row for each entry."""
    table = empty_table(columns)
    for entry in entries:
        table.add_row(*(Text(column.text(entry)) for column in columns))
    return table


def _print_behaviour(console: Console, behaviour: Sequence[Behaviour]) -> None:
    """A table of all settings, then each in words."""
    console.print()
    console.print(Text("Behaviour", style="bold"))
    console.print(_filled(behaviours.COLUMNS, behaviour))
    console.print()
    for note in behaviours.NOTES:
        console.print(Text(note, style="dim"))
    for each in behaviour:
        console.print()
        console.print(Text(plain(each.setting)))
        for sentence in behaviours.sentences(each):
            console.print(Padding(Text(sentence), (0, 0, 0, 1)))


def _print_settings(console: Console, settings: Sequence[SettingReport]) -> None:
    """Each server's version, and its command for each worker count; proofs would hide them."""
    console.print()
    console.print(Text(TITLE, style="bold"))
    for each in settings_of(settings):
        console.print(Text(f"{each.name} {each.version}"))
        for line in setting_lines(each):
            console.print(Padding(Text(line, style="dim"), (0, 0, 0, 1)))


def _table(columns: Iterable[Column], sections: Iterable[Iterable[Row]]) -> Table:
    """One group's table, a rule between worker counts."""
    table = empty_table(columns)
    for rows in sections:
        for row in rows:
            table.add_row(*_texts(row), style=_row_style(row))
        table.add_section()
    return table


def _texts(row: Row) -> list[Text]:
    """A row's texts; the verdict is coloured."""
    *figures, verdict = row.texts
    return [*map(Text, figures), Text(verdict, style=STYLES[verdict])]


def _row_style(row: Row) -> str:
    """What can't be ranked steps back."""
    return "" if row.cell.outcome == "ok" and row.cell.validity != "invalid" else "dim"


def _print_findings(console: Console, found: Sequence[Finding]) -> None:
    """One paragraph a finding, its level before it."""
    if not found:
        return
    console.print()
    console.print(Text("Findings", style="bold"))
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for finding in found:
        subject = f"{finding.subject}: " if finding.cells else ""
        grid.add_row(
            Text(finding.level, style=STYLES[finding.level]), Text(f"{subject}{finding.text}")
        )
    console.print(Padding(grid, (0, 0, 0, 1)))
