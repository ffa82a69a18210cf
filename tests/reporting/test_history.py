import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.analysis.history.environment import Change
from asgi_bench.reporting.history import VALUE_LETTERS, change_words

LONG = " ".join(f"--option-{place} value" for place in range(20))


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ("0.50.0", "0.51.0", "0.50.0", "0.51.0"),
        (None, "1", "none", "1"),
        (f"{LONG} --loop a", f"{LONG} --loop b", "19 value --loop a", "19 value --loop b"),
    ],
)
def test_both_values_are_told_where_they_differ(
    before: str | None, after: str, old: str, new: str
) -> None:
    """Of command lines the flag that is another one is shown, however many come before it."""
    words = change_words(Change("command", "uvicorn/default/w1", before, after))
    left, _, right = words.partition(" → ")
    assert left.endswith(old) and right.endswith(new)


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_two_values_have_room(before: str, after: str) -> None:
    """However long two values are, a line of both is not."""
    words = change_words(Change("command", "x", before, after))
    assert len(words) <= 2 * (VALUE_LETTERS + 1) + len("command x  → ")
