"""Bencher Metric Format: one object of benchmarks, each with its measures (bencher.dev/bmf.json).

It has no units, so a measure's name states its own. `throughput` and `latency` are Bencher's
built-in measures, in operations per second and nanoseconds.
"""

from collections.abc import Mapping

import msgspec

from asgi_bench.analysis.percentiles import NANOSECOND_S
from asgi_bench.model.metrics import P50, THROUGHPUT
from asgi_bench.reporting.exports.figures import CellFigure, Exported, ExportFile
from asgi_bench.reporting.wording import plain, shortened

# What Bencher takes of a benchmark's name.
NAME_LENGTH = 1024
# The name in Bencher, and what an SI value is multiplied with.
BUILT_IN: Mapping[str, tuple[str, float]] = {
    THROUGHPUT.name: ("throughput", 1.0),
    P50.name: ("latency", 1 / NANOSECOND_S),
}


def bmf(run: Exported) -> tuple[ExportFile, ...]:
    """`bmf.json`: the figures of all usable cells by their keys."""
    benchmarks = {
        shortened(plain(cell.key), NAME_LENGTH): dict(map(_measure, cell.figures))
        for cell in run.cells
        if cell.figures
    }
    text = msgspec.json.format(msgspec.json.encode(benchmarks), indent=2).decode()
    return (ExportFile("bmf.json", text + "\n"),)


def _measure(figure: CellFigure) -> tuple[str, dict[str, float]]:
    """A measure's name, and its value with bounds where there are any."""
    own_name = figure.metric.name.replace("_", "-")
    name, factor = BUILT_IN.get(figure.metric.name, (own_name, 1.0))
    parts = {"value": figure.value, "lower_value": figure.lower, "upper_value": figure.upper}
    return name, {key: value * factor for key, value in parts.items() if value is not None}
