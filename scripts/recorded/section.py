"""The newest recorded run: in short for README.md, whole for docs/results.md, and as a picture."""

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Run
from asgi_bench.reporting import numbers
from asgi_bench.reporting.document import Document, Section
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.render.markdown import render_markdown
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal
from asgi_bench.reporting.run.ranking import ranking_section, ranking_table
from asgi_bench.reporting.run.source import Source
from asgi_bench.store.folders import newest_run
from asgi_bench.store.runs import read_run
from recorded.images import images

CHARTS = ("forest", "throughput", "ratios", "latency")
# What README shows: ratios with their intervals, throughput, and latency where all servers are
# offered the same load.
FIRST_CHARTS = ("forest-hello-c64", "throughput-hello-c64", "latency-hello-r500")
LOADS = ("c64", "c256", "r500")
# Rich's template loads fonts from elsewhere; the reader's own monospaced font will do.
FONT_FACE = re.compile(r"\s*@font-face \{\{.*?\}\}", re.DOTALL)
MISSING = "\u2013"


def results_page(folder: Path, docs: Path) -> str:
    """Return what docs/results.md shows of the newest run in a folder: all charts and tables."""
    run_folder = newest_run(folder)
    run = read_run(run_folder)
    where = Path("..") / run_folder.relative_to(docs.parent)
    report = summarize(run)
    ranking = ranking_section(Source(report))
    charts = images(report, run_folder, where, *(f"{name}-*" for name in CHARTS))
    tables = render_markdown(Document("", (), (ranking,))).strip()
    return "\n\n".join([measured_words(run, where), *charts, tables])


def results_summary(folder: Path, root: Path) -> str:
    """Return what README.md shows of it: some charts, and a row for each server."""
    run_folder = newest_run(folder)
    run = read_run(run_folder)
    where = run_folder.relative_to(root)
    report = summarize(run)
    charts = images(report, run_folder, where, *FIRST_CHARTS)
    lines = [
        "| Server | Throughput ratio, 64 connections | 256 connections | p50 at 500/s | "
        "p99 at 500/s | CPU per request | Memory (PSS) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *_rows(report),
    ]
    return "\n\n".join(
        [
            *charts,
            "\n".join(lines),
            "Ratios are to uvicorn in the same rounds, with their 95% intervals; CPU and memory "
            "are those at 64 connections. `default` variants, one worker, *Hello, world!*. "
            f"{measured_words(run, where)} Every table and chart: "
            "[docs/results.md](docs/results.md).",
        ]
    )


def measured_words(run: Run, where: Path) -> str:
    """Return when and where a run was measured, and where its data are."""
    facts = run.header.machine
    return (
        f"Measured on {run.header.started_at[:10]} on {facts.cpu_model}, {facts.cpu_count} CPUs, "
        f"{facts.os}, {facts.python}. Raw data, settings and versions: "
        f"[{where.name}]({where.as_posix()})."
    )


def _rows(report: Report) -> Iterator[str]:
    """A row for each server, the fastest at the first load on top."""
    cells = {
        (cell.server, cell.load.key): cell
        for cell in report.cells
        if cell.variant == "default" and cell.workers == 1 and cell.outcome == "ok"
    }
    servers = dict.fromkeys(server for server, _ in cells)
    first = {server: cells.get((server, LOADS[0])) for server in servers}
    for server in sorted(servers, key=lambda name: -_throughput(first[name])):
        at_64, at_256, at_rate = (cells.get((server, load)) for load in LOADS)
        times = None if at_rate is None else at_rate.response_time_s
        figures = [
            _ratio(at_64),
            _ratio(at_256),
            f"{numbers.milliseconds(None if times is None else times.p50)} ms",
            f"{numbers.milliseconds(None if times is None else times.p99)} ms",
            _cpu(at_64),
            f"{numbers.mebibytes(None if at_64 is None else at_64.server_pss_bytes)} MiB",
        ]
        yield f"| {_named(server, (at_64, at_256, at_rate))} | {' | '.join(figures)} |"


def _named(server: str, cells: Sequence[CellReport | None]) -> str:
    """A server with its version, and what is to be said of its cells."""
    version = next((cell.server_version for cell in cells if cell is not None), None)
    odd = {cell.validity for cell in cells if cell is not None} - {"valid", None}
    words = f" ({', '.join(sorted(map(str, odd)))})" if odd else ""
    return f"{server} {version or ''}".strip() + words


def _throughput(cell: CellReport | None) -> float:
    return 0.0 if cell is None else cell.throughput_rps.value or 0.0


def _ratio(cell: CellReport | None) -> str:
    """A throughput ratio with its interval; the reference's own is 1."""
    ratio = None if cell is None else cell.throughput_ratio
    if cell is None or ratio is None:
        return MISSING
    if ratio.reference == cell.cell:
        return "1"
    return numbers.with_interval(numbers.times(ratio.value), ratio)


def _cpu(cell: CellReport | None) -> str:
    value = None if cell is None else cell.server_cpu_s_per_request.value
    return f"{numbers.microseconds(value)} \u00b5s"


def terminal_picture(folder: Path) -> str:
    """Return the first ranked table of the newest run as an SVG, as a terminal shows it."""
    report = summarize(read_run(newest_run(folder)))
    group = next(group for group in report_groups(report) if group.load.key == LOADS[0])
    document = Document("", (), (Section("ranking", "", (ranking_table(group),)),))
    lines = render_terminal(document, width=WIDTH, color=True).strip("\n")
    width = max(len(Text.from_ansi(line)) for line in lines.splitlines())
    console = Console(file=StringIO(), record=True, width=width, legacy_windows=False)
    console.print(Text.from_ansi(lines), soft_wrap=True)
    return console.export_svg(
        title="asgi-bench run", theme=MONOKAI, code_format=_template(), unique_id="ranking"
    )


def _template() -> str:
    """Rich's template without the fonts that it would load."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    template = FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
    assert "url(" not in template.replace("url(#", "")
    return template.replace("Fira Code", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono")
