"""The tables of streams."""

from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Notes, Table
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.run.report import render_report
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.run.streams import streams_section
from tests.synthetic_run import synthetic_run
from tests.synthetic_streams import STREAM_BYTES, streams_run


def test_held_streams_have_what_they_take_and_leave() -> None:
    """Memory while open, and a leak in its own row: text, its page and Markdown are made of it."""
    section = streams_section(Source(summarize(streams_run())))
    _, held = [block for block in section.blocks if isinstance(block, Table)]
    places = [(head.title, head.unit) for head in held.columns]
    memory, streams = places.index(("conn.", "KiB")), places.index(("left", "streams"))
    rows = {(row.cells[0], row.cells[1]): row.cells for row in held.rows}
    assert rows["uvicorn", "default"][memory] == f"{STREAM_BYTES // 1024}.0"
    assert rows["uvicorn", "default"][streams] == "0"
    assert rows["hypercorn", "default"][streams] == "1,999"
    (notes,) = [block for block in section.blocks if isinstance(block, Notes)]
    assert "5 s after" in notes.texts[-1]


def test_a_run_without_streams_says_nothing_of_them() -> None:
    """Neither a table nor a note."""
    section = streams_section(Source(summarize(synthetic_run())))
    assert section.blocks == (Notes(()),)


def test_the_text_keeps_its_width() -> None:
    """Tables of streams and of opened connections fit."""
    text = render_report(summarize(streams_run()), "text")
    assert "Streams held open · " in text
    assert "Opening connections · " in text
    assert all(len(line) <= WIDTH for line in text.splitlines())
