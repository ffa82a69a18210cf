"""Commands that are run to their end: nothing that they start outlives the wait."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from asgi_bench.machine.processes import process_table
from asgi_bench.machine.reaper import MARK_NAME, REAPER

_POLL_S = 0.01
# <linux/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36
_KILL_TIMEOUT_S = 5.0


def run_command(
    argv: Sequence[str],
    *,
    output: IO[bytes],
    env: Mapping[str, str],
    timeout_s: float,
    folder: Path | None = None,
) -> int | None:
    """Run a program with `output` for its output; return its exit code, None if it takes too long.

    Whatever ends the wait, including an interruption or our own death, everything that the
    program has started is killed.

    Raises:
        OSError: it can't be started.
    """
    REAPER.prepare()
    group = None
    try:
        with orphans_ended():
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**env, MARK_NAME: REAPER.new_mark()},
                process_group=0,
            )
            group = process.pid
            REAPER.protect(group)
            return _await(process, timeout_s)
    finally:
        REAPER.release(group)


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


@contextlib.contextmanager
def orphans_ended() -> Iterator[None]:
    """Kill every process that the block started and didn't wait for, whoever its parent was.

    The kernel gives us those whose parents die: neither a new session, nor a double fork, nor an
    environment of their own hides them. No other thread may start a process meanwhile.
    """
    before = _children()
    _adopt_orphans(True)
    try:
        yield
    finally:
        _end_all_but(before)
        _adopt_orphans(False)


def _adopt_orphans(wanted: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def _children() -> set[int]:
    """Our children, those too that have ended and wait for us to ask how."""
    table = process_table(with_dead=True)
    return {entry.pid for entry in table.values() if entry.parent == os.getpid()}


def _end_all_but(kept: set[int]) -> None:
    deadline_s = time.monotonic() + _KILL_TIMEOUT_S
    # The end of one hands us its children.
    while (strays := _children() - kept) and time.monotonic() < deadline_s:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_POLL_S)
