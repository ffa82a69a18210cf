"""What is exported: the figures of usable cells, one value with its bounds each, as documents.

Left out are a throughput that was merely offered (open loop), the reference's ratio to itself and
a highest rate that is a lower bound: a tool would take them for findings.
"""

from collections.abc import Iterator
from typing import NamedTuple

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey
from asgi_bench.model import Trial
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import HIGHEST_RATE, METRICS, THROUGHPUT_RATIO


class ExportFile(NamedTuple):
    """One file of an export: its name and its text."""

    name: str
    text: str


class CellFigure(NamedTuple):
    """A metric's value of one cell, with its 95 % bounds where it has any."""

    metric: Metric
    value: float
    lower: float | None = None
    upper: float | None = None


def cell_figures(cell: CellReport | SweepReport) -> tuple[CellFigure, ...]:
    """The figures of a usable cell, in the order of `METRICS`; none of any other."""
    return tuple(_figures(cell)) if is_usable(cell) else ()


def _figures(cell: CellReport | SweepReport) -> Iterator[CellFigure]:
    loop = cell.load.loop
    for metric in METRICS:
        found = cell_figure(metric, cell) if loop in metric.exported else Interval()
        if found.value is not None and not _is_no_finding(cell, metric):
            yield CellFigure(metric, found.value, found.lower, found.upper)


def _is_no_finding(cell: CellReport | SweepReport, metric: Metric) -> bool:
    if isinstance(cell, SweepReport):
        return metric == HIGHEST_RATE and cell.highest_rate_is_least
    ratio = cell.throughput_ratio
    return metric == THROUGHPUT_RATIO and ratio is not None and ratio.reference == cell.cell


def is_usable(cell: CellReport | SweepReport) -> bool:
    """Whether the figures of a cell may be taken for what it can do."""
    return cell.outcome == "ok" and cell.validity != "invalid"


def usable_trials(surveyed: Survey) -> Iterator[tuple[Sample, tuple[Trial, ...]]]:
    """Each usable cell with the trials its estimates rest on, one a round."""
    usable = {cell.cell for cell in surveyed.report.everything if is_usable(cell)}
    for key, sample in surveyed.samples.items():
        if key in usable:
            yield sample, sample.estimating
