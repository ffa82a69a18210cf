"""The report of a run in each of its formats.

JSON is the report as it is; CSV has each of its facts except the figures within validity reasons.
Text, Markdown and the page are `run_document`, each laid out by a renderer: they have the same
rows, verdicts, findings, versions and commands. What only a page has room for is marked; of its
charts, Markdown has the sentences. They omit what comparisons rest on (adjusted p, and except on
the page ratios of single rounds; ranks and ties show the result); text also omits the proofs of
settings.
"""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.analysis.report import Report
from asgi_bench.reporting.render.markdown import render_markdown
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal
from asgi_bench.reporting.run.captions import captioned
from asgi_bench.reporting.run.document import run_document
from asgi_bench.reporting.run.report_csv import render_csv
from asgi_bench.reporting.run.source import Source

Format: TypeAlias = Literal["text", "json", "markdown", "csv"]


def render_report(
    report: Report, format: Format, *, width: int = WIDTH, color: bool = False
) -> str:
    """The report in a format; `width` in columns and `color` are the terminal's, for text."""
    match format:
        case "text":
            return render_terminal(run_document(Source(report)), width=width, color=color)
        case "json":
            return render_json(report)
        case "markdown":
            return render_markdown(run_document(Source(report, charts=captioned(report))))
        case "csv":
            return render_csv(report)


def render_json(report: Report) -> str:
    """The document as indented JSON, its keys in their order."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
