"""A document as one page: a single file that needs nothing else, to read offline and to mail.

Its own script sorts and filters its tables; without the script, the page is complete.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from string import Template
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from asgi_bench.reporting.charts.inline import dark_rules
from asgi_bench.reporting.document import (
    Bar,
    Document,
    Headline,
    Mark,
    Section,
    Span,
    Table,
    Words,
    sections_of,
)
from asgi_bench.reporting.wording import plain

# Of a bar, in pixels.
BAR_WIDTH = 150.0
# Beyond the longest whisker.
SLACK = 1.04
SPANS = {
    "strong": Markup("<b>{}</b>"),
    "code": Markup("<code>{}</code>"),
    "faint": Markup('<span class="faint">{}</span>'),
}


class Choice(NamedTuple):
    """A filter for rows: its name in the markup, and its values."""

    name: str
    values: tuple[str, ...]


class Picture(NamedTuple):
    """A bar, its whisker, and the place of 1: pixels from the left."""

    bar: float
    lower: float | None
    upper: float | None
    one: float


def render_page(document: Document) -> str:
    """The document as a page that loads nothing and runs no script but its own."""
    style, script = _style(), _source("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    sections = sections_of(document, "page")
    found = document.headline or Headline(document.title)
    subject = document.title if document.headline else f"asgi-bench {document.kind}"
    return (
        _environment()
        .get_template("document.html")
        .render(
            policy=policy,
            style=style,
            script=script,
            title=f"{found.sentence} · {subject}",
            headline=found,
            document=document,
            sections=sections,
            choices=tuple(_choices(sections)),
        )
    )


def _choices(sections: Sequence[Section]) -> Iterator[Choice]:
    """Filters by the facets of the main tables, where there is a choice."""
    rows = [
        row
        for section in sections
        for block in section.blocks
        if isinstance(block, Table) and block.is_main
        for row in block.rows
    ]
    for name in rows[0].facets if rows else ():
        values = {row.facets[name] for row in rows}
        if len(values) > 1:
            yield Choice(
                name,
                tuple(
                    sorted(values, key=lambda value: (len(value) if value.isdigit() else 0, value))
                ),
            )


def _pictures(table: Table) -> Iterator[Picture | None]:
    """The bar of each row, all on one scale."""
    bars = [next((cell for cell in row.cells if isinstance(cell, Bar)), None) for row in table.rows]
    longest = max((bar.end for bar in bars if bar is not None), default=1.0)
    scale = BAR_WIDTH / (longest * SLACK)
    for bar in bars:
        if bar is None:
            yield None
            continue
        lower, upper = (
            None if bound is None else round(scale * bound, 1) for bound in (bar.lower, bar.upper)
        )
        yield Picture(round(scale * bar.ratio, 1), lower, upper, round(scale, 1))


def _words(words: Words | Mark) -> Markup:
    """Words, or a cell of a table, as markup, with what stands out in them."""
    return Markup("").join(map(_part, (words,) if isinstance(words, str | Mark) else words))


def _part(part: str | Span | Mark) -> Markup:
    match part:
        case Span():
            return SPANS[part.style].format(plain(part.text))
        case Mark():
            return Markup('<span class="badge badge-{}">{}</span>').format(
                part.tone, plain(part.word)
            )
        case _:
            return escape(part if part.isprintable() else plain(part))


def _shown(value: Any) -> Any:
    """What a template may print: texts without control characters."""
    return plain(value) if type(value) is str else value


def _hash(text: str) -> str:
    """What a content-security-policy knows a style or script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _style() -> str:
    """The style sheet, the charts' dark colours in it."""
    return Template(_source("page.css")).substitute(dark_rules=dark_rules())


@cache
def _source(name: str) -> str:
    """One of the package's own files."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


@cache
def _environment() -> Environment:
    """Templates that escape whatever they are given."""
    environment = Environment(
        loader=PackageLoader("asgi_bench.reporting.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {"words": _words, "pictures": _pictures}
    environment.tests |= {"mark": lambda value: isinstance(value, Mark)}
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment
