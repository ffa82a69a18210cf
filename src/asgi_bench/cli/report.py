"""`asgi-bench report`: a stored run as text, JSON, Markdown, CSV or a page."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from asgi_bench.analysis.ab.counts import counts_verdict
from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.analysis.counts import counts_report
from asgi_bench.analysis.report import Report
from asgi_bench.analysis.samples import with_reference
from asgi_bench.analysis.summary import summarize, survey
from asgi_bench.cli.flags import DEFAULT_OUTPUT, OtherReference, Output, StoredRun
from asgi_bench.errors import ExitCode
from asgi_bench.flags import OUTPUT, Flag, choice
from asgi_bench.model import AbReport, Verdict
from asgi_bench.model.counts import CountsReport
from asgi_bench.reporting.ab import render_ab
from asgi_bench.reporting.counts import CountsFormat, render_counts
from asgi_bench.reporting.document import Document
from asgi_bench.reporting.render.terminal import WIDTH, render_terminal
from asgi_bench.reporting.run.report import Format, render_report
from asgi_bench.reporting.wording import plain
from asgi_bench.store.counts import has_counts, read_lives
from asgi_bench.store.folders import find_run
from asgi_bench.store.runs import read_run

AnyFormat: TypeAlias = Literal["text", "json", "markdown", "csv", "html"]

_EXIT_CODES: dict[Verdict, ExitCode] = {
    "regression": ExitCode.REGRESSION,
    "failed": ExitCode.FAILED,
    "invalid": ExitCode.INVALID,
    "undecided": ExitCode.OK,
    "improvement": ExitCode.OK,
    "pass": ExitCode.OK,
}


class ReportFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `report`."""

    run: StoredRun = None
    format: Annotated[
        AnyFormat, Flag("--format", OUTPUT, choice(*get_args(AnyFormat)), "Output format.")
    ] = "text"
    reference: OtherReference = None
    output: Output = DEFAULT_OUTPUT


def report(asked: ReportFlags) -> None:
    """Print what a run found: a ranked table, with everything one should know about it."""
    folder = find_run(asked.run, asked.output)
    if has_counts(folder):
        _report_counts(folder, asked.format)
        return
    stored = with_reference(read_run(folder), asked.reference)
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    format = asked.format
    if format == "html":
        # The page draws with matplotlib, which takes most of a second to import.
        from asgi_bench.reporting.pages import write_page

        print(write_page(survey(stored)))
    elif stored.header.plan.gate is not None and format in ("text", "markdown"):
        # The other formats have the cells of both sides; the verdict lies in `verdict.json`.
        print_ab(ab_report(stored), format)
    else:
        print_report(summarize(stored), format)


def _report_counts(folder: Path, format: AnyFormat) -> None:
    """Print a run that counted."""
    header, lives = read_run(folder).header, read_lives(folder)
    if format == "html":
        from asgi_bench.reporting.pages import write_counts_page

        print(write_counts_page(header, lives, folder))
    elif header.plan.gate is not None and (format == "text" or format == "markdown"):
        print_ab(counts_verdict(header, lives), format)
    else:
        print_counts(counts_report(header, lives), format)


def print_counts(report: CountsReport, format: CountsFormat) -> None:
    """Print what was counted to stdout, in the terminal's width and colours."""
    sys.stdout.write(render_counts(report, format, width=terminal_width(), color=takes_color()))


def print_ab(document: AbReport, format: Literal["text", "markdown"]) -> None:
    """Print the verdict on an A/B to stdout, with what it rests on."""
    sys.stdout.write(render_ab(document, format, width=terminal_width(), color=takes_color()))


def print_report(document: Report, format: Format) -> None:
    """Print a report to stdout, in the terminal's width and colours."""
    sys.stdout.write(render_report(document, format, width=terminal_width(), color=takes_color()))


def print_document(document: Document) -> None:
    """Print a document to stdout, in the terminal's width and colours."""
    sys.stdout.write(render_terminal(document, width=terminal_width(), color=takes_color()))


def terminal_width() -> int:
    """The terminal's width; for a pipe, the width that the shipped rows need."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size((WIDTH, 24)).columns
    return WIDTH


def takes_color() -> bool:
    """Whether to colour: on a terminal that can, unless NO_COLOR forbids it (no-color.org)."""
    forbidden = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not forbidden


def exit_code_of(verdict: Verdict, *, fail_on_undecided: bool) -> ExitCode:
    """The exit code for a verdict."""
    if verdict == "undecided" and fail_on_undecided:
        return ExitCode.UNDECIDED
    return _EXIT_CODES[verdict]
