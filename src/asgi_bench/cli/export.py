"""`asgi-bench export`: a stored run in another tool's format."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec

from asgi_bench.analysis.summary import survey
from asgi_bench.cli.flags import DEFAULT_OUTPUT, Output, StoredRun
from asgi_bench.errors import BenchError
from asgi_bench.flags import OUTPUT, Flag, Kind, choice
from asgi_bench.reporting.exports.figures import ExportFile
from asgi_bench.reporting.exports.formats import ExportFormat
from asgi_bench.reporting.wording import plain
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
            f"Whose format: {', '.join(ExportFormat)}.",
        ),
    ]
    run: StoredRun = None
    to: Annotated[
        Path | None,
        Flag(
            "--to",
            OUTPUT,
            Kind("PATH", lambda text, _: Path(text)),
            "File to write, or for github-action-benchmark and hgrm, which are several files, the "
            "folder. Default: stdout; for those two RUN/exports/FORMAT.",
        ),
    ] = None
    output: Output = DEFAULT_OUTPUT


def export_(asked: ExportFlags) -> None:
    """Write what a run found for other tools; cells that can't be believed are no numbers."""
    format, to = asked.format, asked.to
    folder = find_run(asked.run, asked.output)
    stored = read_run(folder)
    for damage in stored.damage:
        print(f"warning: {plain(damage)}", file=sys.stderr)
    documents = format.documents(survey(stored))
    if format.is_several:
        target = folder / EXPORTS_FOLDER / format if to is None else to
        for document in documents:
            print(write_document(document, target / document.name))
        print(target)
    elif to is not None:
        print(write_document(documents[0], to))
    else:
        sys.stdout.write(documents[0].text)


def write_document(document: ExportFile, path: Path) -> Path:
    """Write one file, its folders made; return its path. Raises BenchError where it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document.text, encoding="utf-8", newline="")
    except OSError as error:
        raise BenchError(f"{path}: can't be written: {error.strerror}") from None
    return path
