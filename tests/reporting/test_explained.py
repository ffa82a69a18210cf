"""Where the counts of two sides differ, as it is shown."""

import pytest

from asgi_bench.model.counts import Change, Explanation
from asgi_bench.reporting.document import Document
from asgi_bench.reporting.explained import explained_section
from asgi_bench.reporting.render.post import render_post
from asgi_bench.reporting.render.terminal import render_terminal

FOUND = (
    Explanation(
        "uvicorn/default/w1/hello/c1",
        "instructions",
        "object",
        113_500,
        114_400,
        (Change("python3.11", 80_000, 80_950), Change("?", 500, 450)),
    ),
    Explanation(
        "uvicorn/default/w1/hello/c1",
        "python_calls",
        "python_function",
        70,
        71,
        (Change("shop.work\x1b[1m|", 0, 1),),
    ),
    Explanation("uvicorn/default/w1/hello/c1", "syscalls", "name", 4, 4, ()),
)


def test_old_and_new_and_change_are_shown() -> None:
    """Each entry has both figures and their difference, in a terminal as in Markdown."""
    document = Document("", (), (explained_section(FOUND),))
    for text in (render_terminal(document), render_post(document)):
        words = " ".join(text.replace("|", " ").split())
        assert "python3.11 80,000 80,950 +950" in words
        assert "everything without a name 500 450 -50" in words
        assert "0 1 +1" in words.replace("0.00", "0").replace("1.00", "1")
        assert "System calls by system call, 4 → 4 in all: nothing changed." in words.replace(
            "4.00", "4"
        )
        assert "\x1b" not in text


def test_nothing_explained_shows_nothing() -> None:
    """An A/B that wasn't to be explained has no such section."""
    assert explained_section(()).blocks == ()


@pytest.mark.parametrize(
    ("number", "has_objects", "has_calls"), [(0, True, False), (1, False, True), (2, False, False)]
)
def test_notes_are_of_what_was_counted(number: int, has_objects: bool, has_calls: bool) -> None:
    """Where no instruction or no call is placed, nothing is said of it."""
    text = " ".join(
        render_post(Document("", (), (explained_section(FOUND[number : number + 1]),))).split()
    )
    assert ("in the object or function itself" in text) == has_objects
    assert ("a coroutine counts once" in text) == has_calls
