import csv
import io
import re

import msgspec
import pytest

from asgi_bench.analysis.document import CellReport, Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting import numbers
from asgi_bench.reporting.delimited import cell_columns
from asgi_bench.reporting.documents import render_report
from asgi_bench.reporting.groups import group_cells
from asgi_bench.reporting.rows import COLUMNS, section_rows
from asgi_bench.reporting.wording import findings
from tests.synthetic_run import MACHINE, planned_cells, synthetic_run, troubled_run

replace = msgspec.structs.replace
HOSTILE = "<b>|x|</b> [red]a[/red] `id` $x$ \x1b[2J=1+1 *b* &amp; \u202eevil"


@pytest.fixture(scope="module")
def report() -> Report:
    """The report of a run with every kind of trouble."""
    return summarize(troubled_run())


def hostile_report() -> Report:
    """A report whose every outside text tries to be more than text."""
    clean = summarize(troubled_run())
    cells = tuple(
        replace(cell, variant=HOSTILE, cell=f"a/{HOSTILE}/w1", reason=HOSTILE)
        for cell in clean.cells
    )
    machine = replace(clean.run.machine, cpu_model=HOSTILE, os=HOSTILE)
    return replace(clean, cells=cells, run=replace(clean.run, id=HOSTILE, machine=machine))


def markdown_cells(line: str) -> list[str]:
    """The cells of a line of a Markdown table, as they are shown."""
    parts = re.split(r"(?<!\\)\|", line)[1:-1]
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in parts]


def test_text_has_every_row_and_fits_100_columns(report: Report) -> None:
    """Every cell's texts stand on one line of at most 100 columns."""
    lines = render_report(report, "text").splitlines()
    assert max(map(len, lines)) <= 100
    rows = [row for g in group_cells(report.cells) for s in g.sections for row in section_rows(s)]
    assert len(rows) == len(report.cells)
    for row in rows:
        assert any(line.split() == " ".join(row.texts).split() for line in lines)


def test_text_and_markdown_have_the_same_facts(report: Report) -> None:
    """Rows, findings and the run's facts are the same in both."""
    text, markdown = render_report(report, "text"), render_report(report, "markdown")
    table = [markdown_cells(line) for line in markdown.splitlines() if line.startswith("|")]
    rows = [row for g in group_cells(report.cells) for s in g.sections for row in section_rows(s)]
    assert table[2:] == [list(row.texts) for row in rows]
    assert [len(line) for line in table] == [len(COLUMNS)] * len(table)
    flat, shown = " ".join(text.split()), re.sub(r"\\(.)", r"\1", markdown)
    for finding in findings(report):
        for output in (flat, shown):
            assert finding.text in output
            assert finding.subject in output
    for fact in (MACHINE.cpu_model, "2026-11-22 19:00 UTC", "seed 20261122", "64 connections"):
        assert fact in flat
        assert fact in shown


def test_json_reads_back_as_the_document(report: Report) -> None:
    """Nothing is lost or rounded in JSON."""
    assert msgspec.json.decode(render_report(report, "json"), type=Report) == report


def test_csv_has_every_figure_of_json(report: Report) -> None:
    """Each cell is a line, and each figure of the document a column with the same value."""
    rows = list(csv.DictReader(io.StringIO(render_report(report, "csv"))))
    assert [row["cell"] for row in rows] == [cell.cell for cell in report.cells]
    for row, cell in zip(rows, report.cells, strict=True):
        assert row["throughput_rps.value"] == str(cell.throughput_rps.value or "")
        assert row["response_time_s.p99"] == str(cell.response_time_s.p99 or "")
        assert row["errors.total"] == str(cell.errors.total)
        assert row["load.connections"] == "64"
        assert row["oversubscribed"] == str(cell.oversubscribed).lower()
        assert row["outcome"] == cell.outcome
        for reason in cell.validity_reasons:
            assert f"{reason.code}: {reason.text}" in row["validity_reasons"]


