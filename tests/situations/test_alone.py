"""One bad thing costs itself alone: whole commands."""

import subprocess
from pathlib import Path

import pytest

from asgi_bench.machine.lock import measuring_lock
from asgi_bench.store.runs import read_run
from tests.command_line import COMMAND, LOCK_PATIENCE_S, LONGEST_RUN_S, TINY, in_process
from tests.situation import Said, situation

NEEDS_LIFESPAN = """
POOL = {}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        POOL["ready"] = b"Hello"
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = POOL["ready"]
    head = {"type": "http.response.start", "status": 200}
    await send(head | {"headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.slow
@situation(
    "alone",
    "Your app needs its start-up, and one of the servers never runs it",
    says="failed daphne/default/w1/required: answered status 500, expected 200… (daphne has no "
    "lifespan: it never runs the app's start-up)",
)
def test_a_server_without_lifespan_fails_alone(said: Said, tmp_path: Path) -> None:
    """The other servers are checked with the answer that they give."""
    (tmp_path / "required.py").write_text(NEEDS_LIFESPAN)
    finished = in_process(
        *("check", "required:app", "-s", "daphne", "-s", "granian", "--variant", "default"),
        *("-w", "1"),
        folder=tmp_path,
    )
    said(finished.stdout)
    assert "ok       granian/default/w1/required" in finished.stdout
    assert finished.code == 1


@pytest.mark.slow
@situation(
    "alone",
    "Nobody reads the progress any longer, as in `asgi-bench run 2>&1 >out | head -1`: the run "
    "goes on",
    says="report.html",
)
def test_a_closed_stderr_costs_no_run(said: Said, tmp_path: Path) -> None:
    """Every trial is measured, and the report is written."""
    argv = [str(COMMAND), "run", *TINY, "--rounds", "1", "--duration", "300ms", "--client", "http"]
    with measuring_lock(LOCK_PATIENCE_S):
        pass
    with (tmp_path / "out").open("w") as out:
        run = subprocess.Popen(
            [*argv, "--wait", "300s"], cwd=tmp_path, stdout=out, stderr=subprocess.PIPE
        )
    assert run.stderr is not None
    run.stderr.close()
    assert run.wait(LONGEST_RUN_S) == 0
    lines = (tmp_path / "out").read_text().splitlines()
    said(lines[-2])
    assert [trial.outcome for trial in read_run(tmp_path / lines[-1]).trials] == ["ok"]
