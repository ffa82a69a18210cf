"""A cell as a row of text: the one set of columns that every table shows."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from asgi_bench.analysis.document import CellReport, Report
from asgi_bench.model import Client, Load
from asgi_bench.reporting import numbers
from asgi_bench.reporting.groups import Group, Section
from asgi_bench.reporting.wording import latency_words, load_words, plain, verdict_word


class Column(NamedTuple):
    """A column's title, its unit and how it is aligned."""

    title: str
    unit: str = ""
    align: Literal["left", "right"] = "right"


class Row(NamedTuple):
    """A cell's texts, one for each column, and the cell itself."""

    cell: CellReport
    texts: tuple[str, ...]


COLUMNS = (
    Column("#"),
    Column("server", align="left"),
    Column("variant", align="left"),
    Column("w"),
    Column("requests", "per s"),
    Column("ratio to", "reference"),
    Column("p50", "ms"),
    Column("p99", "ms"),
    Column("CPU", "µs/request"),
    Column("PSS", "MiB"),
    Column("err", "%"),
    Column("validity", align="left"),
)


# Locust's own users can't be loaded in short slices.
CLIENT_WORDS: Mapping[Client, str] = {
    "fast": "",
    "fasthttp": "sent by Locust's FastHttpUser, not interleaved",
    "http": "sent by Locust's HttpUser, not interleaved",
    "locustfile": "sent by a locustfile, not interleaved",
}


def section_rows(section: Section) -> Iterator[Row]:
    """The rows of a section in order: only what is valid or suspect has a place."""
    for place, cell in enumerate(section.ranked, start=1):
        yield _row(cell, str(place))
    for cell in (*section.invalid, *section.absent):
        yield _row(cell, numbers.MISSING)


def caption(group: Group) -> str:
    """What a group's table shows: scenario, load, what its times are, rounds."""
    clients = {cell.client for cell in group.cells}
    parts = [
        plain(group.scenario),
        load_words(group.load),
        rounds_words(group),
        *(CLIENT_WORDS[client] for client in sorted(clients)),
    ]
    return " · ".join(part for part in parts if part)


def column_notes(load: Load, reference: str | None) -> tuple[str, ...]:
    """What the columns mean, for under the table."""
    notes = [
        "w: worker processes. ±: 95% interval over rounds with fresh processes.",
        f"p50, p99: {latency_words(load)}. CPU: of the server's process tree, over all requests.",
    ]
    if reference is not None:
        notes.append(f"Ratio: throughput over that of {plain(reference)} in the same rounds.")
    return tuple(notes)


def rounds_words(group: Group) -> str:
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


def _row(cell: CellReport, place: str) -> Row:
    """One cell's texts in the order of `COLUMNS`."""
    cpu = cell.server_cpu_s_per_request
    texts = (
        place,
        plain(cell.server),
        plain(cell.variant),
        str(cell.workers),
        numbers.with_interval(numbers.rate(cell.throughput_rps.value), cell.throughput_rps),
        _ratio(cell),
        numbers.milliseconds(cell.response_time_s.p50),
        numbers.milliseconds(cell.response_time_s.p99),
        numbers.with_interval(numbers.microseconds(cpu.value), cpu),
        numbers.mebibytes(cell.server_pss_bytes),
        _errors(cell),
        verdict_word(cell),
    )
    return Row(cell, texts)


def _ratio(cell: CellReport) -> str:
    """The throughput ratio; the reference's own is 1, and no estimate."""
    ratio = cell.throughput_ratio
    if ratio is not None and ratio.reference == cell.cell:
        return "1"
    return numbers.with_interval(numbers.times(ratio.value if ratio else None), ratio)


def _errors(cell: CellReport) -> str:
    """Wrong answers in percent of all answers under load; nothing where nothing was loaded."""
    if cell.outcome != "ok":
        return numbers.MISSING
    answers = cell.requests + cell.errors.total
    return numbers.percent(cell.errors.total / answers if answers else 0.0)
