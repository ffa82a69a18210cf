"""The recorded run over all protocols: as a page in docs, and in short in README.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Document, Section
from asgi_bench.reporting.groups import group_cells
from asgi_bench.reporting.render.markdown import render_markdown
from asgi_bench.reporting.run.ranking import ranking_table, surety_notes
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.run.streams import streams_section
from asgi_bench.reporting.run.ways import ways_section
from asgi_bench.reporting.wording import way_words
from asgi_bench.store.folders import newest_run
from asgi_bench.store.runs import read_run
from recorded.images import images

HATCHED = (
    "If a cell is invalid, its figures say nothing about the server: most often the load "
    "generator was the limit. It has no ratio and comes last. `asgi-bench report` of the raw "
    "data gives the reasons, and those of suspect cells."
)
HELLO, WEBSOCKET, STREAM = "hello", "websocket-echo", "stream"


def protocols_page(folder: Path, docs: Path) -> str:
    """Return what docs/protocols.md shows of the newest run in a folder: tables and charts."""
    run_folder = newest_run(folder)
    report = summarize(read_run(run_folder))
    source = Source(report)
    where = Path("..") / run_folder.relative_to(docs.parent)
    parts = [
        f"{measured(report)} Raw data, settings and versions: "
        f"[{run_folder.name}]({where.as_posix()}).",
        "## What TLS, HTTP/2 and a Unix socket cost",
        *images(report, run_folder, where, "protocols-*"),
        as_markdown(ways_section(source)),
        "## WebSocket",
        *images(report, run_folder, where, f"throughput-{WEBSOCKET}-c*"),
        _ranking(report, WEBSOCKET),
        "## Streams",
        *images(report, run_folder, where, f"throughput-{STREAM}-c*"),
        *images(report, run_folder, where, f"first-byte-{STREAM}-c*"),
        as_markdown(streams_section(source)),
        "## How sure this is",
        *([HATCHED] if any(cell.validity == "invalid" for cell in report.cells) else []),
        " ".join(surety_notes(report)),
    ]
    return "\n\n".join(part.strip() for part in parts)


def protocols_summary(folder: Path, root: Path) -> str:
    """Return what README.md says of it: a chart, and a sentence for each way and protocol."""
    run_folder = newest_run(folder)
    report = summarize(read_run(run_folder))
    where = run_folder.relative_to(root)
    items = [*_costs(report), *_leader(report, WEBSOCKET, "messages"), *_leader(report, STREAM)]
    return "\n\n".join(
        [
            f"{measured(report)} All figures: [docs/protocols.md](docs/protocols.md).",
            *images(report, run_folder, where, f"protocols-{HELLO}-*"),
            "\n".join(f"- {item}" for item in items),
        ]
    )


def measured(report: Report) -> str:
    """Return on what a run was measured."""
    machine = report.run.machine
    return (
        f"Measured on {report.run.started_at[:10]} on {machine.cpu_model}, {machine.cpu_count} "
        f"CPUs, {machine.os}, {machine.python}: the `default` variant of each server, one worker."
    )


def as_markdown(section: Section) -> str:
    """A section of the report under this page's own title, its tables one level below."""
    text = render_markdown(Document("", (), (section,))).strip()
    return text.replace(f"## {section.title} · ", "## ").replace("## ", "### ")


def _ranking(report: Report, scenario: str) -> str:
    """The rankings of a scenario, one for each way to ask."""
    groups = [group for group in group_cells(report.cells) if _is_of(group.cells, scenario)]
    tables = tuple(ranking_table(group) for group in groups if any(map(_is_measured, group.cells)))
    return as_markdown(Section("ranking", "Ranking", tables))


def _is_of(cells: Sequence[CellReport], scenario: str) -> bool:
    return cells[0].scenario == scenario


def _is_measured(cell: CellReport) -> bool:
    return cell.outcome == "ok" and cell.validity != "invalid"


def _costs(report: Report) -> Iterator[str]:
    """A sentence for each way: what `hello` over it is of the same server's plain one."""
    cells = {cell.cell: cell for cell in report.cells}
    by_way: dict[str, list[tuple[float, CellReport]]] = {}
    for way in report.ways:
        cell, ratio = cells[way.cell], way.throughput_ratio.value
        if cell.scenario == HELLO and _is_measured(cell) and ratio is not None:
            by_way.setdefault(way_words(cell.http, cell.transport), []).append((ratio, cell))
    for words, found in by_way.items():
        least, most = min(found, key=_ratio), max(found, key=_ratio)
        told = f"**{words}**: `{HELLO}` at "
        if least is most:
            told += f"{numbers.times(least[0], 2)} times the throughput ({least[1].server})"
        else:
            told += (
                f"{numbers.times(least[0], 2)} ({least[1].server}) to {numbers.times(most[0], 2)} "
                f"({most[1].server}) times the throughput"
            )
        yield f"{told} of HTTP/1.1 over TCP."


def _ratio(found: tuple[float, CellReport]) -> float:
    return found[0]


def _leader(report: Report, scenario: str, what: str = "requests") -> Iterator[str]:
    """A sentence on who may be first in a scenario over plain TCP."""
    cells = [
        cell
        for cell in report.cells
        if (cell.scenario, cell.http, cell.transport) == (scenario, "1", "tcp")
        and _is_measured(cell)
    ]
    cells.sort(key=lambda cell: -(cell.throughput_rps.value or 0.0))
    if not cells:
        return
    rates = ", ".join(f"{cell.server} {numbers.rate(cell.throughput_rps.value)}" for cell in cells)
    yield f"**`{scenario}`**: {what} per second of {rates}."
