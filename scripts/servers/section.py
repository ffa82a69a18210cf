"""The recorded run of all servers, and the one over interpreters, as docs/servers.md shows them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from asgi_bench.analysis.report import CellReport, Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Document
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.render.markdown import escape, markdown_table, render_markdown
from asgi_bench.reporting.run.findings import findings
from asgi_bench.reporting.run.interpreters import interpreters_section
from asgi_bench.reporting.run.ranking import ranking_table, surety_notes
from asgi_bench.reporting.run.source import Source
from asgi_bench.store.folders import newest_run
from asgi_bench.store.runs import read_run
from recorded.images import images

CHARTS = ("throughput-*", "latency-*", "memory-*")
# The one note that matters to whoever would measure the same.
NEVER_IDLE = "idles = false"
NOT_RECORDED = (
    "Not recorded yet: `scripts/record --name interpreters/DATE-MACHINE --chart 'interpreters*' -- "
    "--python 3.11,3.12,3.13 -s uvicorn -s hypercorn -s granian -s gunicorn-asgi -s pounce "
    "--variant default -w 1` records it."
)


def servers_page(folder: Path, docs: Path) -> str:
    """What the newest run of all servers shows: charts, a table, who is not in it and why."""
    run_folder = newest_run(folder)
    report = summarize(read_run(run_folder))
    where = _where(run_folder, docs)
    (group, *_) = report_groups(report)
    parts = [
        f"{_measured(report)} Raw data, settings and versions: [{run_folder.name}]({where}).",
        *images(report, run_folder, where, *CHARTS),
        markdown_table(ranking_table(group)),
        f"Versions: {', '.join(_versions(report.cells))}.",
        *_findings(report),
        " ".join(surety_notes(report)),
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def interpreters_page(folder: Path, docs: Path) -> str:
    """What the newest run over interpreters shows; how to record one where there is none."""
    if not any(folder.glob("*/run.json")):
        return NOT_RECORDED
    run_folder = newest_run(folder)
    report = summarize(read_run(run_folder))
    where = _where(run_folder, docs)
    text = render_markdown(Document("", (), (interpreters_section(Source(report)),)))
    parts = [
        f"{_measured(report)} Raw data: [{run_folder.name}]({where}).",
        *images(report, run_folder, where, "interpreters-*"),
        text.replace("## Interpreters · ", "### "),
        *_not_run(report),
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def _not_run(report: Report) -> Iterator[str]:
    """What could not be measured under some interpreter, and what it needs."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in report.cells:
        if cell.outcome == "skipped":
            name, _, python = cell.cell.split("/")[1].partition("@")
            server = cell.server if name == "default" else f"{cell.server}/{name}"
            reason = (cell.reason or "").removeprefix("can't be installed: ")
            found.setdefault((server, reason), []).append(python)
    if found:
        yield "\n".join(
            f"- {server} under {', '.join(pythons)}: not run: {escape(reason)}"
            for (server, reason), pythons in found.items()
        )


def _where(run_folder: Path, docs: Path) -> str:
    return (Path("..") / run_folder.relative_to(docs.parent)).as_posix()


def _measured(report: Report) -> str:
    machine = report.run.machine
    return (
        f"Measured on {report.run.started_at[:10]} on {machine.cpu_model}, {machine.cpu_count} "
        f"CPUs, {machine.os}, {machine.python}."
    )


def _versions(cells: Sequence[CellReport]) -> list[str]:
    known = {cell.server: cell.server_version for cell in cells if cell.outcome == "ok"}
    return [f"{name} {escape(known[name] or 'unknown')}" for name in sorted(known)]


def _findings(report: Report) -> Iterator[str]:
    """What to know beside the figures; notes are in the report alone."""
    found = [one for one in findings(report) if one.level != "note" or NEVER_IDLE in one.text]
    if found:
        yield "\n".join(f"- {one.level}: {one.subject}: {escape(one.text)}" for one in found)
