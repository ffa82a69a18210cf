import re
from html import unescape
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from asgi_bench.analysis.ab.report import ab_report as judged
from asgi_bench.analysis.summary import survey
from asgi_bench.model import AbReport, Difference, Setup, Verdict
from asgi_bench.reporting.ab import ROWS, ab_document, render_ab
from asgi_bench.reporting.document import Notes
from asgi_bench.reporting.pages import render_page
from asgi_bench.reporting.render.post import MOST_BYTES, render_post
from tests.reporting.document_words import blocks_of, tables_of, texts_of
from tests.synthetic_ab import CELL, ab_report, cell, failed_cell, short_cell
from tests.synthetic_sides import ab_run

BEGAN = "2026-11-24T07:00:00Z"
VERDICTS = get_args(Verdict)
HOSTILE = "x</summary><script>alert(1)</script> | `y` [a](https://evil.example) @everybody #1 **b**"


def markdown(report: AbReport) -> str:
    """The A/B as it is posted."""
    return render_ab(report, "markdown")


def rendered(text: str) -> str:
    """What a reader sees, as HTML."""
    return str(MarkdownIt("commonmark").enable("table").render(text))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_comes_first(verdict: Verdict) -> None:
    """The first lines are an alert with the verdict, then what to do next and the table."""
    lines = markdown(ab_report(verdict)).splitlines()
    assert lines[0].startswith("> [!")
    assert lines[1].startswith(f"> **{verdict}**: ")
    text = "\n".join(lines)
    order = [text.index(part) for part in ("**What to do next:**", "| cell |", "<details>")]
    assert order == sorted(order)


@pytest.mark.parametrize("verdict", ["undecided", "invalid", "failed"])
def test_what_is_no_pass_does_not_look_like_one(verdict: Verdict) -> None:
    """Neither the alert nor the words of an open verdict are those of a pass."""
    text = markdown(ab_report(verdict))
    assert text.partition("\n")[0] not in ("> [!NOTE]", "> [!TIP]")
    assert "Nothing needs to be done" not in text


def test_it_is_one_screen() -> None:
    """With hundreds of cells what isn't folded stays short, the worst first, and says what is."""
    cells = [cell("pass", f"uvicorn/v{index}/w1/hello/c64") for index in range(60)]
    cells.append(cell("regression", "granian/default/w1/hello/c64", d=0.05))
    report = msgspec.structs.replace(
        ab_report("regression", cells),
        differences=tuple(Difference("package", f"p{n}", "1", None) for n in range(300)),
    )
    text = markdown(report)
    seen = re.sub(
        "<details>.*?</details>", lambda found: found[0].splitlines()[1], text, flags=re.S
    )
    assert len(seen.splitlines()) < 50
    assert seen.count("\n| ") == ROWS + 2
    assert seen.index("granian/default") < seen.index("uvicorn/v0")
    assert "<summary>… and 110 more rows</summary>" in seen
    assert "<summary>… and 292 more</summary>" in seen


def test_the_details_hold_everything() -> None:
    """What the head leaves out stands in the details."""
    cells = [cell("pass", f"uvicorn/v{index}/w1/hello/c64") for index in range(20)]
    details = markdown(ab_report("pass", cells)).partition("Details</summary>")[2]
    for index in range(20):
        assert f"| uvicorn/v{index}/w1/hello/c64 | throughput | 16,400/s |" in details
    assert "16 blocks of fresh processes in 96 s" in details


@pytest.mark.parametrize("count", [1, 100, 400, 3000])
def test_it_keeps_to_the_limit(count: int) -> None:
    """However many cells there are it can be posted; what is cut is said."""
    cells = [cell("pass", f"uvicorn/default/w{index}/hello/c64") for index in range(count)]
    text = markdown(ab_report("pass", cells))
    assert len(text.encode()) <= MOST_BYTES
    assert text.startswith("> [!NOTE]\n> **pass**: ")
    assert "What to do next" in text
    assert text.count("<details>") == text.count("</details>") >= 1
    assert ("Shortened" in text) == ("more rows\n" in text) == (count >= 400)


def test_a_tiny_limit_leaves_the_verdict() -> None:
    """Where not even the head has room the verdict and the note stand."""
    text = render_post(ab_document(ab_report("pass")), most_bytes=500)
    assert text.startswith("> [!NOTE]\n> **pass**: ")
    assert "Shortened" in text and "| cell |" not in text
    assert len(text.encode()) <= 500


