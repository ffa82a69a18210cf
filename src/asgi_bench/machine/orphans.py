"""Descendants that have lost their parents: they come to us, and end with what started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator

from asgi_bench.machine.processes import process_table

# <linux/prctl.h>
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.01
_KILL_TIMEOUT_S = 5.0


@contextlib.contextmanager
def orphans_ended() -> Iterator[None]:
    """Kill every process that the block has started and not awaited, whoever its parent was.

    The kernel hands us those whose parents die: neither a new session, nor a double fork, nor an
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
