"""Short recorded runs of what opens and ends: event streams held open, and TLS handshakes."""

from collections.abc import Callable, Iterator
from pathlib import Path

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Section
from asgi_bench.reporting.render.markdown import escape
from asgi_bench.reporting.run.findings import Finding, findings
from asgi_bench.reporting.run.openings import openings_section
from asgi_bench.reporting.run.ranking import surety_notes
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.run.streams import streams_section
from asgi_bench.store.folders import newest_run
from asgi_bench.store.runs import read_run
from protocols.section import HATCHED, as_markdown, measured
from recorded.images import images

NOT_RECORDED = "Not recorded yet."


def events_section(folder: Path, docs: Path) -> str:
    """What the newest run in a folder shows of event streams: their costs, and what is left."""
    return _shown(folder, docs, streams_section, "stream-cpu-*", "connection-memory-*")


def handshakes_section(folder: Path, docs: Path) -> str:
    """What the newest run in a folder shows of connections that are opened under load."""
    return _shown(folder, docs, openings_section, "handshake-*")


def _shown(folder: Path, docs: Path, section_of: Callable[[Source], Section], *charts: str) -> str:
    if not any(folder.glob("*/run.json")):
        return NOT_RECORDED
    run_folder = newest_run(folder)
    report = summarize(read_run(run_folder))
    where = Path("..") / run_folder.relative_to(docs.parent)
    parts = [
        f"{measured(report)} Raw data, settings and versions: "
        f"[{run_folder.name}]({where.as_posix()}).",
        *images(report, run_folder, where, *charts),
        as_markdown(section_of(Source(report))),
        *_findings(report),
        *([HATCHED] if any(cell.validity == "invalid" for cell in report.cells) else []),
        " ".join(surety_notes(report)),
    ]
    return "\n\n".join(part.strip() for part in parts if part)


def _findings(report: Report) -> Iterator[str]:
    """Yield a list of what to know beside the figures; notes are in the report alone."""
    found = [one for one in findings(report) if one.level != "note"]
    if found:
        yield "\n".join(f"- {_told(one)}" for one in found)


def _told(finding: Finding) -> str:
    words = (finding.level, finding.subject, escape(finding.text))
    return ": ".join(word for word in words if word)
