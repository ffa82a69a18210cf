"""Text as Markdown: what came from outside stays text, tables are lines, and it can be posted."""

import re
from collections.abc import Iterable, Sequence

from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.wording import plain

# Everything that Markdown or the HTML in it would read as more than a letter. A dot, a dash and
# a plus mean something only at the start of a line, where no text from outside stands.
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")

# GitHub takes 65,536 characters in a comment and 1 MiB in a step summary: what keeps to the
# smaller, in bytes and with room for what a bot puts around it, can be put anywhere.
MOST_BYTES = 64_000


def escape(text: str) -> str:
    """Text that stays text."""
    return SPECIAL.sub(r"\\\1", plain(text))


def table_head(columns: Sequence[Column]) -> list[str]:
    """The first two lines of a table."""
    titles = (f"{column.title} {column.unit}".strip() for column in columns)
    rules = ("---" if column.align == "left" else "---:" for column in columns)
    return [table_line(map(escape, titles)), table_line(rules)]


def table_line(texts: Iterable[str]) -> str:
    """One line of a table, of texts that are Markdown already."""
    return f"| {' | '.join(texts)} |"


def joined(parts: Iterable[str]) -> str:
    """The parts that hold anything, an empty line between them."""
    return "\n\n".join(part for part in parts if part) + "\n"


def size_bytes(parts: Iterable[str]) -> int:
    """How large that is."""
    return len(joined(parts).encode())
