import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.plain_text import harmless, harmless_lines, plain, shortened

# A title for the terminal, a cleared screen, a link, right-to-left, an invisible space, a bell.
HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x1b]8;;http://x\x1b\\a\u202egnp.exe\u200b\x07\r\x9b31m"


def test_what_drives_a_terminal_is_taken_out() -> None:
    """Sequences go, each other control character becomes a space, and what is printable stays."""
    assert plain(f"a  {HOSTILE}\tb") == "a a gnp.exe 31m b"
    assert harmless("a  b") == "a  b"
    assert harmless_lines("a\tb\n\x1b[31mred\x1b[0m\n") == "a       b\nred\n"


@given(st.text())
def test_whatever_comes_can_be_printed(text: str) -> None:
    """One line stays one, several stay as many, and nothing else than letters is in them."""
    assert plain(text).isprintable()
    assert harmless(text).isprintable()
    lines = harmless_lines(text).split("\n")
    assert all(line.isprintable() for line in lines)
    assert len(lines) == text.count("\n") + 1


@pytest.mark.parametrize(("text", "told"), [("abc", "abc"), ("abcdef", "ab…")])
def test_what_is_too_long_is_cut(text: str, told: str) -> None:
    """The cut is marked."""
    assert shortened(text, 3) == told
