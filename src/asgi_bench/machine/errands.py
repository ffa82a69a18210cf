"""Programs that are run and awaited: nothing that they have started outlives the wait."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from asgi_bench.machine.lifeline import LIFELINE, MARK_NAME
from asgi_bench.machine.orphans import orphans_ended

_POLL_S = 0.01


def run_errand(
    argv: Sequence[str],
    *,
    output: IO[bytes],
    env: Mapping[str, str],
    timeout_s: float,
    folder: Path | None = None,
) -> int | None:
    """Run a program, its words into `output`, and return its exit code; None if it takes too long.

    Whatever ends the wait, an interruption or our own death too, everything that the program has
    started is killed.

    Raises:
        OSError: it can't be started.
    """
    LIFELINE.prepare()
    group = None
    try:
        with orphans_ended():
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**env, MARK_NAME: LIFELINE.new_mark()},
                process_group=0,
            )
            group = process.pid
            LIFELINE.protect(group)
            return _await(process, timeout_s)
    finally:
        LIFELINE.release(group)


def _await(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    """Return the exit code of a process that leads a group of its own; none of it is left."""
    deadline_s = time.monotonic() + timeout_s
    # Looked at without reaping: until then the group's number can't become another's.
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    has_ended = False
    try:
        while not has_ended and time.monotonic() < deadline_s:
            has_ended = os.waitid(os.P_PID, process.pid, look) is not None
            time.sleep(0 if has_ended else _POLL_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return code if has_ended else None
