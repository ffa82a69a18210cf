"""A document as lines of text for a terminal."""

from collections.abc import Iterable, Iterator, Mapping
from io import StringIO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text as Line

from asgi_bench.reporting.document import (
    Block,
    Cell,
    Command,
    Document,
    Entry,
    Facts,
    Fold,
    Item,
    Items,
    Mark,
    Notes,
    Span,
    Table,
    Text,
    Tone,
    Words,
    is_titled,
    sections_of,
)
from asgi_bench.reporting.wording import plain

# What the widest shipped rows take; wider terminals leave it at that.
WIDTH = 100
STYLES: Mapping[Tone, str] = {
    "": "",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "info": "cyan",
    "faint": "dim",
}
_SPANS = {"strong": "bold", "code": "", "faint": "dim"}


def render_terminal(document: Document, *, width: int = WIDTH, color: bool = False) -> str:
    """The document as lines of text, at most `width` columns wide if names allow."""
    console = Console(
        file=StringIO(),
        width=width,
        color_system="standard" if color else None,
        no_color=False,  # who calls has asked the environment
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for part in _parts(document):
            console.print(part)
    # A document without a title begins with the empty line that stands before each block.
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).lstrip("\n") + "\n"


def _parts(document: Document) -> Iterator[RenderableType]:
    """Title, lines below it, and sections, an empty line before each."""
    if document.title:
        yield Line(plain(document.title), style="bold")
    yield from map(_line, document.facts)
    for section in sections_of(document, "terminal"):
        if is_titled(section) and section.title:
            yield Line()
            yield Line(plain(section.title), style="bold")
            yield from _blocks(section.blocks, has_title=True)
        else:
            yield from _blocks(section.blocks, has_title=False)


def _blocks(blocks: Iterable[Block], *, has_title: bool) -> Iterator[RenderableType]:
    """Blocks, an empty line between them; below a title the first stands close."""
    before: Block | None = None
    for block in blocks:
        is_first = before is None and has_title
        if not (is_first or (_is_compact(block) and _is_compact(before))):
            yield Line()
        yield from _block(block)
        before = block


def _is_compact(block: Block | None) -> bool:
    """Whether a block stands close to others like it."""
    return isinstance(block, Text) or (isinstance(block, Entry) and block.is_brief)


def _block(block: Block) -> Iterator[RenderableType]:
    match block:
        case Text():
            yield _line(block.words, STYLES[block.tone])
        case Notes():
            yield from (Line(plain(text), style="dim") for text in block.texts)
        case Table():
            if block.caption:
                yield Line(plain(block.caption), style="bold")
            yield _table(block)
        case Items():
            if block.title:
                yield Line(plain(block.title), style="bold")
            yield _list(block)
        case Command():
            label = f"{block.label}: " if block.label else ""
            yield _indented(Line(plain(f"{label}{block.text}"), style="dim"))
        case Facts():
            yield _facts(block)
        case Entry():
            yield Line(plain(f"{block.title} {block.aside}"))
            for inner in block.blocks:
                yield from _block(inner)
        case Fold():
            yield Line(plain(block.title), style="bold")
            yield from _blocks(block.blocks, has_title=True)
        case _:  # pages alone have it
            return


def _line(words: Words, style: str = "") -> Line:
    """Words as a line, with what stands out in it."""
    line = Line(style=style)
    for part in (words,) if isinstance(words, str) else words:
        match part:
            case Span():
                line.append(plain(part.text), style=_SPANS[part.style])
            case Mark():
                line.append(plain(part.word), style=STYLES[part.tone])
            case _:
                line.append(part if part.isprintable() else plain(part))
    return line


def _indented(what: RenderableType) -> Padding:
    return Padding(what, (0, 0, 0, 1))


def _list(items: Items) -> RenderableType:
    """A list; where entries have marks these stand in a column of their own."""
    if not any(item.mark for item in items.items):
        return Group(*(_indented(_item(item)) for item in items.items))
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for item in items.items:
        grid.add_row(_line((item.mark,) if item.mark else ""), _item(item))
    return _indented(grid)


def _item(item: Item) -> RenderableType:
    """What stands in a list, the lines below it a little to the right."""
    if not item.details:
        return _line(item.words)
    return Group(_line(item.words), *(_indented(_line(words)) for words in item.details))


def _facts(facts: Facts) -> Grid:
    """Names and what they are, beside each other."""
    grid = Grid.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for name, words in facts.facts:
        grid.add_row(Line(plain(name)), _line(words))
    return grid


def _table(table: Table) -> Grid:
    """A table, a rule above each group of its rows."""
    grid = Grid(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    places = [place for place, head in enumerate(table.columns) if not head.is_picture]
    for head in (table.columns[place] for place in places):
        # Only names may be folded in a narrow terminal: half a number is a wrong number.
        is_name = head.align == "left"
        grid.add_column(
            Line(f"{head.title}\n{head.unit}" if head.unit else head.title),
            justify=head.align,
            no_wrap=not is_name,
            overflow="fold" if is_name else "ellipsis",
            vertical="bottom",
        )
    for row in table.rows:
        if row.starts_group:
            grid.add_section()
        cells = (_cell(row.cells[place]) for place in places)
        grid.add_row(*cells, style="dim" if row.is_faint else "")
    return grid


def _cell(cell: Cell) -> Line:
    return _line((cell,) if isinstance(cell, str | Mark) else "")
