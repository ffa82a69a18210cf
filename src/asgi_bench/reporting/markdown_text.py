"""Text as Markdown: what came from outside stays text, and tables are lines."""

import re
from collections.abc import Iterable, Sequence

from asgi_bench.reporting.columns import Column
from asgi_bench.reporting.wording import plain

# Everything that Markdown or the HTML in it would read as more than a letter. A dot, a dash and
# a plus mean something only at the start of a line, where no text from outside stands.
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


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
