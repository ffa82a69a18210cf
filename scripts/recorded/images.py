"""The charts of a recorded run as images in Markdown."""

import re
from collections.abc import Iterator
from pathlib import Path

from asgi_bench.analysis.report import Report
from asgi_bench.reporting.render.markdown import escape
from asgi_bench.reporting.run.captions import captions


def images(report: Report, run_folder: Path, where: Path | str, *globs: str) -> Iterator[str]:
    """Yield those that are there, each with the sentence that says what it shows.

    `where` is the run's folder as the page sees it; globs are of names: `latency-*`.
    """
    found = captions(report)
    for glob in globs:
        for chart in sorted((run_folder / "charts").glob(f"{glob}.svg"), key=_by_numbers):
            says = escape(found[chart.stem].sentence) if chart.stem in found else chart.stem
            yield f"![{says}]({where}/charts/{chart.name})"


def _by_numbers(chart: Path) -> list[tuple[int, str]]:
    """Return a key that puts 64 connections before 256."""
    return [(int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", chart.stem)]
