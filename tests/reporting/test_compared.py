from typing import Any

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


def said(found: RunComparison) -> str:
    """The comparison as text."""
    return " ".join(render_terminal(compared_document(found), width=1000).split())


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "how much the cell's ratio to uvicorn/default/w1, which both runs have, got worse"),
        ({"reference": None}, "Slowdowns are of absolute figures, which depend on the machine"),
        (
            {"is_counted": True, "min_change": 0.003},
            "0.3% more instructions or half a system call matters",
        ),
    ],
)
def test_what_is_compared_is_said(fields: dict[str, Any], told: str) -> None:
    """Ratios, absolute figures and counts mean different things, and only one is said."""
    basic = comparison([cell("pass")])
    assert told in said(basic._replace(**fields))
    assert not fields or told not in said(basic)


@pytest.mark.parametrize(("is_counted", "is_doubt"), [(False, True), (True, False)])
def test_another_machine_is_a_finding(is_counted: bool, is_doubt: bool) -> None:
    """Times of two machines are doubted; counts travel."""
    found = comparison([cell("pass")])._replace(same_machine=False, is_counted=is_counted)
    assert ("the machines differ: even ratios" in said(found)) == is_doubt


def test_pauses_and_cells_of_one_run_are_findings() -> None:
    """What was resumed, and what only one of the runs has, is told."""
    found = comparison([cell("pass")], only=1)._replace(resumed=(("candidate", 1),))
    text = said(found)
    assert "the candidate run has rounds in 2 parts, with pauses between them" in text
    assert "uvicorn/v0/w1/hello/c64: only in the base run" in text


def test_no_difference_is_said() -> None:
    """Where nothing that is recorded differs, that is worth a line."""
    assert "nothing that is recorded" in said(comparison([cell("pass")], differences=0))
