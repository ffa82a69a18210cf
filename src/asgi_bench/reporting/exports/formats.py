"""All formats a run is exported in."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

from asgi_bench.analysis.summary import Survey
from asgi_bench.reporting.exports.bmf import bmf
from asgi_bench.reporting.exports.figures import ExportFile
from asgi_bench.reporting.exports.github_action_benchmark import github_action_benchmark
from asgi_bench.reporting.exports.hdr import hgrm, hlog
from asgi_bench.reporting.exports.junit import junit
from asgi_bench.reporting.exports.openmetrics import openmetrics
from asgi_bench.reporting.exports.pyperf import pyperf
from asgi_bench.reporting.exports.rounds_csv import rounds_csv

Export: TypeAlias = Callable[[Survey], tuple[ExportFile, ...]]


class ExportFormat(StrEnum):
    """A format: its name, what makes its documents, and whether they are several files."""

    GITHUB_ACTION_BENCHMARK = ("github-action-benchmark", github_action_benchmark, True)
    BMF = ("bmf", bmf)
    OPENMETRICS = ("openmetrics", openmetrics)
    JUNIT = ("junit", junit)
    HGRM = ("hgrm", hgrm, True)
    HLOG = ("hlog", hlog)
    PYPERF = ("pyperf", pyperf)
    CSV = ("csv", rounds_csv)

    documents: Export
    """The files of an export, at least one; raises BenchError where there is nothing to tell."""
    is_several: bool

    def __new__(cls, name: str, documents: Export, is_several: bool = False) -> ExportFormat:
        """A member that is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.documents = documents
        member.is_several = is_several
        return member
