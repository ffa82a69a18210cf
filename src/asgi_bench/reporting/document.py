"""What a document says, whatever its format: builders make it, the renderers lay it out.

A builder makes a `Document` of sections, and a section of blocks. It formats nothing for a medium
and escapes no text: the renderers in `reporting.render` do both. What a medium has no use or no
room for is declared here, at the block, and left out by its renderer.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

# By rising room: a terminal, Markdown (a README, a comment), a page of its own.
Medium: TypeAlias = Literal["terminal", "markdown", "page"]
MEDIA: tuple[Medium, ...] = ("terminal", "markdown", "page")
# What a word means for the reader: a colour in a terminal, a badge on a page.
Tone: TypeAlias = Literal["", "good", "warn", "bad", "info", "faint"]
Align: TypeAlias = Literal["left", "right"]
# The alerts of GitHub's Markdown; elsewhere they are quotes.
Alert: TypeAlias = Literal["", "note", "tip", "important", "warning", "caution"]


class Span(msgspec.Struct, frozen=True):
    """Some words of a line that stand out."""

    text: str
    style: Literal["strong", "code", "faint"]


class Mark(msgspec.Struct, frozen=True):
    """A word that judges: `valid`, `suspect`, `regression`."""

    word: str
    tone: Tone


class Bar(msgspec.Struct, frozen=True):
    """A ratio drawn as a bar, its 95 % interval as a whisker; on a page only."""

    ratio: float
    lower: float | None = None
    upper: float | None = None

    @property
    def end(self) -> float:
        """How far to the right the picture reaches: at least to 1, the reference."""
        return max(self.ratio, self.upper or 0.0, 1.0)


# A line of text, which may stand out in places.
Words: TypeAlias = str | tuple[str | Span | Mark, ...]
Cell: TypeAlias = str | Mark | Bar | None


class Head(msgspec.Struct, frozen=True):
    """The head of a column of a table."""

    title: str
    unit: str = ""
    align: Align = "right"
    """Columns of words are on the left: they may be folded where there is no room, sort by letter
    on a page, and the first of them names the row."""
    is_picture: bool = False
    """Holds a `Bar` in each cell: for a page alone."""


class Row(msgspec.Struct, frozen=True):
    """A row of a table."""

    cells: tuple[Cell, ...]
    """One for each column, formatted."""
    starts_group: bool = False
    """A rule stands above it."""
    is_faint: bool = False
    """It steps back: its figures can't be ranked."""
    is_leader: bool = False
    """It stands out: it may hold the first place."""
    facets: Mapping[str, str] = {}
    """What a page filters it by: `server`, `workers`, `scenario`."""


