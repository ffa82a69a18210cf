"""Nothing stays behind, and nothing of the user's leaks in: whole commands."""

import time
from pathlib import Path

from tests.command_line import TINY, in_process
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
