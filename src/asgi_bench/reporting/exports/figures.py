"""What is exported: the figures of usable cells, one value with its bounds each, as documents.

Excluded are an offered throughput (open loop), the reference's ratio to itself, and a highest rate
that is a lower bound: a tool would take them for findings.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from asgi_bench.analysis.counts import counts_report
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.history.counted import Counted
from asgi_bench.analysis.metrics import cell_figure
from asgi_bench.analysis.report import CellReport, SweepReport
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey
from asgi_bench.model import Cell, Machine, Trial
from asgi_bench.model.counts import CountedCell
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import COUNTED, HIGHEST_RATE, METRICS, THROUGHPUT_RATIO


class ExportFile(NamedTuple):
    """One file of an export: its name and its text."""

    name: str
    text: str


class CellFigure(NamedTuple):
    """A metric's value of one cell, with its 95 % bounds if it has any."""

    metric: Metric
    value: float
    lower: float | None = None
    upper: float | None = None


class ExportedCell(NamedTuple):
    """A cell for other tools: `labels` distinguish it from others, `basis` is what it rests on."""

    key: str
    labels: Mapping[str, str]
    server: str
    version: str | None
    outcome: str
    validity: str
    basis: str
    figures: tuple[CellFigure, ...]

    @property
    def is_usable(self) -> bool:
        """Whether its figures show what it can do."""
        return self.outcome == "ok" and self.validity != "invalid"


class Exported(NamedTuple):
    """A run for other tools, whether it timed or counted."""

    run: str
    started_at: str
    tool_version: str
    machine: Machine
    reference: str | None
    cells: tuple[ExportedCell, ...]


def exported(surveyed: Survey) -> Exported:
    """A run that timed."""
    run, plan = surveyed.report.run, surveyed.run.header.plan
    planned = {one.cell.key: one.cell for one in plan.cells}
    return Exported(
        run=run.id,
        started_at=run.started_at,
        tool_version=run.tool_version,
        machine=run.machine,
        reference=run.reference,
        cells=tuple(
            ExportedCell(
                key=cell.cell,
                labels={**labels_of(planned[cell.cell]), "load": cell.load.key},
                server=cell.server,
                version=cell.server_version,
                outcome=cell.outcome,
                validity=cell.validity,
                basis=f"{cell.rounds} rounds, {cell.validity}",
                figures=cell_figures(cell),
            )
            for cell in surveyed.report.everything
        ),
    )


def exported_counts(counted: Counted) -> Exported:
    """A run that counted: an A/B with both its sides."""
    header = counted.header
    report = counts_report(header, counted.lives)
    planned = {one.cell.key: one.cell for one in header.plan.cells}
    return Exported(
        run=header.run_id,
        started_at=header.started_at,
        tool_version=header.tool_version,
        machine=header.machine,
        reference=None,
        cells=tuple(
            ExportedCell(
                key=cell.cell,
                labels=labels_of(planned[cell.cell]),
                server=planned[cell.cell].server,
                version=cell.server_version,
                outcome=cell.outcome,
                validity="valid" if cell.outcome == "ok" else "invalid",
                basis="; ".join(
                    f"{one.counter} by {one.backend} in {len(one.by_layout)} layouts"
                    for one in cell.figures
                ),
                figures=tuple(_counted_figures(cell)) if cell.outcome == "ok" else (),
            )
            for cell in report.cells
        ),
    )


def _counted_figures(cell: CountedCell) -> Iterator[CellFigure]:
    for one in cell.figures:
        metric, each = COUNTED.get(one.counter), one.per_request
        if metric is not None:
            yield CellFigure(metric, each.value, each.lower, each.upper)


def labels_of(cell: Cell) -> dict[str, str]:
    """What distinguishes one cell from another; in an A/B its side too."""
    return {
        **({} if cell.setup is None else {"side": cell.setup}),
        "server": cell.server,
        "variant": cell.variant,
        "workers": str(cell.workers),
        "scenario": cell.scenario,
        "http": cell.http,
        "transport": cell.transport,
        "load": cell.load.key,
    }


def cell_figures(cell: CellReport | SweepReport) -> tuple[CellFigure, ...]:
    """The figures of a usable cell, in the order of `METRICS`; none for any other."""
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
    """Whether the figures of a cell show what it can do."""
    return cell.outcome == "ok" and cell.validity != "invalid"


def usable_trials(surveyed: Survey) -> Iterator[tuple[Sample, tuple[Trial, ...]]]:
    """Each usable cell with the trials its estimates rest on, one per round."""
    usable = {cell.cell for cell in surveyed.report.everything if is_usable(cell)}
    for key, sample in surveyed.samples.items():
        if key in usable:
            yield sample, sample.estimating
