"""A document as Markdown: for a README, a comment on a pull request, a step summary."""

import re
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from asgi_bench.reporting.document import (
    Block,
    Cell,
    Command,
    Document,
    Entry,
    Facts,
    Figure,
    Fold,
    Items,
    Mark,
    Notes,
    Span,
    Table,
    Text,
    Words,
    is_titled,
    sections_of,
)
from asgi_bench.reporting.wording import plain

# Everything that Markdown or the HTML in it would read as more than a letter. A dot, a dash and
# a plus mean something only at the start of a line, where no text from outside stands.
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def render_markdown(document: Document) -> str:
    """The document as Markdown."""
    return "\n\n".join(_parts(document)) + "\n"


def escape(text: str) -> str:
    """Text escaped so that it stays text."""
    return SPECIAL.sub(r"\\\1", plain(text))


def markdown_table(table: Table) -> str:
    """A table without its caption."""
    places = [place for place, head in enumerate(table.columns) if not head.is_picture]
    heads = [table.columns[place] for place in places]
    lines = [
        _row(escape(f"{head.title} {head.unit}".strip()) for head in heads),
        _row("---" if head.align == "left" else "---:" for head in heads),
    ]
    lines += [_row(_cell(row.cells[place]) for place in places) for row in table.rows]
    return "\n".join(lines)


def _parts(document: Document) -> Iterator[str]:
    if document.title:
        yield f"# {escape(document.title)}"
    if document.facts:
        yield "\\\n".join(map(_words, document.facts))
    for section in sections_of(document, "markdown"):
        if is_titled(section) and section.title:
            yield f"## {escape(section.title)}"
        yield from (part for block in section.blocks if (part := _block(block)))


def _block(block: Block) -> str:
    match block:
        case Text():
            return (
                f"> [!{block.alert.upper()}]\n> {_words(block.words)}"
                if block.alert
                else _words(block.words)
            )
        case Notes():
            return escape(" ".join(block.texts))
        case Table():
            return _table(block)
        case Items():
            return _items(block)
        case Command() | Facts():
            return "\n".join(_lines(block))
        case Entry():
            title = f"**{escape(block.title)}** {escape(block.aside)}".strip()
            lines = "\n".join(line for inner in block.blocks for line in _lines(inner))
            return f"{title}\n\n{lines}" if lines else title
        case Figure():
            return escape(block.says)
        case Fold():
            return _folded(escape(block.title), "\n\n".join(map(_block, block.blocks)))
        case _:  # pages alone have it
            return ""


def _table(table: Table) -> str:
    """A table under its caption; the rows that aren't seen at once are folded."""
    title = f"## {escape(table.caption)}\n\n" if table.caption else ""
    seen = table.rows[: table.at_once]
    rest = table.rows[len(seen) :]
    text = f"{title}{markdown_table(replace(table, rows=seen))}"
    return text + _more(len(rest), " rows", markdown_table(replace(table, rows=rest)))


def _items(items: Items) -> str:
    """A list under its title; the entries that aren't seen at once are folded."""
    title = f"**{escape(items.title)}**\n\n" if items.title else ""
    lines = list(_lines(items))
    seen = lines[: items.at_once]
    rest = lines[len(seen) :]
    return title + "\n".join(seen) + _more(len(rest), "", "\n".join(rest))


def _folded(title: str, body: str) -> str:
    """Details behind a line. Blank lines around them make Markdown of what is within."""
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


def _more(count: int, what: str, rest: str) -> str:
    """What finds no room at once, folded; empty where there is nothing."""
    return f"\n\n{_folded(f'… and {count:,} more{what}', rest)}" if count else ""


def _lines(block: Block) -> Iterator[str]:
    """A block as entries of a list."""
    match block:
        case Items():
            for item in block.items:
                mark = f"**{escape(item.mark.word)}** " if item.mark else ""
                lines = (_words(words) for words in (item.words, *item.details))
                yield f"- {mark}" + "\\\n  ".join(lines)
        case Command():
            yield f"- {escape(f'{block.label}: {block.text}' if block.label else block.text)}"
        case Facts():
            yield from (f"- {escape(name)}: {_words(words)}" for name, words in block.facts)
        case Notes():
            yield from (f"- {escape(text)}" for text in block.texts)
        case _:
            yield f"- {_block(block)}"


def _words(words: Words) -> str:
    if isinstance(words, str):
        return escape(words)
    return "".join(map(_part, words))


def _part(part: str | Span | Mark) -> str:
    """Some words; the spaces at their ends stay."""
    match part:
        case Span():
            text = escape(part.text)
            return f"**{text}**" if part.style == "strong" else text
        case Mark():
            return escape(part.word)
        case _:
            head = " " * (len(part) - len(part.lstrip(" ")))
            tail = " " * (len(part) - len(part.rstrip(" "))) if part.strip() else ""
            return f"{head}{escape(part)}{tail}"


def _cell(cell: Cell) -> str:
    return _words((cell,)) if isinstance(cell, str | Mark) else ""


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"
