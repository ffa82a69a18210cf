"""The report in each of its formats: all of them are made here, and only of the document."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.analysis.document import Report
from asgi_bench.reporting.delimited import render_csv
from asgi_bench.reporting.markdown import render_markdown
from asgi_bench.reporting.tables import render_text

Format: TypeAlias = Literal["text", "json", "markdown", "csv"]


def render_json(report: Report) -> str:
    """The document as indented JSON, its keys in their order."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


RENDERERS: Mapping[Format, Callable[[Report], str]] = {
    "text": render_text,
    "json": render_json,
    "markdown": render_markdown,
    "csv": render_csv,
}
