from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from asgi_bench.model import Difference, Setup, Verdict
from asgi_bench.reporting.ab.markdown import ROWS, render_ab_markdown
from asgi_bench.reporting.markdown_text import MOST_BYTES
from tests.synthetic_ab import CELL, ab_report, cell, failed_cell

VERDICTS = get_args(Verdict)
HOSTILE = "x</summary><script>alert(1)</script> | `y` [a](https://evil.example) @everybody #1 **b**"


def rendered(text: str) -> str:
    """What a reader sees, as HTML."""
    return str(MarkdownIt("commonmark").enable("table").render(text))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_comes_first(verdict: Verdict) -> None:
    """The first lines are an alert with the verdict; what to do next follows the table."""
    lines = render_ab_markdown(ab_report(verdict)).splitlines()
    assert lines[0].startswith("> [!")
    assert lines[1].startswith(f"> **{verdict}**: ")
    text = "\n".join(lines)
    order = [text.index(part) for part in ("| cell |", "**What to do next:**", "<details>")]
    assert order == sorted(order)


@pytest.mark.parametrize("verdict", ["undecided", "invalid", "failed"])
def test_what_is_no_pass_does_not_look_like_one(verdict: Verdict) -> None:
    """Neither the alert nor the words of an open verdict are those of a pass."""
    text = render_ab_markdown(ab_report(verdict))
    assert text.partition("\n")[0] not in ("> [!NOTE]", "> [!TIP]")
    assert "Nothing has to be done" not in text


def test_it_is_one_screen() -> None:
    """With hundreds of cells what isn't folded stays short, the worst first, and says what is."""
    cells = [cell("pass", f"uvicorn/v{index}/w1/hello/c64") for index in range(60)]
    cells.append(cell("regression", "granian/default/w1/hello/c64", d=0.05))
    report = msgspec.structs.replace(
        ab_report("regression", cells),
        differences=tuple(Difference("package", f"p{n}", "1", None) for n in range(300)),
    )
    head = render_ab_markdown(report).partition("<details>")[0]
    assert len(head.splitlines()) < 40
    assert head.count("\n| ") == ROWS + 2
    assert head.index("granian/default") < head.index("uvicorn/v0")
    assert "… and 110 more rows, folded below." in head
    assert "and 292 more, folded below" in head


def test_the_details_hold_everything() -> None:
    """What the head leaves out stands in the details."""
    cells = [cell("pass", f"uvicorn/v{index}/w1/hello/c64") for index in range(20)]
    details = render_ab_markdown(ab_report("pass", cells)).partition("<details>")[2]
    for index in range(20):
        assert f"| uvicorn/v{index}/w1/hello/c64 | throughput | 16,400/s |" in details
    assert "16 blocks of fresh processes in 96 s" in details


@pytest.mark.parametrize("count", [1, 100, 400, 3000])
def test_it_keeps_to_the_limit(count: int) -> None:
    """However many cells there are it can be posted; what is cut is said, the details first."""
    cells = [cell("pass", f"uvicorn/default/w{index}/hello/c64") for index in range(count)]
    text = render_ab_markdown(ab_report("pass", cells))
    assert len(text.encode()) <= MOST_BYTES
    assert text.startswith("> [!NOTE]\n> **pass**: ")
    assert "What to do next" in text
    is_cut = "</details>" not in text
    assert is_cut == (count >= 400)
    assert is_cut == ("The details are cut here" in text)
    assert ("folded below" in text) == (2 * count > ROWS and not is_cut)


def test_a_tiny_limit_leaves_the_verdict() -> None:
    """Where not even the head has room the verdict and the note stand."""
    text = render_ab_markdown(ab_report("pass"), most_bytes=500)
    assert text.startswith("> [!NOTE]\n> **pass**: ")
    assert "The table and the details are cut here" in text
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
    text = render_ab_markdown(report)
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
    html = rendered(render_ab_markdown(report))
    assert html.count("<tr>") == 6
    assert html.count("<th") - html.count("<thead") == html.count("<td") // 2


def test_the_same_environment_is_said() -> None:
    """Without a known difference the summary says so, and an A/A that this is right."""
    for is_aa, words in ((False, "it is the code, or nothing"), (True, "as it should be")):
        report = msgspec.structs.replace(ab_report(is_aa=is_aa), differences=())
        assert words in render_ab_markdown(report)


def test_a_commit_is_named_with_its_ref() -> None:
    """A ref may move: the commit stands beside it."""
    assert "**candidate** main (aaaaaaaaaaaa)" in render_ab_markdown(ab_report())
    assert CELL in render_ab_markdown(ab_report())
