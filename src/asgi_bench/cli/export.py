"""`asgi-bench export`: a stored run in another tool's format."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec

from asgi_bench.analysis.history.counted import Counted
from asgi_bench.analysis.summary import survey
from asgi_bench.cli.flags import DEFAULT_OUTPUT, Output, StoredRun
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.flags import OUTPUT, Flag, Kind, choice
from asgi_bench.model import Run
from asgi_bench.reporting.exports.figures import ExportFile
from asgi_bench.reporting.exports.formats import ExportFormat
from asgi_bench.reporting.wording import plain
from asgi_bench.store.counts import has_counts, read_lives
from asgi_bench.store.folders import EXPORTS_FOLDER, find_run
from asgi_bench.store.runs import read_run


class ExportFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of `export`."""

    format: Annotated[
        ExportFormat,
        Flag(
            "--format",
            OUTPUT,
            choice(*ExportFormat, metavar="FORMAT"),
            f"Export format: {', '.join(ExportFormat)}.",
        ),
    ]
    run: StoredRun = None
    to: Annotated[
        Path | None,
        Flag(
            "--to",
            OUTPUT,
            Kind("PATH", lambda text, _: Path(text)),
            "Write to PATH: a file, or a folder for github-action-benchmark and hgrm, which are "
            "several files. Default: stdout; for those two, RUN/exports/FORMAT.",
        ),
    ] = None
    output: Output = DEFAULT_OUTPUT


def export_(asked: ExportFlags) -> None:
    """Write what a run found for other tools; cells that can't be believed have no figures."""
    format, to = asked.format, asked.to
    folder = find_run(asked.run, asked.output)
    stored = read_run(folder)
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    documents = _documents(format, stored)
    if format.is_several:
        target = folder / EXPORTS_FOLDER / format if to is None else to
        for document in documents:
            print(write_document(document, target / document.name))
        print(target)
    elif to is not None:
        print(write_document(documents[0], to))
    else:
        sys.stdout.write(documents[0].text)


def _documents(format: ExportFormat, stored: Run) -> tuple[ExportFile, ...]:
    folder = Path(stored.folder)
    if not has_counts(folder):
        return format.documents(survey(stored))
    if format.of_counts is None:
        known = ", ".join(one for one in ExportFormat if one.of_counts is not None)
        raise UsageError(
            f"--format {format}: {stored.header.run_id} counted and has no times; use {known}, "
            "or report --format json or csv"
        )
    return format.of_counts(Counted(stored.header, read_lives(folder)))


def write_document(document: ExportFile, path: Path) -> Path:
    """Write one file, creating its folders; return its path. Raises BenchError if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8", newline="")
    except OSError as error:
        raise BenchError(f"{path}: can't write it: {error.strerror}") from None
    return path
