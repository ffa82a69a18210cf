"""A run that counted, as it is shown."""

import csv
import json
from io import StringIO

import msgspec
import pytest

from asgi_bench.analysis.counts import counts_report
from asgi_bench.analysis.history.counted import Counted
from asgi_bench.model import Cell, ClosedLoop, PlannedCell
from asgi_bench.model.counts import CountsReport, Life, Tally
from asgi_bench.reporting.counts import CountsFormat, counts_document, render_counts
from tests.reporting.document_words import tables_of, texts_of
from tests.synthetic_counts import CALLS, CELL, INSTRUCTIONS, counted_run

replace = msgspec.structs.replace
SKIPPED = Cell("granian", "default", 1, "hello", ClosedLoop(1))
COLUMNS = ("cell", "version", "counted", "per", "95%", "layouts", "by", "outcome")


def report_of(counted: Counted) -> CountsReport:
    """The report of a run that counted."""
    return counts_report(counted.header, counted.lives)


def with_parts(parts: dict[str, int]) -> Counted:
    """A run of which 3 system calls come to a request, among them so many of these."""
    run = counted_run()
    return run._replace(lives=tuple(_with(life, parts) for life in run.lives))


def _with(life: Life, parts: dict[str, int]) -> Life:
    if life.counter != "syscalls" or life.tally is None:
        return life
    each = {name: count * life.requests for name, count in parts.items()}
    waits = {"epoll_wait": 7 * life.requests}
    return replace(life, tally=Tally(life.tally.total, {"name": each, "wait": waits}, 1))


def test_each_counter_of_a_cell_is_a_row() -> None:
    """What comes to a request, how sure that is, and what counted it in how many layouts."""
    table = tables_of(counts_document(report_of(counted_run())))[0]
    instructions, calls = map(texts_of, table.rows)
    assert len(COLUMNS) == len(table.columns)
    found = dict(zip(COLUMNS, instructions, strict=True))
    assert float(found["per"].replace(",", "")) == pytest.approx(INSTRUCTIONS, rel=0.01)
    assert found["95%"].startswith("±") and found["95%"].endswith("%")
    assert (found["cell"], found["version"]) == (CELL.key, "1.2.3")
    assert (found["layouts"], found["by"], found["outcome"]) == ("4", "valgrind", "ok")
    assert calls[2:5] == ("system calls", f"{CALLS}.00", "±0")


def test_what_was_not_counted_is_told_with_its_reason() -> None:
    """A cell that failed or was skipped has a row without figures, and its reason below."""
    skipped = PlannedCell(SKIPPED, skip_reason="not installed: pip install granian")
    failing = counted_run(fails=True, cells=(skipped, PlannedCell(CELL, ("python",))))
    report = report_of(failing)
    assert [cell.outcome for cell in report.cells] == ["skipped", "failed"]
    table = tables_of(counts_document(report))[0]
    assert texts_of(table.rows[0]) == (SKIPPED.key, *("–",) * 6, "skipped")  # noqa: RUF001
    for format in ("text", "markdown"):
        text = " ".join(render_counts(report, format, width=200).split())
        assert f"{CELL.key}: was ended by SIGILL" in text
        assert f"{SKIPPED.key}: not installed: pip install granian" in text


def test_one_layout_has_no_interval() -> None:
    """Where nothing is known about the scatter none is shown."""
    run = counted_run()
    lives = tuple(life for life in run.lives if life.layout == 0)
    table = tables_of(counts_document(report_of(run._replace(lives=lives))))[0]
    assert [texts_of(row)[4:6] for row in table.rows] == [("–", "1")] * 2  # noqa: RUF001


def test_parts_and_the_rest_make_the_whole() -> None:
    """The largest parts come first with their shares, then one row of the rest; waits are apart."""
    report = report_of(with_parts({"recvfrom": 1, "sendto": 1, "?": 1}))
    _, parts, waits = tables_of(counts_document(report))
    assert parts.caption == f"{CELL.key}: system calls by system call"
    assert [texts_of(row) for row in parts.rows] == [
        ("recvfrom", "1.00", "33%"),
        ("sendto", "1.00", "33%"),
        ("all others", "1.00", "33%"),
    ]
    assert waits.caption.endswith("in which it waits, not counted above")
    assert [texts_of(row)[:2] for row in waits.rows] == [("epoll_wait", "7.00")]


def test_as_many_parts_as_a_screen_has_room_for() -> None:
    """Of twenty parts ten are named, and the others are told together."""
    report = report_of(with_parts({f"call{number:02}": 20 - number for number in range(20)}))
    parts = tables_of(counts_document(report))[1]
    assert [texts_of(row)[0] for row in parts.rows] == [
        *(f"call{number:02}" for number in range(10)),
        "all others",
    ]


def test_a_server_that_needed_more_to_be_counted_is_named() -> None:
    """Flags that a server has only where it is counted are told beside its counts."""
    cell = PlannedCell(CELL, ("python",), count_args=("--http", "h11"))
    text = render_counts(report_of(counted_run(cells=(cell,))), "text", width=400)
    assert f"{CELL.key} was counted with --http h11, as its runner file states." in text


@pytest.mark.parametrize("format", ["text", "markdown", "csv"])
def test_hostile_names_are_plain_text(format: CountsFormat) -> None:
    """A function or a reason may be called anything: no terminal obeys it."""
    run = with_parts({"work\x1b[31m|": 3})
    lives = (*run.lives[:-1], replace(run.lives[-1], tally=None, reason="\x1b[2Jdied"))
    for one in (run, run._replace(lives=lives)):
        assert "\x1b" not in render_counts(report_of(one), format)


def test_json_is_the_report() -> None:
    """What is printed as JSON reads back as what was reported."""
    report = report_of(with_parts({"recvfrom": 3}))
    text = render_counts(report, "json")
    assert json.loads(text)["schema"] == "asgi-bench/counts"
    assert msgspec.json.decode(text, type=CountsReport) == report


def test_csv_has_the_figures_in_full() -> None:
    """Each counter has a line with its bounds; where nothing was counted, one has the reason."""
    skipped = PlannedCell(SKIPPED, skip_reason="not installed")
    report = report_of(counted_run(cells=(PlannedCell(CELL, ("python",)), skipped)))
    lines = list(csv.DictReader(StringIO(render_counts(report, "csv"))))
    for line, figures in zip(lines, report.cells[0].figures, strict=False):
        assert (line["counter"], line["backend"]) == (figures.counter, figures.backend)
        assert float(line["value"]) == figures.per_request.value
        assert float(line["lower"]) == figures.per_request.lower
        assert line["layouts"] == "4" and line["outcome"] == "ok"
    assert (lines[2]["cell"], lines[2]["reason"]) == (SKIPPED.key, "not installed")
    assert lines[2]["value"] == lines[2]["counter"] == ""
