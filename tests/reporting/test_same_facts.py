import csv
import io
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

import msgspec
import pytest

from asgi_bench.analysis.document import Report
from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.model import Run
from asgi_bench.reporting.claims import surety_notes
from asgi_bench.reporting.columns import columns_of
from asgi_bench.reporting.costs import cost_tables
from asgi_bench.reporting.documents import render_report
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.page import render_page
from asgi_bench.reporting.rows import section_rows
from asgi_bench.reporting.scaling import scaling_tables
from asgi_bench.reporting.wording import findings
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    synthetic_run,
    troubled_run,
)

RUNS: Mapping[str, Run] = {
    "mixed": synthetic_run(planned_cells((CLOSED_64, *OPEN_AND_SWEEP)), rounds=6),
    "troubled": troubled_run(6),
}


class TableReader(HTMLParser):
    """The texts of all table rows of a page, and all of its text."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self._in_field = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a field."""
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_field = True

    def handle_endtag(self, tag: str) -> None:
        """End a field."""
        if tag in ("td", "th"):
            self._in_field = False

    def handle_data(self, data: str) -> None:
        """Add to the field, and to the text."""
        self.text += f" {data}"
        if self._in_field:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module", params=list(RUNS))
def found(request: pytest.FixtureRequest) -> tuple[Run, Survey]:
    """A run of every kind of load, and one with every kind of trouble."""
    run = RUNS[request.param]
    return run, survey(run)


def expected_rows(report: Report) -> list[tuple[str, ...]]:
    """The texts of every row: rankings, costs, workers."""
    groups = report_groups(report)
    rows = [
        row
        for group in groups
        for section in group.sections
        for row in section_rows(section, columns_of(group.load))
    ]
    for costs in cost_tables(groups):
        rows += [row for section in costs.group.sections for row in costs.rows(section)]
    for scaling in scaling_tables(report):
        rows += [row for section in scaling.sections() for row in section]
    return [row.texts for row in rows]


def flat(texts: Sequence[str]) -> str:
    """Texts in one line, single spaces between them."""
    return " ".join(" ".join(texts).split())


def test_people_read_the_same_in_every_format(found: tuple[Run, Survey]) -> None:
    """Text, Markdown and page have the same rows, to the letter, and the same findings."""
    run, surveyed = found
    report = surveyed.report
    reader = TableReader()
    reader.feed(render_page(run, surveyed, ()))
    markdown = re.sub(r"\\(.)", r"\1", render_report(report, "markdown"))
    text = render_report(report, "text", width=400)
    lines = {
        "page": {flat(row) for row in reader.rows},
        "markdown": {flat(line.strip("|").split("|")) for line in markdown.splitlines()},
        "text": {flat([line]) for line in text.splitlines()},
    }
    for row in expected_rows(report):
        for name, shown in lines.items():
            assert flat(row) in shown, (name, row)
    everything = {"page": reader.text, "markdown": markdown, "text": text}
    sentences = [finding.text for finding in findings(report)] + list(surety_notes(report))
    for sentence in sentences:
        for name, shown_text in everything.items():
            assert flat([sentence]) in flat([shown_text]), (name, sentence)


def test_programs_read_the_figures_behind_them(found: tuple[Run, Survey]) -> None:
    """JSON gives back the document that the rows were made of, and CSV each of its figures."""
    report = found[1].report
    back = msgspec.json.decode(render_report(report, "json"), type=Report)
    assert expected_rows(back) == expected_rows(report)
    rows = list(csv.DictReader(io.StringIO(render_report(report, "csv"))))
    by_cell = {row["cell"]: row for row in rows}
    for cell in report.everything:
        figures = dict(leaves(msgspec.to_builtins(cell)))
        row = by_cell[cell.cell]
        for name, value in figures.items():
            assert row[name] == str(value), (cell.cell, name)


def leaves(nested: Mapping[str, object], prefix: str = "") -> list[tuple[str, float | int]]:
    """The numbers of a cell by their dotted names."""
    found: list[tuple[str, float | int]] = []
    for key, value in nested.items():
        if isinstance(value, Mapping):
            found += leaves(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((f"{prefix}{key}", value))
    return found
