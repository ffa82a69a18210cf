"""How a process of a server has ended."""

from __future__ import annotations

import os
import signal
import subprocess


def exit_text(popen: subprocess.Popen[bytes]) -> str | None:
    """`exited with code 3` or `was ended by SIGSEGV`; None while it runs.

    Looks without reaping, so the pid stays taken: it is the number of the process group too,
    which must not become another's while we may still signal it.
    """
    if popen.returncode is not None:
        exited, status = popen.returncode >= 0, abs(popen.returncode)
    else:
        ended = os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        exited, status = ended.si_code == os.CLD_EXITED, ended.si_status
    return ended_by(exited, status)


def ended_by(exited: bool, status: int) -> str:
    """The words for an exit code, or for the number of a signal."""
    if exited:
        return f"exited with code {status}"
    try:
        return f"was ended by {signal.Signals(status).name}"
    except ValueError:  # Real-time signals have no names.
        return f"was ended by signal {status}"
