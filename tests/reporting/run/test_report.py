import csv
import io
import re
from typing import get_args

import msgspec
import pytest

from asgi_bench.analysis.report import CellReport, Report, SweepReport
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import Client, OpenLoop
from asgi_bench.reporting import numbers
from asgi_bench.reporting.columns import columns_of
from asgi_bench.reporting.groups import AnyGroup, group_cells, report_groups
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.run.findings import findings
from asgi_bench.reporting.run.ranking import ranking_table
from asgi_bench.reporting.run.report import render_report
from asgi_bench.reporting.run.report_csv import cell_columns
from asgi_bench.reporting.run.rows import CLIENT_WORDS, caption
from tests.reporting.document_words import document_of, tables_of, texts_of
from tests.synthetic_run import (
    CLOSED_64,
    OPEN_AND_SWEEP,
    planned_cells,
    synthetic_run,
    troubled_run,
)

replace = msgspec.structs.replace
HOSTILE = "<b>|x|</b> [red]a[/red] `id` $x$ \x1b[2J=1+1 *b* &amp; \u202eevil"


@pytest.fixture(scope="module")
def report() -> Report:
    """The report of a run with every kind of trouble."""
    return summarize(troubled_run())


@pytest.fixture(scope="module")
def mixed() -> Report:
    """The report of a run of a closed loop, open ones that some can't keep, and a sweep."""
    return summarize(synthetic_run(planned_cells((CLOSED_64, *OPEN_AND_SWEEP)), rounds=3))


def rows_of(group: AnyGroup) -> list[tuple[str, ...]]:
    """The texts of all rows of a group's table."""
    return [texts_of(row) for row in ranking_table(group).rows]


def cell_rows(group: AnyGroup) -> list[tuple[CellReport | SweepReport, tuple[str, ...]]]:
    """Each cell of a group with the texts of its row."""
    return list(zip(group.cells, rows_of(group), strict=True))


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


def csv_lines(report: Report, *about: str) -> list[dict[str, str]]:
    """The lines of CSV that are about these, in their order."""
    rows = csv.DictReader(io.StringIO(render_report(report, "csv")))
    return [row for row in rows if row["line"] in about]


@pytest.mark.parametrize("which", ["report", "mixed"])
def test_text_has_every_row_and_fits_its_width(which: str, request: pytest.FixtureRequest) -> None:
    """Every cell's texts stand on one line of at most 100 columns, whatever its load."""
    report: Report = request.getfixturevalue(which)
    lines = render_report(report, "text").splitlines()
    assert max(map(len, lines)) <= WIDTH == 100
    rows = [row for group in report_groups(report) for row in rows_of(group)]
    assert len(rows) == len(report.everything)
    for row in rows:
        assert any(line.split() == " ".join(row).split() for line in lines)


def test_json_reads_back_as_the_document(report: Report) -> None:
    """Nothing is lost or rounded in JSON."""
    assert msgspec.json.decode(render_report(report, "json"), type=Report) == report


def test_csv_has_every_figure_of_json(report: Report) -> None:
    """Each cell is a line, and each figure of the document a column with the same value."""
    rows = csv_lines(report, "cell")
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
        if field.name in ("by_request", "metrics"):
            continue  # each has a line, or a column, of its own where there are any
        assert any(c == field.name or c.startswith(f"{field.name}.") for c in columns)
    assert {"load.loop", "load.connections", "load.rate_rps", "rank.best"} <= columns


def test_invalid_last_and_unranked(report: Report) -> None:
    """Invalid, failed and skipped rows come last, without a place; five rounds decide no other."""
    for group in report_groups(report):
        for section in group.sections:
            rows = cell_rows(group)
            places = [texts[0] for cell, texts in rows if cell.workers == section.workers]
            ranked = len(section.ranked)
            assert set(places[:ranked]) == {f"1{numbers.UNTIL}{ranked}"}
            assert set(places[ranked:]) <= {numbers.MISSING}


