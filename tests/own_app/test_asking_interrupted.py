"""Ctrl-C while the right answer is being found out, before there is a run folder."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.command_line import COMMAND, LOCK_PATIENCE_S, REFUSED

# The import before any server is by `python -c`; only servers leave their pid.
APP = """
import os, pathlib, sys, time
if sys.argv[0] != "-c":
    pathlib.Path(f"{os.getpid()}.pid").touch()
    time.sleep(20)
async def app(scope, receive, send): ...
"""
ARGS = ("check", "app:app", "-s", "uvicorn", "--variant", "default", "-w", "1")


def _interrupted(folder: Path) -> tuple[int, str]:
    """Exit code and stderr of a check that is interrupted once servers import the app."""
    with (folder / "err").open("w") as stderr:
        process = subprocess.Popen(
            [COMMAND, *ARGS], cwd=folder, stderr=stderr, stdout=subprocess.DEVNULL
        )
        try:
            # Whoever is refused the lock ends by itself.
            while process.poll() is None and len(list(folder.glob("*.pid"))) < 2:
                time.sleep(0.02)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            code = process.wait(30)
        finally:
            if process.poll() is None:
                process.kill()
    return code, (folder / "err").read_text()


@pytest.mark.slow
def test_no_server_outlives_it(tmp_path: Path) -> None:
    """Both servers that were started for the question are gone, at once, with a shell's code."""
    (tmp_path / "app.py").write_text(APP)
    deadline_s = time.monotonic() + LOCK_PATIENCE_S
    code, stderr = _interrupted(tmp_path)
    while REFUSED in stderr and time.monotonic() < deadline_s:
        time.sleep(0.5)
        code, stderr = _interrupted(tmp_path)
    pids = [path.stem for path in tmp_path.glob("*.pid")]
    assert code == 130, stderr
    assert stderr == "asgi-bench: interrupted by SIGINT\n"
    assert len(pids) == 2
    assert not [pid for pid in pids if Path("/proc", pid).exists()]
