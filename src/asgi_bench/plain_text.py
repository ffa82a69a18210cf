"""Text from outside, made safe for a terminal: control sequences and direction marks are removed.

Logs of servers, names and files may contain escape sequences, and marks that make the following
text read from right to left.
"""

import re

# Colours and cursor moves (ECMA-48, 5.4), as servers write them into their logs; and strings for
# the terminal (8.3.89: titles, links), which xterm lets a bell end as well.
_ANSI_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)",
)


def plain(text: str) -> str:
    """Text from outside as one line without control characters."""
    return " ".join(harmless(text).split())


def harmless(text: str) -> str:
    """Text from outside with each control character replaced by a space, and its spaces kept."""
    if text.isprintable():
        return text
    letters = _ANSI_SEQUENCE.sub("", text)
    return "".join(letter if letter.isprintable() else " " for letter in letters)


def harmless_lines(text: str) -> str:
    """The same for a text of several lines; tabs become spaces."""
    return "\n".join(map(harmless, text.expandtabs().split("\n")))


def shortened(text: str, letters: int) -> str:
    """The text cut to at most this many characters, with the cut marked."""
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"
