import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser

import msgspec
import pytest

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import Survey, survey
from asgi_bench.model import Goal, Proof, Run
from asgi_bench.reporting.pages import render_page
from asgi_bench.reporting.run.report import render_report
from asgi_bench.reporting.wording import plain
from tests.reporting.document_words import document_of, sentences_of, tables_of, texts_of
from tests.synthetic_behaviour import BEHAVIOURS
from tests.synthetic_interpreters import interpreters_run
from tests.synthetic_levels import turning_run
from tests.synthetic_requests import requests_run
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    synthetic_run,
    troubled_run,
)
from tests.synthetic_streams import streams_run
from tests.synthetic_ways import ways_run

RUNS: Mapping[str, Run] = {
    "mixed": synthetic_run(planned_cells((CLOSED_64, *OPEN_AND_SWEEP)), rounds=6),
    "troubled": troubled_run(6),
    "requests": requests_run(6),
    "levels": turning_run(),
    "ways": ways_run(),
    "streams": streams_run(),
    "interpreters": interpreters_run(),
}
PROOFS = (
    Proof(
        setting="uvicorn/default/w1",
        loop="uvloop.Loop",
        tcp_nodelay=True,
        packages={"uvloop": "0.23.0"},
        worker_pids=(4711, 4712),
    ),
    Proof(setting="daphne/default/w1", unproven="it took no app"),
)
# Where CSV has each part of the document; what it is about stands in the columns of a cell.
CSV_PREFIXES: Mapping[str, str] = {
    "run": "run.",
    "cells": "",
    "sweeps": "",
    "settings": "setting.",
    "scaling": "scaling.",
    "ways": "ways.",
    "setup_ratios": "setup_ratios.",
    "interpreters": "interpreter.",
    "levels": "levels.",
    "behaviour": "behaviour.",
    "comparisons": "comparisons.",
    "latency_comparisons": "comparisons.",
}
# A line each, or in one field with the others.
CSV_NAMES: Mapping[str, str] = {
    "points.": "",
    "by_request.": "request.",
    "setting": "cell",
    "a": "cell",
}
# Left to JSON, as the docstring says.
NOT_IN_CSV = re.compile(r"validity_reasons\.(level|value|limit)")


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
def found(request: pytest.FixtureRequest) -> Survey:
    """A run of every kind of load, and one with every kind of trouble."""
    run = RUNS[request.param]
    plan = msgspec.structs.replace(run.header.plan, goal=Goal(precision=0.02, looks=(3, 6)))
    header = msgspec.structs.replace(run.header, plan=plan)
    proofs = run.proofs or PROOFS
    run = msgspec.structs.replace(run, header=header, behaviours=BEHAVIOURS, proofs=proofs)
    return survey(run)


def expected_rows(report: Report) -> list[tuple[str, ...]]:
    """The texts of every row: rankings, costs, workers, behaviour."""
    return [texts_of(row) for table in tables_of(document_of(report)) for row in table.rows]


def flat(texts: Sequence[str]) -> str:
    """Texts in one line, single spaces between them."""
    return " ".join(" ".join(texts).split())


def test_people_read_the_same_in_every_format(found: Survey) -> None:
    """Text, Markdown and page have the same rows, to the letter, and the same findings."""
    report = found.report
    reader = TableReader()
    reader.feed(render_page(found, ()))
    escaped = render_report(report, "markdown")
    markdown = re.sub(r"\\(.)", r"\1", escaped)
    text = render_report(report, "text", width=400)
    lines = {
        "page": {flat(row) for row in reader.rows},
        "markdown": {
            re.sub(r"\\(.)", r"\1", flat(re.split(r"(?<!\\)\|", line)))
            for line in escaped.splitlines()
        },
        "text": {flat([line]) for line in text.splitlines()},
    }
    for row in expected_rows(report):
        for name, shown in lines.items():
            assert flat(row) in shown, (name, row)
    everything = {"page": reader.text, "markdown": markdown.replace("**", ""), "text": text}
    for sentence in sentences_of(document_of(report)):
        for name, shown_text in everything.items():
            assert flat([sentence]) in flat([shown_text]), (name, sentence)
    for name in ("page", "markdown") if found.run.proofs == PROOFS else ():
        assert "seen from inside: it took no app" in everything[name]


def test_programs_read_the_figures_behind_them(found: Survey) -> None:
    """JSON gives back the document that the rows were made of, and CSV each of its figures."""
    report = found.report
    back = msgspec.json.decode(render_report(report, "json"), type=Report)
    assert expected_rows(back) == expected_rows(report)
    rows = list(csv.DictReader(io.StringIO(render_report(report, "csv"))))
    by_cell = {row["cell"]: row for row in rows if row["line"] in ("cell", "point")}
    for cell in report.everything:
        figures = dict(numbers_of(msgspec.to_builtins(cell)))
        row = by_cell[cell.cell]
        for name, value in figures.items():
            assert row[name] == str(value), (cell.cell, name)


def test_csv_has_every_part_of_the_document(found: Survey) -> None:
    """Each fact of the whole document, whatever its part, stands in its column of CSV."""
    report = found.report
    rows = list(csv.DictReader(io.StringIO(render_report(report, "csv"))))
    columns = {name: " ".join(dict.fromkeys(row[name] for row in rows)) for name in rows[0]}
    document = msgspec.to_builtins(report)
    assert document.keys() == CSV_PREFIXES.keys() | {"schema", "version"}
    for part, prefix in CSV_PREFIXES.items():
        for name, text in facts_of(document[part]):
            if NOT_IN_CSV.match(name):
                continue
            assert text in columns[csv_column(columns, prefix, name)], (part, name)
    of_pairs = {row["cell"]: {**row} for row in rows if row["line"] == "cell"}
    for cell in report.cells:
        pairs = [p for p in (*report.comparisons, *report.latency_comparisons) if p.a == cell.cell]
        for name in ("b", "metric", "p_adjusted", "reason"):
            expected = "; ".join(str(getattr(pair, name) or "null") for pair in pairs)
            assert of_pairs[cell.cell][f"comparisons.{name}"] == expected


def csv_column(columns: Mapping[str, str], prefix: str, name: str) -> str:
    """The column of a fact: its own, that of the table it is an entry of, or the cell's."""
    for own, other in CSV_NAMES.items():
        name = name.replace(own, other, 1) if own.endswith(".") else name
    outer = f"{prefix}{name}".rpartition(".")[0]
    candidates = (f"{prefix}{name}", outer, name, CSV_NAMES.get(name, ""))
    return next(column for column in candidates if column in columns)


def facts_of(nested: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Each value under its dotted name, as CSV shows it; of lists each entry; without nulls."""
    match nested:
        case {**entries}:
            for key, value in entries.items():
                yield from facts_of(value, f"{name}.{key}" if name else str(key))
        case [*members]:
            for value in members:
                yield from facts_of(value, name)
        case None:
            pass
        case bool():
            yield name, str(nested).lower()
        case _:
            yield name, plain(str(nested))


def numbers_of(nested: Mapping[str, object], prefix: str = "") -> list[tuple[str, float | int]]:
    """The numbers of a cell by their dotted names."""
    found: list[tuple[str, float | int]] = []
    for key, value in nested.items():
        if isinstance(value, Mapping):
            found += numbers_of(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((f"{prefix}{key}", value))
    return found