def test_csv_columns_are_those_of_the_document(report: Report) -> None:
    """Columns don't depend on the run: null or not, every key of a cell has its own."""
    empty = summarize(synthetic_run(planned_cells()[:1], rounds=0))
    headers = [render_report(each, "csv").splitlines()[0] for each in (report, empty)]
    assert headers[0] == headers[1]
    columns = set(cell_columns())
    for field in msgspec.structs.fields(CellReport):
        assert any(c == field.name or c.startswith(f"{field.name}.") for c in columns)
    assert {"load.loop", "load.connections", "load.rate_rps", "rank.best"} <= columns


def test_invalid_last_and_unranked(report: Report) -> None:
    """Invalid, failed and skipped rows come after the others, without a place."""
    for group in group_cells(report.cells):
        for section in group.sections:
            places = [row.texts[0] for row in section_rows(section)]
            ranked = len(section.ranked)
            assert places[:ranked] == [str(place) for place in range(1, ranked + 1)]
            assert set(places[ranked:]) <= {numbers.MISSING}


def test_reference_has_no_interval_of_its_own(report: Report) -> None:
    """The reference's ratio is 1 by definition, not by measurement."""
    (group,) = group_cells(report.cells)
    ratios = {row.cell.cell: row.texts[5] for row in section_rows(group.sections[0])}
    assert ratios["uvicorn/default/w1/hello/c64"] == "1"


def test_colour_only_where_asked(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without colour there is not one escape sequence, with it the same text beneath."""
    for variable in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.setenv(variable, "1")
    plain, colored = render_report(report, "text"), render_report(report, "text", color=True)
    assert "\x1b" not in plain
    assert re.search(r"\x1b\[[0-9;]*31m", colored)
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in stripped.splitlines()] == plain.splitlines()


def test_narrow_terminal_folds_names_but_no_numbers() -> None:
    """At 80 columns every figure is still whole."""
    healthy = summarize(synthetic_run(rounds=3))
    text = render_report(healthy, "text", width=80)
    assert max(map(len, text.splitlines())) <= 80
    for group in group_cells(healthy.cells):
        for row in (row for section in group.sections for row in section_rows(section)):
            assert all(figure in text for figure in row.texts[3:])


def test_hostile_text_stays_text() -> None:
    """Markup, escape sequences, formulas and overrides from outside show as letters."""
    hostile = hostile_report()
    text = render_report(hostile, "text", width=400)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]a[/red]" in text
    markdown = render_report(hostile, "markdown")
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in tables} == {len(COLUMNS) + 2}
    assert not re.search(r"(?<!\\)<", markdown)
    assert not re.search(r"(?<!\\)`", markdown)
    rows = list(csv.reader(io.StringIO(render_report(hostile, "csv"))))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not any(field.startswith(("=", "+", "-", "@")) for row in rows for field in row)
    assert msgspec.json.decode(render_report(hostile, "json"), type=Report) == hostile


def test_formula_in_csv_is_text() -> None:
    """A name that a spreadsheet would run as a formula is marked as text."""
    report = summarize(synthetic_run(planned_cells()[:1], rounds=1))
    cells = (replace(report.cells[0], variant="=HYPERLINK(1)"),)
    (row,) = csv.DictReader(io.StringIO(render_report(replace(report, cells=cells), "csv")))
    assert row["variant"] == "'=HYPERLINK(1)"


def test_stock_client_is_named() -> None:
    """Figures that Locust's own users made say so, for they weren't interleaved."""
    report = summarize(synthetic_run(planned_cells()[:1], rounds=1))
    cells = (replace(report.cells[0], client="fasthttp"),)
    stock = replace(report, cells=cells)
    for text in (render_report(stock, "text"), render_report(stock, "markdown")):
        assert "FastHttpUser, not interleaved" in text


@pytest.mark.parametrize("format", ["text", "json", "markdown", "csv"])
def test_run_without_cells_is_a_report(format: str) -> None:
    """An empty plan gives an empty report, not a crash."""
    run = synthetic_run((), rounds=1)
    assert render_report(summarize(run), format).strip()  # type: ignore[arg-type]
