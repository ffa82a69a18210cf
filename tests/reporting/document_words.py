"""What a document says, out of its model."""

from collections.abc import Iterable, Iterator

from asgi_bench.analysis.report import Report
from asgi_bench.reporting.document import (
    Block,
    Command,
    Document,
    Entry,
    Facts,
    Fold,
    Items,
    Mark,
    Notes,
    Row,
    Span,
    Table,
    Text,
    Words,
    sections_of,
)
from asgi_bench.reporting.run.document import run_document
from asgi_bench.reporting.run.source import Source


def document_of(report: Report) -> Document:
    """The document of a report alone."""
    return run_document(Source(report))


def texts_of(row: Row) -> tuple[str, ...]:
    """The texts of a row, pictures aside."""
    return tuple(words_of((cell,)) for cell in row.cells if isinstance(cell, str | Mark))


def words_of(words: Words) -> str:
    """Words as one text."""
    if isinstance(words, str):
        return words
    return "".join(
        part.text if isinstance(part, Span) else part.word if isinstance(part, Mark) else part
        for part in words
    )


def parts_of(words: Words) -> Iterator[str]:
    """The parts of words that stand out, and those between them."""
    for part in (words,) if isinstance(words, str) else words:
        yield words_of((part,)).strip(" :")


def tables_of(document: Document) -> tuple[Table, ...]:
    """The tables that every medium shows."""
    return tuple(block for block in blocks_of(document) if isinstance(block, Table))


def blocks_of(document: Document) -> Iterator[Block]:
    """The blocks that every medium shows, those within others too."""
    for section in sections_of(document, "terminal"):
        yield from _opened(section.blocks)


def sentences_of(document: Document) -> Iterator[str]:
    """All that every medium says beside its tables."""
    for block in blocks_of(document):
        match block:
            case Text():
                yield from parts_of(block.words)
            case Notes():
                yield from block.texts
            case Items():
                for item in block.items:
                    for words in (item.words, *item.details):
                        yield from parts_of(words)
            case Command():
                yield block.text
            case Facts():
                for _, words in block.facts:
                    yield from parts_of(words)
            case Entry():
                yield f"{block.title} {block.aside}".strip()
            case Table():
                yield block.caption


def _opened(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Entry | Fold):
            yield from _opened(block.blocks)
