"""All export formats."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from asgi_bench.analysis.history.counted import Counted
from asgi_bench.analysis.summary import Survey
from asgi_bench.reporting.counts_csv import layouts_csv
from asgi_bench.reporting.exports.bmf import bmf
from asgi_bench.reporting.exports.figures import (
    Exported,
    ExportFile,
    exported,
    exported_counts,
)
from asgi_bench.reporting.exports.github_action_benchmark import github_action_benchmark
from asgi_bench.reporting.exports.hdr import hgrm, hlog
from asgi_bench.reporting.exports.junit import junit
from asgi_bench.reporting.exports.openmetrics import openmetrics
from asgi_bench.reporting.exports.pyperf import pyperf
from asgi_bench.reporting.exports.rounds_csv import rounds_csv

Files: TypeAlias = tuple[ExportFile, ...]
Export: TypeAlias = Callable[[Survey], Files]
CountsExport: TypeAlias = Callable[[Counted], Files]


def _timed(write: Callable[[Exported], Files]) -> Export:
    return lambda surveyed: write(exported(surveyed))


def _counted(write: Callable[[Exported], Files]) -> CountsExport:
    return lambda counted: write(exported_counts(counted))


class ExportFormat(StrEnum):
    """A format: its name, what makes its documents, and whether they are several files.

    Last, what makes the documents of a run that counted, if the format has room for counts.
    """

    GITHUB_ACTION_BENCHMARK = (
        *("github-action-benchmark", _timed(github_action_benchmark), True),
        _counted(github_action_benchmark),
    )
    BMF = ("bmf", _timed(bmf), False, _counted(bmf))
    OPENMETRICS = ("openmetrics", _timed(openmetrics), False, _counted(openmetrics))
    JUNIT = ("junit", junit)
    HGRM = ("hgrm", hgrm, True)
    HLOG = ("hlog", hlog)
    PYPERF = ("pyperf", pyperf)
    CSV = ("csv", rounds_csv, False, layouts_csv)

    documents: Export
    """The files of an export, at least one; raises BenchError where there is nothing to tell."""
    is_several: bool
    of_counts: CountsExport | None

    def __new__(
        cls,
        name: str,
        documents: Export,
        is_several: bool = False,
        of_counts: CountsExport | None = None,
    ) -> ExportFormat:
        """A member that is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.documents = documents
        member.is_several = is_several
        member.of_counts = of_counts
        return member
