import pytest

from asgi_bench.analysis.document import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.reporting.documents import render_report
from asgi_bench.reporting.scaling import scaling_notes, scaling_tables
from asgi_bench.reporting.settings import TITLE
from asgi_bench.reporting.tables import WIDTH
from tests.synthetic_run import CLOSED_64, OPEN_AND_SWEEP, planned_cells, synthetic_run


@pytest.fixture(scope="module")
def report() -> Report:
    """The report of a run with 1, 2 and 4 workers, in open loops too."""
    cells = planned_cells((CLOSED_64, OPEN_AND_SWEEP[0]), worker_counts=(1, 2, 4))
    return summarize(synthetic_run(cells))


def test_each_setting_has_its_worker_counts_together(report: Report) -> None:
    """A section a setting, rising; settings with one count are left out."""
    (table,) = scaling_tables(report)
    sections = list(table.sections())
    assert len(sections) == 6
    for section in sections:
        assert [row.texts[2] for row in section] == ["1", "2", "4"]
        assert len({row.texts[:2] for row in section}) == 1


def test_text_and_markdown_show_it_with_how_it_was_compared(report: Report) -> None:
    """Speed-up with its interval, what the interval holds, and that CPUs were oversubscribed."""
    text, markdown = render_report(report, "text"), render_report(report, "markdown")
    for output in (" ".join(text.split()), markdown):
        assert "Workers · hello · closed loop, 64 connections" in output
        assert "minutes apart" in output
        assert "oversubscribed" in output
    _, _, rest = text.partition("Workers · hello")
    table, _, _ = rest.partition(TITLE)
    assert all(len(line) <= WIDTH for line in table.splitlines())
    assert sum(line.startswith("gunicorn-uvicorn") for line in table.splitlines()) == 3


def test_a_run_without_a_reference_beside_both_says_so() -> None:
    """The reader must know what the interval does not hold."""
    cells = tuple(one for one in planned_cells() if one.cell.server == "granian")
    report = summarize(synthetic_run(cells))
    notes = scaling_notes(scaling_tables(report), report.run.reference)
    assert "drift" in notes and "minutes apart" not in notes


def test_one_worker_count_has_no_table() -> None:
    """Nothing is shown of what wasn't compared."""
    report = summarize(synthetic_run(planned_cells(worker_counts=(1,)), rounds=2))
    assert scaling_tables(report) == ()
    assert "Workers ·" not in render_report(report, "text")
