"""What the pages say of a run over all protocols."""

from pathlib import Path

import pytest

from protocols.section import protocols_page, protocols_summary
from tests.synthetic_run import store_run
from tests.synthetic_ways import ways_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with such a run, and one chart of it."""
    folder = store_run(ways_run(), tmp_path / "recorded")
    (folder / "charts").mkdir()
    (folder / "charts" / "protocols-hello-c64.svg").touch()
    return tmp_path


def test_the_extremes_of_each_way_are_told(root: Path) -> None:
    """README says how much each way costs whom the most and the least, under its chart."""
    told = protocols_summary(root / "recorded", root)
    assert "](recorded/" in told
    assert told.count("protocols-hello-c64.svg)") == 1
    lines = [line for line in told.splitlines() if line.startswith("- **HTTP/1.1 over TLS**")]
    assert len(lines) == 1
    assert "`hello` at 0.79 (daphne) to 0.81 (uvicorn) times" in lines[0]
    assert "- **HTTP/2**: " in told


def test_the_page_shows_tables_below_its_own_headings(root: Path) -> None:
    """Each table has a heading one level below the page's, and the chart's path leads up."""
    shown = protocols_page(root / "recorded", root / "docs")
    assert "](../recorded/" in shown
    assert "\n### hello · closed loop, 64 connections\n" in shown
    assert "| HTTP/1.1 over TLS |" in shown
    assert [line for line in shown.splitlines() if line.startswith("## ")] == [
        "## What TLS, HTTP/2 and a Unix socket cost",
        "## WebSocket",
        "## Streams",
        "## How sure this is",
    ]
