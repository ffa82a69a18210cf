"""System calls by strace: by name, of every thread and process of a server."""

import re
import shutil
from collections import Counter as Calls
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from asgi_bench.counting.backends.counting import Counted
from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

_CALLS = "calls."
_MARKS = "marks"
_LINE = re.compile(rb"^(\w+)\(", re.MULTILINE)
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
            # A file for each thread: a server of several processes may have several straces. One
            # short line a call.
            *("--output-separately", "--output", f"{folder}/{_CALLS[:-1]}", "--raw=all"),
        )

    def begin(self, servers: Sequence[Counted]) -> list[str | None]:
        """Nothing: calls are written from the start on."""
        return [None for _ in servers]

    def mark(self, servers: Sequence[Counted]) -> list[str | None]:
        """Note how far strace has written: it writes each line at once."""
        for one in servers:
            _mark(one.folder)
        return [None for _ in servers]

    def windows(self, folder: Path) -> list[Tally]:
        """Read what was called between marks; raises ServerFault."""
        try:
            lines = (folder / _MARKS).read_text().splitlines()
        except FileNotFoundError:
            raise ServerFault("strace was not told when to count") from None
        marks = [msgspec.json.decode(line, type=dict[str, int]) for line in lines]
        if not marks[-1]:
            raise ServerFault("strace wrote nothing")
        written = {name: (folder / name).read_bytes() for name in marks[-1]}
        return [
            _tally([text[begin.get(name, 0) : end.get(name, 0)] for name, text in written.items()])
            for begin, end in pairwise(marks)
        ]

    def fault(self, folder: Path) -> str | None:
        """None: its messages go to the server's log."""
        return None


def _mark(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.glob(f"{_CALLS}*")}
    with (folder / _MARKS).open("ab") as marks:
        marks.write(msgspec.json.encode(sizes) + b"\n")


def _tally(texts: Iterable[bytes]) -> Tally:
    calls = calls_in(texts)
    worked = {name: count for name, count in calls.items() if name not in WAITS}
    waited = {name: count for name, count in calls.items() if name in WAITS}
    return Tally(sum(worked.values()), {"name": worked, "wait": waited})


def calls_in(texts: Iterable[bytes]) -> dict[str, int]:
    """Return how often each call begins in texts of strace's; the first line may be cut off."""
    return dict(Calls(name.decode() for text in texts for name in _LINE.findall(text)))
