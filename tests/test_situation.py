"""How a sentence of the docs is held to what the tool said."""

import pytest

from tests.situation import situation, stands_in


@pytest.mark.parametrize(
    ("says", "text", "holds"),
    [
        ("1 of … workers died", "uvicorn: 1 of 2 workers\n  died", True),
        ("1 of … workers died", "uvicorn: 1 of 2 workers live", False),
        ("a (b)", "a (b)", True),
        ("a.b", "a-b", False),
    ],
)
def test_a_sentence_stands_in_a_text_whatever_breaks_its_lines(
    says: str, text: str, holds: bool
) -> None:
    """`…` matches anything, all else stands for itself."""
    assert stands_in(says, text) is holds


def test_an_unknown_kind_is_refused() -> None:
    """A kind that the page has no heading for would vanish from it."""
    with pytest.raises(AssertionError, match="nonsense"):
        situation("nonsense", "Something happens", says="so")
