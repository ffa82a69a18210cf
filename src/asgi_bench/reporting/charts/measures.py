"""The figures that are charted as bars, and how each is read."""

from typing import NamedTuple

from asgi_bench.analysis.cell_report import CellReport
from asgi_bench.analysis.estimates import Interval
from asgi_bench.reporting import numbers
from asgi_bench.reporting.charts.bars import Measure


class Chart(NamedTuple):
    """One chart of bars: its file's name, its title, what it shows, and the bars."""

    name: str
    title: str
    note: str
    measure: Measure


def _throughput_label(cell: CellReport) -> str:
    """Requests per second, and the ratio, which is the surer of the two."""
    label = numbers.rate(cell.throughput_rps.value)
    ratio = cell.throughput_ratio
    if ratio is None:
        return label
    if ratio.reference == cell.cell:
        return f"{label}   reference"
    return f"{label}   {numbers.with_interval(numbers.factor(ratio.value), ratio)}"


def _cpu_label(cell: CellReport) -> str:
    """Microseconds of CPU time."""
    cost = cell.server_cpu_s_per_request
    return numbers.with_interval(numbers.microseconds(cost.value), cost)


def _memory(cell: CellReport) -> Interval:
    """Memory after the load, from idle to its peak; a failed cell has none."""
    loaded, idle = cell.server_pss_bytes, cell.costs.server_pss_idle_bytes
    peak = cell.costs.server_pss_peak_bytes
    if loaded is None or idle is None or peak is None:
        return Interval(value=loaded)
    return Interval(loaded, min(idle, loaded), max(peak, loaded))


MEASURES = (
    Chart(
        "throughput",
        "Throughput",
        "",
        Measure(
            figure=lambda cell: cell.throughput_rps,
            label=_throughput_label,
            unit=1.0,
            tick=numbers.compact_tick,
            axis="correct answers per second (more is better)",
            more_is_better=True,
            shows_ratio=True,
        ),
    ),
    Chart(
        "cpu",
        "Server CPU time per request",
        "user and system time of all the server's processes",
        Measure(
            figure=lambda cell: cell.server_cpu_s_per_request,
            label=_cpu_label,
            unit=1e-6,
            tick=numbers.tick,
            axis="µs of CPU time per request (less is better)",
            more_is_better=False,
            depends_on_rate=True,
            part=lambda cell: cell.costs.server_system_s_per_request.value,
            part_name="shaded: system time",
        ),
    ),
    Chart(
        "memory",
        "Server memory",
        "proportional set size (PSS) of all the server's processes, median of rounds",
        Measure(
            figure=_memory,
            label=lambda cell: numbers.mebibytes(cell.server_pss_bytes),
            unit=numbers.MEBIBYTE,
            tick=numbers.tick,
            axis="MiB (less is better)",
            more_is_better=False,
            whiskers="from ready without load to the peak between slices",
        ),
    ),
)
