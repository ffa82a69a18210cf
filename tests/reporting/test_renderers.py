import pytest

from asgi_bench.reporting.document import (
    Aside,
    Block,
    Command,
    Document,
    Entry,
    Facts,
    Figure,
    Fold,
    Item,
    Items,
    Link,
    Links,
    Mark,
    Notes,
    Section,
    Span,
    Text,
)
from asgi_bench.reporting.render.markdown import render_markdown
from asgi_bench.reporting.render.page import render_page
from asgi_bench.reporting.render.post import MOST_BYTES, render_post
from asgi_bench.reporting.render.terminal import render_terminal


def rendered(*blocks: Block) -> tuple[str, str, str]:
    """A section of these blocks for a terminal, as Markdown, and as a page's main part."""
    document = Document("id", (), (Section("part", "Part", blocks),))
    page = render_page(document).partition("<main>")[2].partition("</main>")[0]
    return render_terminal(document), render_markdown(document), page


def test_what_has_no_room_is_left_out() -> None:
    """An aside is there from its medium on, a chart on a page alone; and no empty section stays."""
    blocks = (
        Aside((Text("for a page"),)),
        Aside((Text("for Markdown"),), least="markdown"),
        Figure("Chart", "notes", "<svg></svg>"),
    )
    terminal, markdown, page = rendered(*blocks)
    assert terminal == "id\n"
    assert "## Part\n\nfor Markdown\n" in markdown
    assert "for a page" not in markdown + terminal
    assert "for a page" in page and "for Markdown" in page and "<svg></svg>" in page


def test_a_fold_is_a_heading_in_a_terminal() -> None:
    """On a page and in Markdown it opens; in a terminal what is within stands below its line."""
    terminal, markdown, page = rendered(Fold("More", (Items((Item("one"), Item("two"))),)))
    assert terminal.endswith("Part\nMore\n one\n two\n")
    assert "<details>\n<summary>More</summary>\n\n- one\n- two\n\n</details>" in markdown
    assert "<summary>More</summary>" in page


def test_entries_of_a_list_have_marks_and_lines_below() -> None:
    """A mark comes first, details follow on lines of their own."""
    item = Item(("a ", Span("b", "strong")), Mark("suspect", "warn"), details=("below",))
    terminal, markdown, page = rendered(Items((item,)))
    assert terminal.endswith(" suspect a b\n          below\n")
    assert "- **suspect** a **b**\\\n  below" in markdown
    assert '<span class="badge badge-warn">suspect</span>' in page
    assert "a <b>b</b><br>below" in page


def test_commands_keep_their_letters() -> None:
    """What must be typed can be copied from a page, and stands after its label elsewhere."""
    terminal, markdown, page = rendered(Entry("uv", (Command("run -x <y>", "w1"),), "1.0"))
    assert terminal.endswith("uv 1.0\n w1: run -x <y>\n")
    assert "**uv** 1.0\n\n- w1: run -x \\<y\\>" in markdown
    assert "<code>run -x &lt;y&gt;</code>" in page


def test_facts_are_names_with_what_they_are() -> None:
    """Wherever they stand, each name is followed by its words."""
    facts = Facts((("seed", "7"), ("request", (Span("GET /", "code"), " of it"))))
    for block in (facts, Entry("Run", (facts,))):
        terminal, markdown, page = rendered(block)
        assert "seed    7\n" in terminal and "request GET / of it\n" in terminal
        assert "- seed: 7\n- request: GET / of it" in markdown
        assert "seed" in page and "<code>GET /</code> of it" in page


def test_a_post_shortens_facts_too() -> None:
    """What is posted has no word longer than a post may hold, in facts as elsewhere."""
    document = Document("id", (), (Section("part", "Part", (Facts((("log", "é" * 10**6),)),)),))
    text = render_post(document)
    assert len(text.encode()) <= MOST_BYTES
    assert "- log: é" in text


def test_links_are_for_pages() -> None:
    """An address within the run's folder leads nowhere in a terminal or a comment."""
    terminal, markdown, page = rendered(Links((Link("./run.json", "run.json", "1 kB", "plan"),)))
    assert "run.json" not in terminal + markdown
    assert 'href="./run.json"' in page


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "red\u202e", "<b>red</b>"])
def test_text_stays_text(text: str) -> None:
    """Neither an escape sequence nor an override nor markup gets through, whatever the block."""
    blocks = (Text(text), Notes((text,)), Items((Item(text),)))
    for shown in rendered(*blocks):
        assert not {"\x1b", "\u202e"} & set(shown)
        assert shown.count("red") == len(blocks)
    assert "<b>red" not in rendered(*blocks)[2]


def test_what_holds_nothing_is_not_opened() -> None:
    """A fold whose blocks a medium leaves out is left out with them; an entry keeps its title."""
    inner = (Aside((Text("for a page"),)),)
    terminal, markdown, page = rendered(Fold("More", inner), Entry("uvicorn", inner))
    for text in (terminal, markdown):
        assert "More" not in text and "uvicorn" in text
    assert "More" in page and page.count("for a page") == 2


def test_an_entry_holds_any_block() -> None:
    """A sentence or a table within an entry is a point of its list in Markdown."""
    terminal, markdown, page = rendered(Entry("uvicorn", (Text("It stayed."),)))
    assert "uvicorn\nIt stayed." in terminal.replace("\n ", "\n")
    assert "**uvicorn**\n\n- It stayed." in markdown
    assert "It stayed." in page


@pytest.mark.parametrize("sections", [1, 45, 300, 400])
def test_a_post_keeps_its_first_block_however_much_follows(sections: int) -> None:
    """The more there is the less of each list is kept, and at last nothing but the verdict."""
    items = Items(tuple(Item(f"entry {number} {'x' * 150}") for number in range(10)))
    first = Section("verdict", "", (Text("It is a regression."),))
    rest = tuple(Section(f"part{number}", f"Part {number}", (items,)) for number in range(sections))
    text = render_post(Document("", (), (first, *rest)))
    assert len(text.encode()) <= MOST_BYTES
    assert "It is a regression." in text
    assert ("Shortened" in text) == (sections > 1)
    assert ("entry 0 " in text) == (sections <= 300)