def test_reference_has_no_interval_of_its_own(report: Report) -> None:
    """The reference's ratio is 1 by definition, not by measurement."""
    (group,) = report_groups(report)
    columns = columns_of(CLOSED_64)
    places = [place for place, column in enumerate(columns) if column.unit == "ratio"]
    rows = cell_rows(group)
    ratios = {cell.cell: [texts[place] for place in places] for cell, texts in rows}
    assert ratios["uvicorn/default/w1/hello/c64"] == ["1", "1"]


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
    for group in report_groups(healthy):
        for row in rows_of(group):
            assert all(figure in text for figure in row[3:])


def test_hostile_text_stays_text() -> None:
    """Markup, escape sequences, formulas and overrides from outside show as letters."""
    hostile = hostile_report()
    text = render_report(hostile, "text", width=400)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]a[/red]" in text
    markdown = render_report(hostile, "markdown")
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    widths = {len(texts_of(each.rows[0])) + 2 for each in tables_of(document_of(hostile))}
    assert {len(re.split(r"(?<!\\)\|", line)) for line in tables} == widths
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


def test_every_client_has_its_words() -> None:
    """What a caption says of a client is there for all of them, and one from elsewhere is named."""
    report = summarize(synthetic_run(planned_cells()[:1], rounds=1))
    assert CLIENT_WORDS.keys() == set(get_args(Client))
    for client in (*get_args(Client), "wrk\x1b[0m"):
        cells = (replace(report.cells[0], client=client),)
        (group,) = group_cells(cells)
        expected = CLIENT_WORDS.get(client, "sent by wrk")
        assert caption(group).endswith(expected)


@pytest.mark.parametrize("format", ["text", "json", "markdown", "csv"])
def test_run_without_cells_is_a_report(format: str) -> None:
    """An empty plan gives an empty report, not a crash."""
    run = synthetic_run((), rounds=1)
    assert render_report(summarize(run), format).strip()  # type: ignore[arg-type]


def column_of(report: Report, loop: str, title: str) -> dict[str, str]:
    """A column of the table of a kind of load by cell."""
    found: dict[str, str] = {}
    for group in report_groups(report):
        if loop in type(group.load).__name__.lower():
            place = [column.title for column in columns_of(group.load)].index(title)
            rows = cell_rows(group)
            found |= {cell.cell: texts[place] for cell, texts in rows}
    return found


def test_open_loop_table_has_its_own_columns(mixed: Report) -> None:
    """Offered rate, what was kept of it, response and service times, lag: each from its key."""
    cells = {cell.cell: cell for cell in mixed.cells if isinstance(cell.load, OpenLoop)}
    p999, service = (column_of(mixed, "open", title) for title in ("p99.9", "service"))
    kept, lag = column_of(mixed, "open", "kept"), column_of(mixed, "open", "lag")
    assert p999.keys() == cells.keys()
    for key, cell in cells.items():
        assert p999[key] == numbers.milliseconds(cell.response_time_s.p999)
        assert service[key] == numbers.milliseconds(cell.service_time_s.p50)
        assert lag[key] == numbers.microseconds(cell.generator_lag_s.p99)
        assert float(kept[key]) == pytest.approx((cell.rate_ratio or 0) * 100, abs=0.1)


def test_overloaded_cell_says_so_and_has_no_percentiles(mixed: Report) -> None:
    """Who can't keep the rate stands below the ranked ones, named overloaded, with a finding."""
    verdicts, p50 = column_of(mixed, "open", "validity"), column_of(mixed, "open", "p50")
    places = column_of(mixed, "open", "#")
    overloaded = {cell.cell for cell in mixed.cells if cell.overloaded}
    assert overloaded
    assert {key for key, verdict in verdicts.items() if verdict == "overloaded"} == overloaded
    assert (
        {p50[key] for key in overloaded} == {places[key] for key in overloaded} == {numbers.MISSING}
    )
    told = [f for f in findings(mixed) if "more than the server can handle" in f.text]
    assert {cell for finding in told for cell in finding.cells} >= overloaded


