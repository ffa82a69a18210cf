"""Waiting for a program that may start others: none of them outlives the wait."""

import contextlib
import os
import signal
import subprocess
import time

POLL_S = 0.01


def await_group(process: "subprocess.Popen[bytes]", timeout_s: float) -> int | None:
    """Return the exit code of a process that leads a group of its own; nothing of it is left.

    None where it takes too long. Whatever ends the wait, an interruption too, the group is killed.
    """
    deadline_s = time.monotonic() + timeout_s
    # Looked at without reaping: until then the group's number can't become another's.
    look = os.WEXITED | os.WNOHANG | os.WNOWAIT
    has_ended = False
    try:
        while not has_ended and time.monotonic() < deadline_s:
            has_ended = os.waitid(os.P_PID, process.pid, look) is not None
            time.sleep(0 if has_ended else POLL_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return code if has_ended else None
