"""What we start must not outlive us, even if we are killed: the line to the reaper process."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from asgi_bench.machine.processes import pids_with_environment

# Marks every process that one we start leads to, wherever it moves.
MARK_NAME = "ASGI_BENCH_SERVER"

_SCRIPT = Path(__file__).with_name("reaper_script.py")
_EXIT_TIMEOUT_S = 10.0
_KILL_TIMEOUT_S = 5.0
_KILL_POLL_S = 0.01


class Reaper:
    """One reaper for all that this process starts: there from the first to the last of them."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._count = 0
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def new_mark(self) -> str:
        """A value of MARK_NAME that nothing else we start has."""
        self._count += 1
        return f"{self._id}.{self._count}"

    def prepare(self) -> None:
        """Start the reaper if it doesn't run: before what it guards, not after."""
        if self._process is not None and self._process.poll() is None:
            return
        self.end()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SCRIPT), f"{MARK_NAME}={self._id}."],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # Out of reach of the terminal's Ctrl-C and of whoever signals our group.
            start_new_session=True,
            bufsize=0,
        )
        atexit.register(self.end)
        for group in self._groups:
            self._tell(f"+{group}\n")

    def protect(self, group: int) -> None:
        """End this process group with us; repeating that changes nothing."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def release(self, group: int | None) -> None:
        """This process group has ended (None: it never began); the last one ends the reaper."""
        if group is not None:
            # Its number may soon be another's.
            self._groups.discard(group)
            self._tell(f"-{group}\n")
        if not self._groups:
            self.end()

    def end(self) -> None:
        """Dismiss the reaper: it ends what is still marked, and itself."""
        atexit.unregister(self.end)
        reaper, self._process = self._process, None
        if reaper is None or reaper.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            reaper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            reaper.wait(_EXIT_TIMEOUT_S)

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # Straight to the pipe: a write this short is whole or not at all.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._process.stdin.fileno(), line.encode())


REAPER = Reaper()


def kill_marked(mark: str) -> None:
    """SIGKILL every process that was started with this mark, until none is left."""
    deadline_s = time.monotonic() + _KILL_TIMEOUT_S
    while left := pids_with_environment(f"{MARK_NAME}={mark}"):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline_s:
            break
        time.sleep(_KILL_POLL_S)
