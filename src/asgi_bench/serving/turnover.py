"""Workers that come and go while their server starts: what a supervisor replaces in silence."""

from __future__ import annotations

import os
from collections.abc import Iterable

from asgi_bench.machine.processes import ProcessTable, stat_fields
from asgi_bench.serving.exits import ended_by

# Fields 3, 22 and 52 of proc(5), counted from the third on: state, start and exit code.
_STATE, _START, _EXIT_CODE = 0, 19, 49
# The first deaths may be an accident that a supervisor mends; so many, by one exception, aren't.
FEWEST_CRASHES = 3


class Turnover:
    """The children of a server's own processes that were seen, and how many of them have ended.

    A supervisor that looks after its workers now and then leaves them as zombies until it does:
    `last_end` is then how the last of them ended.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._live: dict[int, int] = {}
        self.ended = 0
        self.last_end: str | None = None

    @property
    def is_a_loop(self) -> bool:
        """Whether so many have ended that replaced ones did too."""
        return self.ended > self._workers and self.ended >= FEWEST_CRASHES

    def note(self, pids: Iterable[int], roots: Iterable[int], table: ProcessTable) -> bool:
        """Take in who lives now; whether some have ended since the last time."""
        parents = set(roots)
        children = {
            pid: table[pid].start_ticks
            for pid in pids
            if pid in table and table[pid].parent in parents
        }
        gone = [one for one in self._live.items() if children.get(one[0]) != one[1]]
        self.ended += len(gone)
        for pid, start_ticks in gone:
            self.last_end = _end_of(pid, start_ticks) or self.last_end
        self._live = children
        return bool(gone)


def _end_of(pid: int, start_ticks: int) -> str | None:
    """How a process ended that nobody has asked yet; None where it isn't there to be read."""
    fields = stat_fields(pid)
    if fields is None or fields[_STATE] != "Z" or int(fields[_START]) != start_ticks:
        return None
    status = int(fields[_EXIT_CODE])  # 0 too where the kernel doesn't tell.
    if status == 0:
        return None
    exited = os.WIFEXITED(status)
    return ended_by(exited, os.WEXITSTATUS(status) if exited else os.WTERMSIG(status))
