import msgspec
import pytest

from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.document import Table, shown
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.run.report import render_report
from asgi_bench.reporting.run.source import Source
from asgi_bench.reporting.run.workers import workers_section
from tests.reporting.document_words import document_of, sentences_of, texts_of
from tests.synthetic_run import CLOSED_64, OPEN_AND_SWEEP, planned_cells, synthetic_run

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def report() -> Report:
    """The report of a run with 1, 2 and 4 workers, in open loops too."""
    cells = planned_cells((CLOSED_64, OPEN_AND_SWEEP[0]), worker_counts=(1, 2, 4))
    return summarize(synthetic_run(cells))


def test_each_setting_has_its_worker_counts_together(report: Report) -> None:
    """A section a setting, rising; settings with one count are left out."""
    table, _ = shown(workers_section(Source(report)).blocks, "terminal")
    assert isinstance(table, Table)
    rows = [texts_of(row) for row in table.rows]
    assert len(rows) == 18
    for start in range(0, 18, 3):
        assert [texts[2] for texts in rows[start : start + 3]] == ["1", "2", "4"]
        assert len({texts[:2] for texts in rows[start : start + 3]}) == 1
    assert [row.starts_group for row in table.rows] == [False] * 3 + [True, False, False] * 5


def test_text_and_markdown_show_it_with_how_it_was_compared(report: Report) -> None:
    """Speed-up with its interval, what the interval holds, and that CPUs were oversubscribed."""
    text, markdown = render_report(report, "text"), render_report(report, "markdown")
    for output in (" ".join(text.split()), markdown):
        assert "Workers · hello · closed loop, 64 connections" in output
        assert "minutes apart" in output
        assert "oversubscribed" in output
    _, _, rest = text.partition("Workers · hello")
    table, _, _ = rest.partition("Commands and versions")
    assert all(len(line) <= WIDTH for line in table.splitlines())
    assert sum(line.startswith("gunicorn-uvicorn") for line in table.splitlines()) == 3


def test_a_run_without_a_reference_beside_both_says_so() -> None:
    """The reader must know what the interval does not hold."""
    cells = tuple(one for one in planned_cells() if one.cell.server == "granian")
    report = summarize(synthetic_run(cells))
    notes = " ".join(sentences_of(document_of(report)))
    assert "drift" in notes and "minutes apart" not in notes


def test_one_worker_count_has_no_table() -> None:
    """Nothing is shown of what wasn't compared."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,)), rounds=2))
    assert shown(workers_section(Source(report)).blocks, "page") == ()
    assert "Workers ·" not in render_report(report, "text")


def test_oversubscription_is_told_where_there_is_any(report: Report) -> None:
    """With a CPU for each worker there is nothing to warn of."""
    scaling = tuple(
        replace(one, points=tuple(replace(each, oversubscribed=False) for each in one.points))
        for one in report.scaling
    )
    for shown_report, is_told in ((report, True), (replace(report, scaling=scaling), False)):
        notes = " ".join(sentences_of(document_of(shown_report)))
        assert ("Over CPUs: oversubscribed" in notes) == is_told
