"""What is exported: the figures of usable cells, one value with its bounds each, as documents.

Left out are a throughput that was merely offered (open loop), the reference's ratio to itself and
a highest rate that is a lower bound: a tool would take them for findings.
"""

from collections.abc import Iterator
from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.estimates import Interval, Ratio
from asgi_bench.analysis.samples import Sample
from asgi_bench.analysis.summary import Survey
from asgi_bench.model import Trial


class Document(NamedTuple):
    """One file of an export: its name and its text."""

    name: str
    text: str


class Metric(NamedTuple):
    """What is measured: `unit` is SI; times `factor` it is what people read, in `shown_unit`."""

    name: str
    title: str
    unit: str
    bigger_is_better: bool
    shown_unit: str
    factor: float = 1.0


class Figure(NamedTuple):
    """A metric's value of one cell, with its 95 % bounds where it has any."""

    metric: Metric
    value: float
    lower: float | None = None
    upper: float | None = None


THROUGHPUT = Metric("throughput_rps", "throughput", "requests/s", True, "requests/s")
RATIO = Metric("throughput_ratio", "throughput over the reference's", "", True, "ratio")
CPU = Metric("server_cpu_s_per_request", "server CPU per request", "s", False, "µs", 1e6)
P50 = Metric("response_time_p50_s", "response time p50", "s", False, "ms", 1e3)
P99 = Metric("response_time_p99_s", "response time p99", "s", False, "ms", 1e3)
MEMORY = Metric("server_pss_bytes", "server memory (PSS)", "B", False, "MiB", 2**-20)
GROWTH = Metric(
    "growth_bytes_per_1000_requests",
    "growth of server memory per 1,000 requests",
    "B",
    False,
    "KiB",
    2**-10,
)
HIGHEST = Metric(
    "highest_rate_rps", "highest rate that keeps the objective", "requests/s", True, "requests/s"
)
SATURATION = Metric("saturation_rps", "throughput at saturation", "requests/s", True, "requests/s")
METRICS = (THROUGHPUT, RATIO, CPU, P50, P99, MEMORY, GROWTH, HIGHEST, SATURATION)


def cell_figures(cell: CellReport | SweepReport) -> tuple[Figure, ...]:
    """The figures of a usable cell, in the order of `METRICS`; none of any other."""
    if not is_usable(cell):
        return ()
    return tuple(_of_sweep(cell) if isinstance(cell, SweepReport) else _of_cell(cell))


def _of_cell(cell: CellReport) -> Iterator[Figure]:
    if cell.load.is_closed:
        yield from _figure(THROUGHPUT, cell.throughput_rps)
        if cell.throughput_ratio is not None and cell.throughput_ratio.reference != cell.cell:
            yield from _figure(RATIO, cell.throughput_ratio)
    yield from _figure(CPU, cell.server_cpu_s_per_request)
    yield from _figure(P50, Interval(cell.response_time_s.p50))
    yield from _figure(P99, Interval(cell.response_time_s.p99))
    yield from _figure(MEMORY, Interval(cell.server_pss_bytes))
    yield from _figure(GROWTH, cell.growth_bytes_per_1000_requests)


def _of_sweep(sweep: SweepReport) -> Iterator[Figure]:
    if not sweep.highest_rate_is_least:
        yield from _figure(HIGHEST, sweep.highest_rate_rps)
    yield from _figure(SATURATION, sweep.saturation_rps)


def _figure(metric: Metric, estimate: Interval | Ratio) -> Iterator[Figure]:
    """The figure, where there is a value."""
    if estimate.value is not None:
        yield Figure(metric, estimate.value, estimate.lower, estimate.upper)


def is_usable(cell: CellReport | SweepReport) -> bool:
    """Whether the figures of a cell may be taken for what it can do."""
    return cell.outcome == "ok" and cell.validity != "invalid"


def usable_trials(surveyed: Survey) -> Iterator[tuple[Sample, tuple[Trial, ...]]]:
    """Each usable cell with the trials its estimates rest on, one a round."""
    usable = {cell.cell for cell in surveyed.report.everything if is_usable(cell)}
    for key, sample in surveyed.samples.items():
        if key in usable:
            yield sample, sample.estimating
