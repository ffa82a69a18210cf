"""Adding a server: one file in an empty folder, and nothing else."""

import json
from pathlib import Path
from typing import get_args

import pytest

from asgi_bench.cli.report import AnyFormat
from asgi_bench.reporting.exports.formats import ExportFormat
from tests.command_line import SERVERS, in_process

RUNNER = """
command = ["{{python}}", "-I", "-S", "{here}/server.py", "{{port}}", "--workers", "{{workers}}"]
"""


@pytest.mark.slow
def test_one_file_is_all_that_a_new_server_takes(tmp_path: Path) -> None:
    """It is listed, checked and measured, and stands in every report, table and export."""
    folder = tmp_path / "runners"
    folder.mkdir()
    (folder / "newcomer.toml").write_text(RUNNER.format(here=SERVERS))
    mine = ("--runners", str(folder))
    listed = json.loads(in_process("list", "--json", *mine, folder=tmp_path).stdout)
    assert "newcomer" in [server["name"] for server in listed["servers"]]
    checked = in_process("check", "-s", "newcomer", "-w", "1,2", *mine, folder=tmp_path)
    assert checked.stdout.splitlines()[-1] == "2 ok, 0 failed, 0 skipped"
    run = in_process(
        *("run", "-s", "newcomer", "-w", "1,2", "-c", "2", "--rounds", "2", "--duration", "100ms"),
        *mine,
        folder=tmp_path,
    )
    assert run.code == 0, run.stderr
    assert "newcomer" in run.stdout
    for form in get_args(AnyFormat):
        told = in_process("report", str(run.run_folder), "--format", form, folder=tmp_path).stdout
        text = Path(told.splitlines()[-1]).read_text() if form == "html" else told
        assert "newcomer" in text, form
    for other in ExportFormat:
        done = in_process(
            *("export", str(run.run_folder), "--format", str(other), "--to", f"out-{other}"),
            folder=tmp_path,
        )
        assert done.code == 0, done.stderr
    assert (run.run_folder / "charts").is_dir()
