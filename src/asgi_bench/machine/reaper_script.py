"""A process of its own that outlives a killed harness just long enough to end its servers.

Runs as a plain script (`python -I -S reaper_script.py MARK_PREFIX`) with the standard library: it
is up in some 15 ms and asleep in a read until the harness is done. Its standard input is the read
end of a pipe whose other end only the harness has. Lines say `+GROUP` when a server's process group
begins and `-GROUP` when it has ended; the end of the file means that the harness is gone, and
whatever is left then is ended: the groups by number, and every process whose environment has the
harness's mark (a daemon that left its group, or a server that was not announced in time).

Unlike PR_SET_PDEATHSIG this doesn't depend on the thread that started the server, and it reaches
grandchildren.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

_PATIENCE_S = 3.0
_POLL_S = 0.05


def guard(mark_prefix: str) -> None:
    """Read the groups to guard until the harness is gone, then end them."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    _signal(groups, mark_prefix, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if not _signal(groups, mark_prefix, 0):
            return
        time.sleep(_POLL_S)
    while _signal(groups, mark_prefix, signal.SIGKILL) and time.monotonic() < deadline + 2:
        time.sleep(_POLL_S)


def _signal(groups: set[int], mark_prefix: str, number: int) -> bool:
    """Send a signal (0: only look) to all that is left; whether there was any."""
    left = _left(groups, mark_prefix)
    for group in {group for _, group in left if group in groups}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    for pid, group in left:
        if group not in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
    return bool(left)


def _left(groups: set[int], mark_prefix: str) -> list[tuple[int, int]]:
    """Pid and process group of every live process of these groups or with the mark."""
    wanted = mark_prefix.encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # Fields 3 and 5 of proc(5): a zombie ("Z") has ended, only nobody has asked how.
            state, _, group = (
                (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
            )
            if state not in "ZX" and (
                int(group) in groups or _is_marked(folder / "environ", wanted)
            ):
                found.append((int(folder.name), int(group)))
    return found


def _is_marked(environment: Path, wanted: bytes) -> bool:
    return any(entry.startswith(wanted) for entry in environment.read_bytes().split(b"\0"))


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    guard(sys.argv[1])
