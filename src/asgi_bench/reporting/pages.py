"""Pages with charts: the report of a run in its folder, a history in the folder of its runs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from asgi_bench.analysis.ab.counts import counts_verdict
from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.analysis.counts import counts_report
from asgi_bench.analysis.summary import Survey
from asgi_bench.errors import BenchError
from asgi_bench.model import RunHeader
from asgi_bench.model.counts import Life
from asgi_bench.reporting.ab import ab_section, advice
from asgi_bench.reporting.charts import Drawing, draw, draw_history
from asgi_bench.reporting.charts.inline import inline_svg
from asgi_bench.reporting.counts import counts_document
from asgi_bench.reporting.document import Document, Figure, Headline
from asgi_bench.reporting.explained import explained_section
from asgi_bench.reporting.history import PAGE, Histories, history_document
from asgi_bench.reporting.render import page
from asgi_bench.reporting.run.document import run_document
from asgi_bench.reporting.run.source import Charts, Source
from asgi_bench.reporting.wording import machine_words, plain
from asgi_bench.store.files import write_whole
from asgi_bench.store.folders import PAGE_FILE
from asgi_bench.store.index import Listing
from asgi_bench.store.runs import read_phases

HISTORY_FILE = "history.html"
# Of all charts together. The rest of a page of 60 cells takes 0.3 MB, the whole may take 2.
CHARTS_BYTES = 1_400_000


def write_page(found: Survey, drawings: Iterable[Drawing] | None = None) -> Path:
    """Write `report.html` into the run's folder and return its path.

    Without `drawings` its charts are drawn. Raises BenchError if the file can't be written.
    """
    return _written(Path(found.run.folder) / PAGE_FILE, render_page(found, drawings))


def write_counts_page(header: RunHeader, lives: Sequence[Life], folder: Path) -> Path:
    """Write `report.html` into the folder of a run that counted, and return its path.

    Raises BenchError if it can't be written.
    """
    return _written(folder / PAGE_FILE, page.render_page(counts_page(header, lives)))


def counts_page(header: RunHeader, lives: Sequence[Life]) -> Document:
    """What a run counted; for an A/B first the verdict, and where its sides differ."""
    counted = counts_document(counts_report(header, lives))
    headline = Headline("Counted per request, not timed", plain(header.run_id))
    sections = counted.sections
    if header.plan.gate is not None:
        found = counts_verdict(header, lives)
        headline = Headline(found.verdict.capitalize(), plain(found.text), advice(found))
        sections = (ab_section(found), explained_section(found.explanations), *sections)
    return msgspec.structs.replace(
        counted,
        title=plain(header.run_id),
        facts=(machine_words(header.machine),),
        sections=sections,
        headline=headline,
    )


def write_history_page(histories: Histories, listing: Listing, folder: Path) -> Path:
    """Write `history.html` into the folder of the runs and return its path.

    Raises BenchError if it can't be written.
    """
    charts = charts_of(drawing for one in histories for drawing in draw_history(one))
    document = history_document(histories, listing, PAGE, charts)
    return _written(folder / HISTORY_FILE, page.render_page(document))


def render_page(found: Survey, drawings: Iterable[Drawing] | None = None) -> str:
    """The page of a surveyed run; without `drawings` its charts are drawn."""
    folder = Path(found.run.folder)
    source = Source(
        report=found.report,
        run=found.run,
        ab=None if found.run.header.plan.gate is None else ab_report(found.run),
        samples=found.samples,
        phases_s=read_phases(folder) if found.run.folder else {},
        charts=charts_of(draw(found) if drawings is None else drawings),
    )
    return page.render_page(run_document(source))


def _written(file: Path, text: str) -> Path:
    """The file with this text."""
    try:
        write_whole(file, text.encode())
    except OSError as error:
        raise BenchError(f"{file}: the page can't be written: {error.strerror}") from None
    return file


def charts_of(drawings: Iterable[Drawing]) -> Charts:
    """The charts as markup until there is no more room."""
    shown: list[tuple[str, Figure]] = []
    left_out: list[str] = []
    undrawn: list[str] = []
    room = CHARTS_BYTES
    for number, drawing in enumerate(drawings, start=1):
        words = drawing.words
        if drawing.fault is not None:
            undrawn.append(drawing.account)
            continue
        svg = inline_svg(drawing, f"chart-{number}")
        room -= len(svg)
        if room < 0:
            left_out.append(words.title)
            continue
        facts, notes = ", ".join(words.facts), "; ".join(words.notes)
        told = f"{facts}. {notes[:1].upper()}{notes[1:]}." if notes else f"{facts}."
        facets = {"scenario": plain(drawing.scenario)} if drawing.scenario else {}
        figure = Figure(words.title, told, svg, words.says, drawing.name, facets)
        shown.append((drawing.topic, figure))
    return Charts(tuple(shown), tuple(left_out), tuple(undrawn))
