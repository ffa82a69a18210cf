"""A cell as a row of text, and what stands above and below the rows."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.document import Report
from asgi_bench.model import Client
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.groups import AnyGroup, Section
from asgi_bench.reporting.wording import load_words, plain


class Row(NamedTuple):
    """A cell's texts, one for each column, and the cell itself."""

    cell: CellReport | SweepReport
    texts: tuple[str, ...]


# Locust's own users can't be loaded in short slices.
CLIENT_WORDS: Mapping[Client, str] = {
    "fast": "",
    "fasthttp": "sent by Locust's FastHttpUser, not interleaved",
    "http": "sent by Locust's HttpUser, not interleaved",
    "locustfile": "sent by a locustfile, not interleaved",
}


def section_rows(section: Section[Any], columns: tuple[Column, ...]) -> Iterator[Row]:
    """The rows of a section in order: only what is valid or suspect has a place.

    A sweep's is the place of its estimate, for sweeps are not compared with each other.
    """
    place, *figures = columns
    for number, cell in enumerate(section.cells, start=1):
        is_sweep = isinstance(cell, SweepReport) and number <= len(section.ranked)
        shown = str(number) if is_sweep else place.text(cell)
        yield Row(cell, (shown, *(column.text(cell) for column in figures)))


def caption(group: AnyGroup) -> str:
    """What a group's table shows: scenario, load, what its times are, rounds."""
    clients = {cell.client for cell in group.cells}
    parts = [
        plain(group.scenario),
        load_words(group.load),
        rounds_words(group),
        *(CLIENT_WORDS.get(client, f"sent by {plain(client)}") for client in sorted(clients)),
    ]
    return " · ".join(part for part in parts if part)


def rounds_words(group: AnyGroup) -> str:
    """How many rounds were measured: `5 rounds`, `3 to 5 rounds`."""
    rounds = sorted({cell.rounds for cell in group.cells if cell.outcome == "ok"})
    if not rounds:
        return ""
    if len(rounds) > 1:
        return f"{rounds[0]} to {rounds[-1]} rounds"
    return f"{rounds[0]} round{'' if rounds == [1] else 's'}"


def run_words(report: Report) -> str:
    """The run's own line: when, by which tool, with which seed."""
    run = report.run
    return (
        f"{plain(numbers.moment(run.started_at))} · asgi-bench {plain(run.tool_version)} · "
        f"seed {run.seed}"
    )