def test_outside_text_stays_text() -> None:
    """Names, flags, refs and log lines can't become markup, links, calls or new lines."""
    side = Setup("candidate", "python", description=HOSTILE, commit="c" * 40)
    report = msgspec.structs.replace(
        ab_report("failed", [failed_cell(f"candidate: {HOSTILE}\n\n# head", HOSTILE)]),
        text=f"failed: {HOSTILE}\n> quoted",
        run=HOSTILE,
        candidate=side,
        differences=(Difference("env", HOSTILE, None, HOSTILE),),
    )
    text = markdown(report)
    html = rendered(text)
    assert "<script" not in html
    assert "<a " not in html
    assert "<strong>b" not in html
    assert "<h1" not in html
    assert "@everybody" not in html
    assert "https://" not in html
    assert text.count("</summary>") == text.count("</details>") == 1


@given(st.text(max_size=80))
def test_any_text_keeps_the_table_whole(name: str) -> None:
    """Whatever a cell is called, its row has as many columns as the head."""
    report = ab_report("pass", [cell("pass", name)])
    html = rendered(markdown(report))
    assert html.count("<tr>") == 6
    assert html.count("<th") - html.count("<thead") == html.count("<td") // 2


def test_the_same_environment_is_said() -> None:
    """Without a known difference the summary says so, and an A/A that this is right."""
    for is_aa, words in ((False, "it is the code, or nothing"), (True, "as it should be")):
        report = msgspec.structs.replace(ab_report(is_aa=is_aa), differences=())
        assert words in markdown(report)


def test_a_commit_is_named_with_its_ref() -> None:
    """A ref may move: the commit stands beside it."""
    assert "**Candidate** main (aaaaaaaaaaaa)" in markdown(ab_report())
    assert CELL in markdown(ab_report())


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_comes_first_in_a_terminal(verdict: Verdict) -> None:
    """What to do next follows it; lines fit the terminal."""
    lines = render_ab(ab_report(verdict), "text").splitlines()
    assert lines[0].startswith(f"{verdict}: {CELL}")
    assert lines[1].startswith("What to do next: ")
    assert max(map(len, lines)) <= 100


def test_all_figures_are_there() -> None:
    """The effect with its interval, what it rests on, and what differs."""
    text = render_ab(ab_report("pass", [cell("pass", d=-0.004)]), "text")
    for part in ("-0.40%", "[-1.20%, +0.40%]", "0.41%", "1.5%", "uvicorn 0.50.0 → 0.51.0"):
        assert part in text


def test_a_failure_is_told() -> None:
    """A cell of which nothing was measured has a row, and its reason a line."""
    text = render_ab(
        ab_report("failed", [failed_cell("candidate: \x1b[31mno such\nthing")]), "text"
    )
    assert f" {CELL}: candidate: no such thing" in text
    assert "\x1b" not in text


def test_colours_are_for_terminals() -> None:
    """Only who asks for colours gets them."""
    assert "\x1b[31m" in render_ab(ab_report("regression"), "text", color=True)
    assert "\x1b" not in render_ab(ab_report("regression"), "text")


def test_totals_and_a_pooled_p99_are_shown_and_explained() -> None:
    """They are rows that aren't gated, within the width, with a line on what they are."""
    text = render_ab(ab_report("pass", [short_cell()]), "text")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    for name, word in (("throughput, all", "no stalls seen"), ("p99", "not gated")):
        (row,) = (line for line in lines if f" {name} " in line and word in line)
        assert CELL in row
    assert "All: all slices of all blocks together." in text
    assert "p99: of all blocks together, without an interval" in text
    assert "All: " not in render_ab(ab_report("pass"), "text")


def test_the_page_has_what_the_text_has() -> None:
    """Every row and every note of an A/B stands on its run's page too, under its verdict."""
    run = ab_run(0.05, blocks=4)
    found = msgspec.structs.replace(
        run, header=msgspec.structs.replace(run.header, started_at=BEGAN)
    )
    document = ab_document(judged(found))
    page = " ".join(unescape(re.sub("<[^>]*>", " ", render_page(survey(found)))).split())
    for table in tables_of(document):
        for row in table.rows:
            assert " ".join(texts_of(row)) in page
    (notes,) = (block for block in blocks_of(document) if isinstance(block, Notes))
    assert all(text in page for text in notes.texts)
