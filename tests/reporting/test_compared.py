import msgspec
import pytest
from markdown_it import MarkdownIt

from asgi_bench.analysis.history.comparison import RunComparison
from asgi_bench.analysis.history.environment import Change
from asgi_bench.model import CellVerdict, Reason
from asgi_bench.reporting.compared import compared_document
from asgi_bench.reporting.render.post import MOST_BYTES, render_post
from asgi_bench.reporting.render.terminal import render_terminal
from tests.synthetic_ab import cell, failed_cell

HOSTILE = "x</b><script>alert(1)</script> | `y` **b**"


def comparison(cells: list[CellVerdict], differences: int = 1, only: int = 0) -> RunComparison:
    """A comparison that came out with these cells."""
    return RunComparison(
        base="20260101T000000Z",
        candidate="20260102T000000Z",
        reference="uvicorn/default/w1",
        verdict="regression",
        text="regression: granian/default/w1/hello/c64: throughput is 5.0% worse",
        min_change=0.02,
        same_machine=True,
        differences=tuple(
            Change("package", f"p{number}", "1", "2") for number in range(differences)
        ),
        cells=tuple(cells),
        only=tuple((f"uvicorn/v{number}/w1/hello/c64", "base") for number in range(only)),
    )


def test_a_comparison_that_fits_is_whole() -> None:
    """All rows, differences and findings stand in it, and nothing is said to be cut."""
    cells = [cell("pass", f"uvicorn/v{number}/w1/hello/c64") for number in range(40)]
    text = render_post(compared_document(comparison(cells, 20, 20)))
    assert text.count("| uvicorn/v") == 80 and text.count("- package p") == 20
    assert text.count("only in the base run") == 20
    assert "more" not in text.replace("or more matters", "") and "Shortened" not in text


def test_the_worst_comes_first() -> None:
    """As in an A/B: what has to be looked at is not below what passed."""
    cells = [cell("pass", "a/default/w1/hello/c64"), cell("regression", "b/default/w1/hello/c64")]
    for text in (
        render_post(compared_document(comparison(cells))),
        render_terminal(compared_document(comparison(cells)), width=200),
    ):
        assert text.index("b/default/w1") < text.index("a/default/w1")


@pytest.mark.parametrize("count", [400, 4000])
def test_it_keeps_to_the_limit(count: int) -> None:
    """However many cells there are it can be posted, the worst rows in it, and the cut is said."""
    cells = [cell("pass", f"uvicorn/v{number}/w1/hello/c64") for number in range(count)]
    cells.append(cell("regression", "granian/default/w1/hello/c64", d=0.05))
    text = render_post(compared_document(comparison(cells, count, count)))
    assert len(text.encode()) <= MOST_BYTES
    assert text.startswith("> [!CAUTION]\n> **regression**: granian/default/w1")
    assert "| granian/default/w1/hello/c64 |" in text
    assert "more rows\n" in text and "Shortened" in text


def test_long_reasons_keep_to_the_limit() -> None:
    """Log lines of many failed cells, and one in the verdict line, are cut as well."""
    log = "é" * 50_000
    cells = [failed_cell(log, f"uvicorn/v{number}/w1/hello/c64") for number in range(200)]
    found = comparison(cells)._replace(text=f"regression: {log}")
    text = render_post(compared_document(found))
    assert len(text.encode()) <= MOST_BYTES
    assert "and " in text and "more" in text


def test_outside_text_stays_text() -> None:
    """Names and reasons can't become markup."""
    bad = msgspec.structs.replace(
        failed_cell(HOSTILE, HOSTILE),
        reasons=(Reason("side-failed", "invalid", None, None, HOSTILE),),
    )
    html = str(
        MarkdownIt("commonmark")
        .enable("table")
        .render(render_post(compared_document(comparison([bad]))))
    )
    assert "<script" not in html and "<strong>b" not in html
