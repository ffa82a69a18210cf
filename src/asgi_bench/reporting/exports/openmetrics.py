"""OpenMetrics text, for node_exporter's textfile collector, a Pushgateway, or Grafana by either.

Both read the older Prometheus text format, so it contains only what the two formats share: gauges,
because neither knows OpenMetrics' own `info`. Values have no time stamps, which the textfile
collector refuses; the start of the run is a metric.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import METRICS
from asgi_bench.reporting.exports.figures import Exported, ExportFile
from asgi_bench.reporting.wording import plain

PREFIX = "asgi_bench"
# A second spelt as OpenMetrics wants its units.
SECONDS = re.compile(r"_s(?=_|$)")
BOUNDS: Mapping[str, str] = {"value": "", "lower": "_lower", "upper": "_upper"}
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def openmetrics(run: Exported) -> tuple[ExportFile, ...]:
    """`asgi-bench.prom`: a gauge for each metric and bound, a series for each usable cell."""
    lines = [*_run_lines(run), *_state_lines(run)]
    for metric in METRICS:
        lines += _metric_lines(metric, run)
    return (ExportFile("asgi-bench.prom", "\n".join([*lines, "# EOF"]) + "\n"),)


def _run_lines(run: Exported) -> Iterator[str]:
    """Which run it was, and when."""
    name = f"{PREFIX}_run_info"
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} The run that the figures come from."
    facts = {
        "run": run.run,
        "tool_version": run.tool_version,
        "machine": run.machine.fingerprint,
        "reference": run.reference or "",
    }
    yield f"{name}{_labels(facts)} 1"
    name = f"{PREFIX}_run_started_timestamp_seconds"
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} When the run began, in seconds since 1970."
    yield f"{name} {datetime.fromisoformat(run.started_at).timestamp():.0f}"


def _state_lines(run: Exported) -> Iterator[str]:
    """Whether each cell has figures, so that an alarm can tell a missing one from a bad one."""
    name = f"{PREFIX}_cell_usable"
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} 1 if a cell's figures are usable, otherwise 0."
    for cell in run.cells:
        verdict = {
            "outcome": cell.outcome,
            "validity": cell.validity,
            "server_version": cell.version or "",
        }
        yield f"{name}{_labels({**cell.labels, **verdict})} {int(cell.is_usable)}"


def _metric_lines(metric: Metric, run: Exported) -> Iterator[str]:
    """The gauges of one metric: the values, and the bounds of those that have any."""
    found = [
        (cell, figure) for cell in run.cells for figure in cell.figures if figure.metric == metric
    ]
    for bound, suffix in BOUNDS.items():
        having = [(cell, figure) for cell, figure in found if getattr(figure, bound) is not None]
        if having:
            labels = [(_labels(cell.labels), getattr(figure, bound)) for cell, figure in having]
            yield from _gauge_lines(metric, bound, suffix, labels)


def _gauge_lines(
    metric: Metric, bound: str, suffix: str, found: list[tuple[str, float]]
) -> Iterator[str]:
    """One gauge: its values by their labels."""
    name = f"{PREFIX}_{SECONDS.sub('_seconds', metric.name)}{suffix}"
    about = metric.title.capitalize()
    about = about if bound == "value" else f"{about}, {bound} 95 % bound"
    yield f"# TYPE {name} gauge"
    yield f"# HELP {name} {about}."
    for labels, value in found:
        yield f"{name}{labels} {value!r}"


def _labels(labels: Mapping[str, str]) -> str:
    """Labels in braces, their values escaped."""
    parts = (f'{name}="{plain(value).translate(ESCAPES)}"' for name, value in labels.items())
    return "{" + ",".join(parts) + "}"
