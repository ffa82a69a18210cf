import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from asgi_bench.machine.commands import run_command

HELPERS = {
    "session": "Popen(['sleep', NAP], start_new_session=True)",
    "environment": "Popen(['sleep', NAP], start_new_session=True, env={'PATH': '/bin:/usr/bin'})",
    # As a daemon does: its parent dies at once, so it is in nobody's tree.
    "daemon": "Popen(['sh', '-c', f'env -i setsid sleep {NAP} &'], start_new_session=True).wait()",
}


def nap() -> str:
    """A length of sleep that no other process on the machine has."""
    return f"6{uuid.uuid4().int % 10**6:06}"


def naps(length: str) -> list[int]:
    """The processes that sleep so long."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        is_live = process.info["status"] != psutil.STATUS_ZOMBIE
        if is_live and (process.info["cmdline"] or [])[-2:] == ["sleep", length]:
            found.append(process.pid)
    return found


def run(code: str, folder: Path, timeout_s: float = 20.0) -> int | None:
    """Run some Python."""
    with (folder / "output").open("wb") as output:
        argv = [sys.executable, "-I", "-S", "-c", code]
        return run_command(argv, output=output, env=os.environ, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("kind", "end", "code"),
    [(kind, "", 0) for kind in HELPERS] + [("daemon", "import time; time.sleep(60)", None)],
)
def test_nothing_outlives_a_command(kind: str, end: str, code: int | None, tmp_path: Path) -> None:
    """Helpers are killed, whatever they did to leave, and however the command ended."""
    length = nap()
    begin = f"from subprocess import Popen; NAP = {length!r}; {HELPERS[kind]}"
    script = f"{begin}; print('up', flush=True); {end}"
    assert run(script, tmp_path, 20.0 if code == 0 else 0.7) == code
    assert (tmp_path / "output").read_text() == "up\n"
    assert naps(length) == []


def test_other_children_of_ours_live_on(tmp_path: Path) -> None:
    """What was started before a command is no part of it."""
    with subprocess.Popen(["sleep", "60"]) as other:
        assert run("", tmp_path) == 0
        assert other.poll() is None
        other.kill()


def test_a_command_dies_with_us(tmp_path: Path) -> None:
    """A harness that is killed takes along what it awaits, helpers included."""
    length = nap()
    command = f"from subprocess import Popen; NAP = {length!r}; {HELPERS['session']}.wait()"
    script = (
        "import os, sys\n"
        "from asgi_bench.machine.commands import run_command\n"
        f"argv = [sys.executable, '-c', {command!r}]\n"
        "run_command(argv, output=sys.stdout.buffer, env=os.environ, timeout_s=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL) as harness:
        deadline = time.monotonic() + 30
        while not naps(length):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        harness.send_signal(signal.SIGKILL)
    while naps(length):
        assert time.monotonic() < deadline
        time.sleep(0.02)
