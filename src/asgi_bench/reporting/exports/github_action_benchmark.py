"""For benchmark-action/github-action-benchmark, the most used dashboard on GitHub Pages.

The direction is set for a whole file (`tool: customBiggerIsBetter`, `customSmallerIsBetter`), so
there are two. Its schema is in its `src/extract.ts`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.reporting import numbers
from asgi_bench.reporting.exports.figures import CellFigure, Exported, ExportedCell, ExportFile
from asgi_bench.reporting.wording import plain

# By whether bigger is better.
NAMES: Mapping[bool, str] = {True: "bigger-is-better.json", False: "smaller-is-better.json"}


def github_action_benchmark(run: Exported) -> tuple[ExportFile, ...]:
    """`bigger-is-better.json` and `smaller-is-better.json`; a file without entries is left out.

    Raises BenchError if both are empty: the action refuses an empty list.
    """
    documents = []
    for bigger_is_better, name in NAMES.items():
        entries = list(_entries(run, bigger_is_better))
        if entries:
            text = msgspec.json.format(msgspec.json.encode(entries), indent=2).decode()
            documents.append(ExportFile(name, text + "\n"))
    if not documents:
        raise BenchError(
            f"{run.run}: no cell has usable figures, and github-action-benchmark accepts no "
            "empty list"
        )
    return tuple(documents)


def _entries(run: Exported, bigger_is_better: bool) -> Iterator[dict[str, Any]]:
    """The entries of one file, each named for cell and metric: names tie runs together."""
    for cell in run.cells:
        for figure in cell.figures:
            if figure.metric.more_is_better == bigger_is_better:
                yield _entry(cell, figure, run)


def _entry(cell: ExportedCell, figure: CellFigure, run: Exported) -> dict[str, Any]:
    metric = figure.metric
    entry = {
        "name": f"{plain(cell.key)}: {metric.title}",
        "unit": metric.unit.shown,
        "value": figure.value * metric.unit.factor,
        "extra": "\n".join(_tooltip(cell, run)),
    }
    if figure.lower is not None and figure.upper is not None:
        width = max(figure.upper - figure.value, figure.value - figure.lower) * metric.unit.factor
        entry["range"] = f"± {numbers.significant(width)}"
    return entry


def _tooltip(cell: ExportedCell, run: Exported) -> Iterator[str]:
    """What stands beside a point of the chart, a line each."""
    yield f"{plain(cell.server)} {plain(cell.version or 'of unknown version')}"
    yield cell.basis
    yield f"asgi-bench {plain(run.tool_version)}, run {plain(run.run)}"
    yield f"machine {plain(run.machine.fingerprint)}, {plain(run.machine.cpu_model)}"