class Table(msgspec.Struct, frozen=True, tag=True):
    """A table. A page sorts it by any column."""

    columns: tuple[Head, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    """Above it, as a heading where there is no other; empty where the section's title is enough."""
    is_main: bool = False
    """Of those that the document is about: filters count their rows."""
    at_once: int | None = None
    """So many rows are seen at once in Markdown, which folds the others."""


class Text(msgspec.Struct, frozen=True, tag=True):
    """A paragraph."""

    words: Words
    tone: Tone = ""
    alert: Alert = ""
    """What Markdown shows it as, for what must not be overlooked in a comment."""


class Notes(msgspec.Struct, frozen=True, tag=True):
    """Small print: what the figures above mean. Markdown makes one paragraph of them."""

    texts: tuple[str, ...]


class Item(msgspec.Struct, frozen=True):
    """An entry of a list."""

    words: Words
    mark: Mark | None = None
    """Before it, in a column of its own where there is one."""
    details: tuple[Words, ...] = ()
    """Lines below it."""
    facets: Mapping[str, str] = {}


class Items(msgspec.Struct, frozen=True, tag=True):
    """A list."""

    items: tuple[Item, ...]
    title: str = ""
    at_once: int | None = None
    """So many are seen at once in Markdown, which folds the others."""


class Command(msgspec.Struct, frozen=True, tag=True):
    """Something to be typed."""

    text: str
    label: str = ""
    """Before it: which of several it is."""
    facets: Mapping[str, str] = {}


class Facts(msgspec.Struct, frozen=True, tag=True):
    """Names and what they are."""

    facts: tuple[tuple[str, Words], ...]
    is_dense: bool = False
    """Many, and all short: a page sets them in columns."""


class Figure(msgspec.Struct, frozen=True, tag=True):
    """A chart. Only a page shows it, and Markdown says what it shows; otherwise it is a file in the
    run's folder."""

    title: str
    notes: str
    svg: str
    """Markup that is safe within a page; empty where the chart isn't drawn."""
    says: str = ""
    """What it shows, in a sentence."""
    name: str = ""
    """The name of its files: `forest-hello-c64`."""
    facets: Mapping[str, str] = {}


class Link(msgspec.Struct, frozen=True):
    """A file beside the page: a relative address, its name, and what is known about it."""

    address: str
    name: str
    size: str
    holds: str


class Links(msgspec.Struct, frozen=True, tag=True):
    """Files beside a page; other formats leave them out."""

    links: tuple[Link, ...]


class Entry(msgspec.Struct, frozen=True, tag=True):
    """One of several things of a kind, and what is known about it."""

    title: str
    blocks: tuple["Block", ...]
    aside: str = ""
    """Beside the title: a version."""
    is_brief: bool = False
    """It stands close to others like it where lines are counted."""
    facets: Mapping[str, str] = {}


class Fold(msgspec.Struct, frozen=True, tag=True):
    """Details behind a line that opens them; in a terminal that line is their heading."""

    title: str
    blocks: tuple["Block", ...]


class Aside(msgspec.Struct, frozen=True, tag=True):
    """What only a medium with enough room shows: from `least` on, by default a page."""

    blocks: tuple["Block", ...]
    least: Medium = "page"


Block: TypeAlias = (
    Text | Notes | Table | Items | Command | Facts | Figure | Links | Entry | Fold | Aside
)


class Section(msgspec.Struct, frozen=True):
    """A part of a document. A medium that shows none of its blocks leaves it out."""

    name: str
    """Its address on a page: `load-curve`."""
    title: str
    """Its heading; where its first table has a caption that one stands for it but on a page."""
    blocks: tuple[Block, ...]
    is_closing: bool = False
    """To be seen first: in a terminal, where the end stays in view, it comes last."""
    least: Medium = "terminal"
    """The medium with the least room that shows it."""


class Headline(msgspec.Struct, frozen=True):
    """What was found, in a sentence, where it applies, and what it rests on."""

    sentence: str
    where: str = ""
    proof: str = ""


class Document(msgspec.Struct, frozen=True):
    """A document from its title to its last section."""

    title: str
    """The name of what it is about, as a run's id. A page is headed by its headline instead."""
    facts: tuple[Words, ...]
    """Lines below the title: when, where, with what."""
    sections: tuple[Section, ...]
    kind: str = "report"
    """On a page beside the tool's name."""
    headline: Headline | None = None
    """For a page."""
    cautions: tuple[Mark, ...] = ()
    """Sentences on how far it can be believed, for a page."""
    footer: str = ""
    """The last line of a page."""


def shown(blocks: tuple[Block, ...], medium: Medium) -> tuple[Block, ...]:
    """The blocks that a medium shows: asides are opened or left out, and empty blocks dropped."""
    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Aside):
            if _has_room(medium, block.least):
                found += shown(block.blocks, medium)
        elif isinstance(block, Fold | Entry):
            inner = shown(block.blocks, medium)
            if inner or isinstance(block, Entry):
                found.append(msgspec.structs.replace(block, blocks=inner))
        elif not _is_left_out(block, medium):
            found.append(block)
    return tuple(found)


def _has_room(medium: Medium, least: Medium) -> bool:
    return MEDIA.index(medium) >= MEDIA.index(least)


def _is_left_out(block: Block, medium: Medium) -> bool:
    """What holds nothing, or nothing that this medium can show."""
    match block:
        case Figure():
            return not {"terminal": "", "markdown": block.says, "page": block.svg}[medium]
        case Links():
            return medium != "page"
        case Table():
            return not block.rows
        case Items():
            return not block.items
        case Notes():
            return not block.texts
        case Facts():
            return not block.facts
        case _:
            return False


def sections_of(document: Document, medium: Medium) -> tuple[Section, ...]:
    """The sections that a medium shows, with the blocks that it shows, in its order."""
    found = [
        msgspec.structs.replace(section, blocks=blocks)
        for section in document.sections
        if _has_room(medium, section.least) and (blocks := shown(section.blocks, medium))
    ]
    if medium == "terminal":
        found.sort(key=lambda section: section.is_closing)
    return tuple(found)


def is_titled(section: Section) -> bool:
    """Whether a section needs its title if there is no table of contents."""
    first = section.blocks[0]
    return not (isinstance(first, Table) and first.caption)
