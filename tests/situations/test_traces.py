"""Nothing stays behind, and nothing of the user's leaks in: whole commands."""

import subprocess
import time
from pathlib import Path

import pytest

from asgi_bench.machine.lock import measuring_lock
from tests.command_line import COMMAND, LOCK_PATIENCE_S, TINY, in_process
from tests.situation import Said, situation


@situation(
    "traces",
    "Your locustfile starts a helper in a session of its own (a browser, a stub): it ends with "
    "the load",
    says="ValueError: no shop",
)
def test_helpers_of_a_locustfile_do_not_stay(said: Said, tmp_path: Path) -> None:
    """What a locustfile starts ends with the process that loaded it."""
    (tmp_path / "file.py").write_text(
        "import pathlib, subprocess\n"
        "it = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(it.pid))\n"
        "raise ValueError('no shop')\n"
    )
    finished = in_process("run", *TINY, "--locustfile", "file.py", folder=tmp_path)
    said(finished.stderr)
    assert finished.code == 2
    helper = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    deadline = time.monotonic() + 5
    while helper.exists() and helper.read_text().rpartition(")")[2].split()[0] not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@situation(
    "traces",
    "Your app lies in src and reads files beside src: `--app-dir src` leaves the working folder "
    "as it is, as `uvicorn --app-dir` does",
    says="6 ok, 0 failed, 0 skipped",
)
def test_an_app_dir_is_not_the_working_folder(said: Said, tmp_path: Path) -> None:
    """Every server finds the app in one folder, and its files in the one it was started from."""
    for folder in ("src/shop", "data"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "greeting.txt").write_text("hi")
    (tmp_path / "src" / "shop" / "__init__.py").touch()
    (tmp_path / "src" / "shop" / "asgi.py").write_text(
        "GREETING = open('data/greeting.txt', 'rb').read()\n"
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    head = {'type': 'http.response.start', 'status': 200}\n"
        "    await send(head | {'headers': [(b'content-length', b'2')]})\n"
        "    await send({'type': 'http.response.body', 'body': GREETING})\n"
    )
    finished = in_process(
        *("check", "shop.asgi:app", "--app-dir", "src", "--variant", "default", "-w", "1"),
        folder=tmp_path,
    )
    said(finished.stdout)
    assert finished.code == 0


@pytest.mark.slow
@situation(
    "traces",
    "You start `check --wait 60s` beside a run that measures",
    says="another run is measuring on this machine (pid …); waiting up to 60 s",
)
def test_a_check_waits_if_asked(said: Said, tmp_path: Path) -> None:
    """It begins when the other has ended."""
    argv = [str(COMMAND), "check", *TINY, "--wait", "60s"]
    with measuring_lock(LOCK_PATIENCE_S):
        checking = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert checking.stdout is not None
        said(checking.stdout.readline())
    with checking:
        assert checking.stdout.read().splitlines()[-1] == "1 ok, 0 failed, 0 skipped"
    assert checking.returncode == 0


@pytest.mark.slow
@situation(
    "traces",
    "You stop a command (SIGTERM, as `timeout` sends it) while your app is being imported",
    says="asgi-bench: interrupted by SIGTERM",
)
def test_a_signal_during_the_import_leaves_nothing(said: Said, tmp_path: Path) -> None:
    """Neither the import nor what it has started goes on."""
    (tmp_path / "hang.py").write_text(
        "import os, pathlib, subprocess, time\n"
        "it = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"part = pathlib.Path({str(tmp_path / 'part')!r})\n"
        "part.write_text(f'{it.pid} {os.getpid()}')\n"
        f"part.rename({str(tmp_path / 'pids')!r})\n"
        "time.sleep(60)\n"
    )
    argv = [str(COMMAND), "check", "hang:app"]
    checking = subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "pids").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    checking.terminate()
    _, stderr = checking.communicate(timeout=30)
    said(stderr)
    assert checking.returncode == 143
    pids = (tmp_path / "pids").read_text().split()
    assert [pid for pid in pids if Path("/proc", pid).exists()] == []
