"""What the pages say of short runs: event streams held open, and connections opened under load."""

from functools import partial
from pathlib import Path

from asgi_bench.model import Run
from protocols.short_runs import NOT_RECORDED, events_section, handshakes_section
from tests.synthetic_run import failed, store_run, synthetic_run
from tests.synthetic_streams import streams_run


def shown(run: Run, root: Path) -> str:
    """What the page says of event streams, the run and a chart of it being there."""
    folder = store_run(run, root / "recorded")
    (folder / "charts").mkdir()
    (folder / "charts" / "stream-cpu-events-c1024.svg").touch()
    return events_section(root / "recorded", root / "docs")


def test_the_page_shows_what_streams_cost_and_leave(tmp_path: Path) -> None:
    """There is a table of what is held open and left, and charts have paths that lead up."""
    page = shown(streams_run(), tmp_path)
    assert "\n### Streams held open · " in page
    assert "](../recorded/" in page
    assert "/charts/stream-cpu-events-c1024.svg)" in page
    assert "| left streams |" in page


def test_what_is_wrong_with_the_run_is_said(tmp_path: Path) -> None:
    """A server that failed is named under the table, notes are not."""
    run = synthetic_run(edit=partial(failed, reason="it did not start"))
    page = shown(run, tmp_path)
    assert "- failed: " in page
    assert "it did not start" in page
    assert "\n- note: " not in page


def test_the_page_shows_how_long_connections_take_to_open(tmp_path: Path) -> None:
    """Of the same run, that page shows openings and no streams."""
    store_run(streams_run(), tmp_path / "recorded")
    page = handshakes_section(tmp_path / "recorded", tmp_path / "docs")
    assert "| opening p50 ms |" in page
    assert "Streams held open" not in page


def test_what_is_not_recorded_yet_is_said(tmp_path: Path) -> None:
    """Without a run the page is whole all the same."""
    assert events_section(tmp_path / "recorded", tmp_path / "docs") == NOT_RECORDED
