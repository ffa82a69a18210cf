"""A document as Markdown to be posted: it mentions and links nobody, and is limited in size."""

from collections.abc import Iterator

from msgspec.structs import replace

from asgi_bench.reporting.document import (
    Aside,
    Block,
    Cell,
    Document,
    Entry,
    Facts,
    Fold,
    Item,
    Items,
    Section,
    Table,
    Text,
    Words,
)
from asgi_bench.reporting.render.markdown import render_markdown
from asgi_bench.reporting.wording import plain, shortened

# GitHub takes 65,536 characters in a comment and 1 MiB in a step summary: what keeps to the
# smaller, in bytes and with room for what a bot puts around it, can be put anywhere.
MOST_BYTES = 64_000
# So many entries of each table and list are shown of what is too large: the most that fit.
MOST_ENTRIES = (100, 30, 8, 1)
# A log line may be within a sentence, and a name from outside in a cell.
SENTENCE_LETTERS = 600
CELL_LETTERS = 200
CUT = Section("cut", "", (Text("Shortened; the text format has everything."),))


def render_post(document: Document, *, most_bytes: int = MOST_BYTES) -> str:
    """The document as Markdown for a comment or a step summary.

    Its headline is its first block and is always kept; a sentence says what else was cut.
    """
    text = _posted(document)
    for most in MOST_ENTRIES:
        if len(text.encode()) <= most_bytes:
            return text
        sections = tuple(
            replace(section, blocks=tuple(_cut(section.blocks, most)))
            for section in document.sections
        )
        text = _posted(replace(document, sections=(*sections, CUT)))
    if len(text.encode()) <= most_bytes:
        return text
    first = document.sections[0]
    return _posted(replace(document, sections=(replace(first, blocks=first.blocks[:1]), CUT)))


def _posted(document: Document) -> str:
    """The document with its texts cut to a length, as text that stays text wherever it's posted.

    A backslash keeps GitHub neither from calling `@somebody` nor from linking an address; a space
    of no width does. `plain` has removed any that came along.
    """
    sections = tuple(
        replace(section, blocks=tuple(map(_shortened, section.blocks)))
        for section in document.sections
    )
    text = render_markdown(replace(document, sections=sections))
    return text.replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")


def _cut(blocks: tuple[Block, ...], most: int) -> Iterator[Block]:
    """The blocks, of each table and list so many entries."""
    for block in blocks:
        match block:
            case Table():
                yield replace(block, rows=block.rows[:most])
                if len(block.rows) > most:
                    yield Text(f"… and {len(block.rows) - most:,} more rows")
            case Items():
                more = len(block.items) - most
                last = (Item(f"… and {more:,} more"),) if more > 0 else ()
                yield replace(block, items=(*block.items[:most], *last))
            case Fold() | Entry() | Aside():
                yield replace(block, blocks=tuple(_cut(block.blocks, most)))
            case _:
                yield block


def _shortened(block: Block) -> Block:
    """The block with texts of a length that many of fit."""
    match block:
        case Text():
            return replace(block, words=_words(block.words))
        case Table():
            rows = (replace(row, cells=tuple(map(_cell, row.cells))) for row in block.rows)
            return replace(block, rows=tuple(rows))
        case Items():
            items = (replace(item, words=_words(item.words)) for item in block.items)
            return replace(block, items=tuple(items))
        case Facts():
            return replace(block, facts=tuple((name, _words(words)) for name, words in block.facts))
        case Fold() | Entry() | Aside():
            return replace(block, blocks=tuple(map(_shortened, block.blocks)))
        case _:
            return block


def _words(words: Words) -> Words:
    if isinstance(words, str):
        return shortened(plain(words), SENTENCE_LETTERS)
    return tuple(
        shortened(part, SENTENCE_LETTERS) if isinstance(part, str) else part for part in words
    )


def _cell(cell: Cell) -> Cell:
    return shortened(plain(cell), CELL_LETTERS) if isinstance(cell, str) else cell
