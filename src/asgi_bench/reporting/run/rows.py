"""A cell as a row of a table, and the words above the rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from asgi_bench.analysis.report import CellReport, Report, SweepReport
from asgi_bench.model import Client, Resumption
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.document import Cell, Row
from asgi_bench.reporting.groups import AnyGroup
from asgi_bench.reporting.wording import load_words, plain

# Locust's own users can't be loaded in short slices.
CLIENT_WORDS: Mapping[Client, str] = {
    "fast": "",
    "fasthttp": "sent by Locust's FastHttpUser, not interleaved",
    "http": "sent by Locust's HttpUser, not interleaved",
    "locustfile": "sent by a locustfile, not interleaved",
}


def cell_row(
    cell: CellReport | SweepReport,
    texts: Iterable[Cell],
    *,
    starts_group: bool = False,
    is_leader: bool = False,
) -> Row:
    """A row about a cell; unranked cells are faint."""
    return Row(
        cells=tuple(texts),
        starts_group=starts_group,
        is_faint=cell.outcome != "ok" or cell.validity == "invalid",
        is_leader=is_leader,
        facets=facets(plain(cell.server), cell.workers, plain(cell.request_key)),
    )


def facets(server: str, workers: int, scenario: str) -> Mapping[str, str]:
    """What a page filters by."""
    return {"server": server, "workers": str(workers), "scenario": scenario}


def grouped_rows(
    groups: Iterable[Iterable[CellReport | SweepReport]], columns: Sequence[Column]
) -> Iterator[Row]:
    """The rows of cells, with a rule above each group except the first."""
    for number, cells in enumerate(groups):
        for place, cell in enumerate(cells):
            starts = number > 0 and place == 0
            yield cell_row(cell, (column.cell(cell) for column in columns), starts_group=starts)


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
    """The run's own line: when, with which version, with which seed."""
    run = report.run
    parts = [
        plain(numbers.moment(run.started_at)),
        f"asgi-bench {plain(run.tool_version)}",
        f"seed {run.seed}",
        *([resumed_words(run.resumed)] if run.resumed else []),
    ]
    return " · ".join(parts)


def resumed_words(parts: Sequence[Resumption]) -> str:
    """How often a run was continued after its first part, and when last."""
    last = plain(numbers.moment(parts[-1].started_at))
    return f"resumed {last}" if len(parts) == 1 else f"resumed {len(parts)} times, last {last}"
