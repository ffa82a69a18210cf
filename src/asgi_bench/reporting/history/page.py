"""A history as a page in the folder of its runs, its charts inside."""

from pathlib import Path

from asgi_bench.analysis.history.series import History
from asgi_bench.errors import BenchError
from asgi_bench.reporting.charts import draw_history
from asgi_bench.reporting.history.document import PAGE, history_document
from asgi_bench.reporting.render.page import render_page
from asgi_bench.reporting.run.page import charts_of
from asgi_bench.store.index import Listing

HISTORY_FILE = "history.html"


def write_history_page(history: History, listing: Listing, folder: Path) -> Path:
    """Write `history.html` into the folder of the runs and return it.

    Raises BenchError where it can't be written.
    """
    file = folder / HISTORY_FILE
    text = render_page(history_document(history, listing, PAGE, charts_of(draw_history(history))))
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{file}: the page can't be written: {error.strerror}") from None
    return file
