"""System calls by strace: by name, of every thread and process of a server."""

import re
import shutil
from collections import Counter as Calls
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from asgi_bench.counting.backends.counting import Counted
from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

_CALLS = "calls"
_MARKS = "marks"
_NOTHING = "strace wrote nothing"
# A call that another thread's interrupts has a second line, where it is `resumed`: no name there.
_LINE = re.compile(rb"^\d+ +(\w+)\(", re.MULTILINE)
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
        # Writing to a file, strace leaves the signals that end a server to the server. Its own
        # summary comes when the server has ended: nothing could be left out then.
        return (
            *("strace", "--follow-forks", "--quiet=all", "--signal=none"),
            # One short line a call.
            *("--raw=all", "--output", f"{folder}/{_CALLS}"),
        )

    def begin(self, servers: Sequence[Counted]) -> list[str | None]:
        """Nothing: calls are written from the start on."""
        return [None for _ in servers]

    def mark(self, servers: Sequence[Counted]) -> list[str | None]:
        """Note how far strace has written: it writes each line at once."""
        return [_marked(one.folder) for one in servers]

    def windows(self, folder: Path) -> list[Tally]:
        """Read what was called between marks; raises ServerFault."""
        try:
            marks = [int(line) for line in (folder / _MARKS).read_text().split()]
            calls = (folder / _CALLS).read_bytes()
        except FileNotFoundError:
            raise ServerFault(_NOTHING) from None
        return [_tally(calls[begin:end]) for begin, end in pairwise(marks)]

    def fault(self, folder: Path) -> str | None:
        """None: its messages go to the server's log."""
        return None


def _marked(folder: Path) -> str | None:
    try:
        size = (folder / _CALLS).stat().st_size
    except FileNotFoundError:
        return _NOTHING
    with (folder / _MARKS).open("a") as marks:
        marks.write(f"{size}\n")
    return None


def _tally(lines: bytes) -> Tally:
    calls = calls_in(lines)
    worked = {name: count for name, count in calls.items() if name not in WAITS}
    waited = {name: count for name, count in calls.items() if name in WAITS}
    return Tally(sum(worked.values()), {"name": worked, "wait": waited})


def calls_in(lines: bytes) -> dict[str, int]:
    """Return how often each call begins in lines of strace's; the first may be cut off."""
    return dict(Calls(name.decode() for name in _LINE.findall(lines)))
