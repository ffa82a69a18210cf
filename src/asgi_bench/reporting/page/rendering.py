"""A run's page as HTML: the template filled, its charts inside."""

from collections.abc import Iterable
from pathlib import Path

from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.errors import BenchError
from asgi_bench.model import Run
from asgi_bench.reporting.charts import Drawing, draw
from asgi_bench.reporting.charts.inline import inline_svg
from asgi_bench.reporting.page.contents import Figure, page_of
from asgi_bench.reporting.page.frame import filled
from asgi_bench.reporting.wording import plain
from asgi_bench.store.folders import PAGE_FILE
from asgi_bench.store.runs import read_phases

# Of all charts together. The rest of a page of 60 cells takes 0.3 MB, the whole may take 2.
CHARTS_BYTES = 1_400_000


def write_page(
    run: Run, found: Survey | None = None, drawings: Iterable[Drawing] | None = None
) -> Path:
    """Write `report.html` into the run's folder and return it.

    What is given isn't made again. Raises BenchError where the file can't be written.
    """
    file = Path(run.folder) / PAGE_FILE
    text = render_page(run, found or survey(run), drawings)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{file}: the page can't be written: {error.strerror}") from None
    return file


def render_page(run: Run, found: Survey, drawings: Iterable[Drawing] | None = None) -> str:
    """The page of a surveyed run; without `drawings` its charts are drawn."""
    folder = Path(run.folder)
    phases_s = read_phases(folder) if run.folder else {}
    drawings = draw(found) if drawings is None else tuple(drawings)
    shown, left_out = figures(drawings)
    undrawn = tuple(plain(drawing.account) for drawing in drawings if drawing.fault is not None)
    page = page_of(run, found, shown, left_out, undrawn, phases_s)
    return filled("page.html", page=page)


def figures(drawings: Iterable[Drawing]) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The charts as markup until there is no more room, and the titles of the rest.

    Those that can't be drawn are none of them.
    """
    shown: list[Figure] = []
    left_out: list[str] = []
    room = CHARTS_BYTES
    drawn = (drawing for drawing in drawings if drawing.fault is None)
    for number, drawing in enumerate(drawn, start=1):
        markup = inline_svg(drawing, f"chart-{number}")
        room -= len(markup)
        if room < 0:
            left_out.append(plain(drawing.words.title))
            continue
        words = drawing.words
        facts = ", ".join(words.facts)
        notes = "; ".join(words.notes)
        shown.append(
            Figure(
                topic=drawing.topic,
                name=f"chart-{number}",
                scenario=plain(drawing.scenario),
                title=plain(words.title),
                notes=plain(f"{facts}. {notes[:1].upper()}{notes[1:]}." if notes else f"{facts}."),
                markup=markup,
            )
        )
    return tuple(shown), tuple(left_out)
