"""System calls by strace: by name, of every thread and process of a server."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

_TABLE = "table"
_ROW = re.compile(r"\s*(?P<calls>\d+)\s+(?P<name>[a-z_][a-z0-9_]*)\s*")
_TOTAL = "total"
# In these a server waits, or hands a lock on. How often is a matter of when things happen, not of
# what the code does: uvicorn's loop waited 1.4 times a request, more or less from life to life.
WAITS = frozenset(
    (
        *("epoll_pwait", "epoll_pwait2", "epoll_wait", "poll", "ppoll", "pselect6", "select"),
        *("futex", "sched_yield", "restart_syscall", "clock_nanosleep", "nanosleep"),
        *("rt_sigreturn", "wait4", "waitid"),
    )
)


class Strace:
    """Counts system calls, and separately those that wait. All calls take ten times as long."""

    backend: Backend = "strace"
    counter: Counter = "syscalls"
    patience = 4.0

    def missing(self) -> str | None:
        """Why it can't count here; None if it can."""
        if shutil.which("strace") is None:
            return "strace, which counts system calls, is not installed: apt-get install strace"
        return None

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """What precedes the server's command."""
        # Writing to a file, strace leaves the signals that end a server to the server.
        return (
            *("strace", "--follow-forks", "--quiet=all", "--summary-only"),
            *("--summary-columns=calls,name", "--output", f"{folder}/{_TABLE}"),
        )

    def tally(self, folder: Path) -> Tally:
        """Read the counts of all processes; raises ServerFault."""
        try:
            text = (folder / _TABLE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        calls, total = calls_in(text.splitlines())
        if total is None:
            raise ServerFault("strace was ended before it wrote its counts")
        worked = {name: count for name, count in calls.items() if name not in WAITS}
        waited = {name: count for name, count in calls.items() if name in WAITS}
        return Tally(sum(worked.values()), {"name": worked, "wait": waited})

    def fault(self, folder: Path) -> str | None:
        """None: its messages go to the server's log."""
        return None


def calls_in(lines: Iterable[str]) -> tuple[dict[str, int], int | None]:
    """Return the calls in a table of strace's by name, and its total; None if it has none."""
    found: dict[str, int] = {}
    total: int | None = None
    for line in lines:
        row = _ROW.fullmatch(line)
        if row is None:
            continue
        if row["name"] == _TOTAL:
            total = int(row["calls"])
        else:
            found[row["name"]] = found.get(row["name"], 0) + int(row["calls"])
    return found, total
