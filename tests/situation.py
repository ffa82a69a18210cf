"""Situations that users meet: what happens, and what asgi-bench must say.

A test that carries the mark holds the tool to its sentence, and `scripts/situations` writes the
page of the docs from the same marks:

    @situation(
        "reader",
        "The app answers a GET with 103 `set-cookie` headers",
        says="valid",
    )
    def test_many_headers_are_read(said: Said, tmp_path: Path) -> None:
        said(in_process("check", ...).stdout)
"""

import re
from collections.abc import Callable
from typing import TypeAlias

import pytest

# The kinds of fault, in the order of the page, each with what holds for all of its kind.
KINDS: dict[str, str] = {
    "reader": "Every answer is read the same way, whoever asks",
    "credit": "Only what the server under test did counts",
    "asked": "What you asked for is what ran",
    "processes": "Every process of the server counts, at every moment",
    "answers": "A wrong answer is shown",
    "reasons": "The reason given is the reason",
    "gate": "A gate that sees a slowdown says so",
    "alone": "One bad thing costs itself alone",
    "traces": "Nothing stays behind, and nothing of yours leaks in",
    "memory": "Memory and logs are part of the result",
}

# In `says` it stands for text that differs from run to run.
ANYTHING = "…"


def situation(kind: str, what: str, *, says: str) -> pytest.MarkDecorator:
    """Mark a test: in a situation of this kind, `what` in one sentence, the tool says `says`.

    `…` in `says` matches any text. The test asks for the fixture `said`, and passes it the text
    in which the sentence has to stand.
    """
    assert kind in KINDS, f"{kind}: not one of {', '.join(KINDS)}"
    return pytest.mark.situation(kind=kind, what=what, says=says)


# Fails unless the sentence of the test's mark stands in the text.
Said: TypeAlias = Callable[[str], None]


def stands_in(says: str, text: str) -> bool:
    """Whether a sentence of a mark stands in a text, whatever breaks its lines."""
    parts = [re.escape(" ".join(part.split())) for part in says.split(ANYTHING)]
    return re.search(".*?".join(parts), " ".join(text.split())) is not None
