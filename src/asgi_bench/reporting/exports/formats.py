"""All formats a run is exported in."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from asgi_bench.reporting.exports.bmf import bmf
from asgi_bench.reporting.exports.github_action_benchmark import github_action_benchmark
from asgi_bench.reporting.exports.hdr import hgrm, hlog
from asgi_bench.reporting.exports.junit import junit
from asgi_bench.reporting.exports.openmetrics import openmetrics
from asgi_bench.reporting.exports.pyperf import pyperf
from asgi_bench.reporting.exports.rounds_csv import rounds_csv
from asgi_bench.reporting.exports.subject import Document, Subject

ExportFormat: TypeAlias = Literal[
    "github-action-benchmark", "bmf", "openmetrics", "junit", "hgrm", "hlog", "pyperf", "csv"
]
# These are several files; each other one is a single document.
FILES: tuple[ExportFormat, ...] = ("github-action-benchmark", "hgrm")

_EXPORTS: Mapping[ExportFormat, Callable[[Subject], tuple[Document, ...]]] = {
    "github-action-benchmark": github_action_benchmark,
    "bmf": bmf,
    "openmetrics": openmetrics,
    "junit": junit,
    "hgrm": hgrm,
    "hlog": hlog,
    "pyperf": pyperf,
    "csv": rounds_csv,
}


def export(subject: Subject, format: ExportFormat) -> tuple[Document, ...]:
    """The files of an export, at least one.

    Raises BenchError where the format can't hold that nothing was found.
    """
    return _EXPORTS[format](subject)
