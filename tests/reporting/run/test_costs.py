import msgspec

from asgi_bench.analysis.estimates import Costs
from asgi_bench.analysis.report import Report
from asgi_bench.analysis.summary import summarize
from asgi_bench.model import OpenLoop
from asgi_bench.reporting.document import Table, shown
from asgi_bench.reporting.groups import report_groups
from asgi_bench.reporting.render.terminal import WIDTH
from asgi_bench.reporting.run.costs import cost_tables, costs_section
from asgi_bench.reporting.run.report import render_report
from asgi_bench.reporting.run.source import Source
from tests.synthetic_run import CLOSED_64, OPEN_AND_SWEEP, planned_cells, synthetic_run

replace = msgspec.structs.replace
OF_PROCESS = {"idle", "peak", "start", "stop"}


def report_of(*loads: OpenLoop) -> Report:
    """The report of a run in closed and open loops."""
    return summarize(synthetic_run(planned_cells((CLOSED_64, *loads)), rounds=3))


def titles(table: Table) -> set[str]:
    """The titles of a table's columns."""
    return {column.title for column in table.columns}


def test_what_a_process_costs_stands_with_the_closed_loops() -> None:
    """Cells of one process share its memory, start and stop: once is enough."""
    closed, opened = cost_tables(report_groups(report_of(OpenLoop(3000))))
    assert titles(closed) >= OF_PROCESS
    assert not titles(opened) & OF_PROCESS
    assert titles(opened) >= {"user", "sys", "waits", "lost"}


def test_without_a_closed_loop_the_open_ones_tell_it() -> None:
    """A run at given rates alone has no other table for its memory."""
    run = synthetic_run(planned_cells((OpenLoop(500),)), rounds=3)
    (table,) = cost_tables(report_groups(summarize(run)))
    assert titles(table) >= OF_PROCESS | {"loaded"}


def test_a_sweep_and_a_run_without_figures_have_no_table() -> None:
    """Columns without a single figure are left out, tables without columns too."""
    sweep = summarize(synthetic_run(planned_cells(OPEN_AND_SWEEP[2:]), rounds=3))
    assert cost_tables(report_groups(sweep)) == ()
    report = report_of()
    bare = replace(report, cells=tuple(replace(c, costs=Costs()) for c in report.cells))
    assert cost_tables(report_groups(bare)) == ()
    assert shown(costs_section(Source(bare)).blocks, "page") == ()


def test_the_text_keeps_its_width_with_energy_too() -> None:
    """The widest shipped rows fit, on a machine that tells its energy too."""
    run = synthetic_run(edit=lambda trial: replace(trial, machine_energy_j=12.3))
    text = render_report(summarize(run), "text")
    assert "energy of" in " ".join(text.split())
    assert all(len(line) <= WIDTH for line in text.splitlines())
    costs = text.partition("Costs · ")[2].partition("Workers · ")[0]
    assert sum(line.startswith("gunicorn-uvicorn") for line in costs.splitlines()) == 2