def test_open_loop_is_not_said_to_be_at_saturation(mixed: Report) -> None:
    """Each loop's times are named for what they are, in a run with several kinds of load."""
    for text in (render_report(mixed, "text"), render_report(mixed, "markdown")):
        flat = " ".join(text.split())
        assert "Closed loop. p50, p99: response time at saturation." in flat
        assert "p99.9: response time from the intended time" in flat
        assert "Highest: the highest rate that met p99 ≤ 20 ms." in flat.replace("\\", "")
    only = summarize(synthetic_run(planned_cells(OPEN_AND_SWEEP), rounds=1))
    assert "saturation" not in render_report(only, "text")


def test_sweep_table_shows_the_curve(mixed: Report) -> None:
    """The highest rate with its interval, and p99 at each of the last shares below 1."""
    highest, saturated = (column_of(mixed, "sweep", title) for title in ("highest", "saturated"))
    first_p99 = column_of(mixed, "sweep", "p99 at")
    for sweep in mixed.sweeps:
        rate = sweep.highest_rate_rps
        assert highest[sweep.cell] == numbers.with_interval(numbers.rate(rate.value), rate)
        assert saturated[sweep.cell] == numbers.rate(sweep.saturation_rps.value)
        quarter = next(point for point in sweep.points if point.share == 0.25)
        assert first_p99[sweep.cell] == numbers.milliseconds(quarter.response_time_s.p99)


def test_lower_bound_of_the_highest_rate_is_marked(mixed: Report) -> None:
    """Where no rate broke the objective, the figure is an at least."""
    sweeps = (replace(mixed.sweeps[0], highest_rate_is_least=True),)
    shown = column_of(replace(mixed, sweeps=sweeps), "sweep", "highest")
    assert [text[0] for text in shown.values()] == ["≥"]


def test_csv_has_a_line_for_each_point_of_a_sweep(mixed: Report) -> None:
    """After the cells come the points, in the columns of a cell under that rate."""
    rows = csv_lines(mixed, "cell", "point")
    points = [(sweep, point) for sweep in mixed.sweeps for point in sweep.points]
    assert [row["cell"] for row in rows] == [
        *(cell.cell for cell in mixed.cells),
        *(sweep.cell for sweep, _ in points),
    ]
    for row, (sweep, point) in zip(rows[len(mixed.cells) :], points, strict=True):
        assert row["load.loop"] == "sweep"
        assert row["share"] == str(point.share)
        assert row["offered_rps"] == str(point.offered_rps)
        assert row["throughput_rps.value"] == str(point.throughput_rps.value)
        assert row["response_time_s.p99"] == str(point.response_time_s.p99 or "")
        assert row["overloaded"] == str(point.overloaded).lower()
        assert row["highest_rate_rps.lower"] == str(sweep.highest_rate_rps.lower or "")
        assert row["objective.limit_s"] == "0.02"
    assert {row["share"] for row in rows[: len(mixed.cells)]} == {""}


def test_sweep_without_points_keeps_its_line(mixed: Report) -> None:
    """A sweep that failed or was skipped is one line in CSV and one row in the table."""
    empty = summarize(synthetic_run(planned_cells(OPEN_AND_SWEEP[-1:])[:1], rounds=0))
    (row,) = csv.DictReader(io.StringIO(render_report(empty, "csv")))
    assert (row["outcome"], row["share"]) == ("skipped", "")
    assert any(line.endswith(" skipped") for line in render_report(empty, "text").splitlines())


def test_json_of_open_loops_and_sweeps_reads_back(mixed: Report) -> None:
    """Loads of every kind come back as what they were."""
    assert msgspec.json.decode(render_report(mixed, "json"), type=Report) == mixed
