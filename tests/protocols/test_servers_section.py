"""What docs/servers.md says of a run of all servers, and of one over interpreters."""

from pathlib import Path

import msgspec

from asgi_bench.model import PlannedCell, Run
from servers.section import interpreters_page, servers_page
from tests.synthetic_interpreters import interpreters_run
from tests.synthetic_run import planned_cells, store_run, synthetic_run


def stored(run: Run, root: Path) -> Path:
    """A folder with that run and a chart of each kind."""
    folder = store_run(run, root / "recorded")
    (folder / "charts").mkdir()
    for name in ("throughput-hello-c64.svg", "interpreters-hello-c64.svg"):
        (folder / "charts" / name).touch()
    return root / "recorded"


def test_a_run_of_all_servers_is_a_table(tmp_path: Path) -> None:
    """With its chart, its versions, how sure it is, and what to know beside it."""
    run = synthetic_run(planned_cells(worker_counts=(1,)), rounds=6)
    page = servers_page(stored(run, tmp_path), tmp_path / "docs")
    assert "](../recorded/" in page
    assert "throughput-hello-c64.svg)" in page
    assert "| granian | default | 1 |" in page
    assert "Versions: daphne 1.2.3, " in page
    assert "p < 0.05" in page


def test_interpreters_are_a_table_and_what_needs_another_stands_below(tmp_path: Path) -> None:
    """A server that can't be had for some says what it needs; without a run there is a command."""

    def left_out(planned: PlannedCell) -> PlannedCell:
        if planned.cell.server != "daphne":
            return planned
        reason = "can't be installed: needs Python >=3.14"
        return msgspec.structs.replace(planned, skip_reason=reason)

    run = interpreters_run()
    plan = run.header.plan
    cells = tuple(map(left_out, plan.cells))
    header = msgspec.structs.replace(run.header, plan=msgspec.structs.replace(plan, cells=cells))
    trials = tuple(one for one in run.trials if not one.cell.startswith("daphne/"))
    run = msgspec.structs.replace(run, header=header, trials=trials)
    assert "scripts/record" in interpreters_page(tmp_path / "none", tmp_path / "docs")
    page = interpreters_page(stored(run, tmp_path), tmp_path / "docs")
    assert "interpreters-hello-c64.svg)" in page
    assert "\n### hello · closed loop, 64 connections\n" in page
    assert "| uvicorn | default@3.12 |" in page
    assert "- daphne under 3.11, 3.12, 3.14t: not run: needs Python \\>=3.14" in page
