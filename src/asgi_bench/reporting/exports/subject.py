"""What is exported, and what comes of it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.document import Report
from asgi_bench.analysis.percentiles import Histogram
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import survey
from asgi_bench.model import Run, Trial


class Subject(NamedTuple):
    """A run as read, its report, and what that rests on by the key of the cell, as in `Survey`."""

    run: Run
    report: Report
    response_times: Mapping[str, Histogram]
    samples: Mapping[str, Sample]


class Document(NamedTuple):
    """One file of an export: its name and its text."""

    name: str
    text: str


def subject_of(run: Run) -> Subject:
    """A run with its report. Raises BenchError for a stored histogram that can't be read."""
    return Subject(run, *survey(run))


def is_usable(cell: CellReport | SweepReport) -> bool:
    """Whether the figures of a cell may be taken for what it can do."""
    return cell.outcome == "ok" and cell.validity != "invalid"


def usable_trials(subject: Subject) -> Iterator[tuple[Sample, tuple[Trial, ...]]]:
    """Each usable cell with the trials its estimates rest on, one a round."""
    usable = {cell.cell for cell in subject.report.everything if is_usable(cell)}
    for key, sample in subject.samples.items():
        if key in usable:
            yield sample, sample.estimating
