"""Which processes belong to a server, including those that left its tree, and ending them all."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NamedTuple

from asgi_bench.machine.processes import (
    ProcessTable,
    newest_task,
    pids_with_environment,
    process_table,
    tree_pids,
)
from asgi_bench.machine.reaper import MARK_NAME

_KILL_POLL_S = 0.01
# Numbers are given before a process can be seen: so many may have been given and not yet seen.
_LATE = 64


class Census(NamedTuple):
    """The processes of a server at a moment, by pid; the dead ones nobody has waited for.

    `number` counts the readings of /proc: while it is the same, nothing was started. Processes that
    ended since are still included.
    """

    entries: ProcessTable
    number: int


NOBODY = Census({}, 0)


class Family:
    """The roots of a server, their descendants, their process group, and any that ran away.

    A process that was seen once is remembered with its start time (pids are reused), so it is still
    known when its parent has died or when it has moved to a group of its own. One that left before
    it was ever seen is found by the mark in its environment.

    The group's number stays ours as long as its first process isn't reaped.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._known: dict[int, int] = {}
        self._strangers: set[tuple[int, int]] = set()
        self._newest_task: int | None = None
        self._census = NOBODY
        self.roots: list[int] = []

    @property
    def group(self) -> int | None:
        """The process group all roots were started in."""
        return self.roots[0] if self.roots else None

    def live(self, table: ProcessTable | None = None, *, search: bool = False) -> tuple[int, ...]:
        """The live pids, sorted; `search` looks for the mark too (reads all of /proc)."""
        if table is None:
            table = process_table()
        known = {
            pid
            for pid, start_ticks in self._known.items()
            if pid in table and table[pid].start_ticks == start_ticks
        }
        grouped = {entry.pid for entry in table.values() if entry.group == self.group}
        marked: tuple[int, ...] = ()
        if search:
            marked = pids_with_environment(f"{MARK_NAME}={self._mark}", table)
        pids = tree_pids({*self.roots, *known, *grouped, *marked}, table)
        self._known.update((pid, table[pid].start_ticks) for pid in pids)
        return pids

    def census(self) -> Census:
        """Who lives now, for the edges of slices: it takes 10 us unless a task was started since.

        It looks for the mark in what is new on the machine, so a daemon that has left is found. New
        processes have higher numbers than the newest at the last look: if that is known, only they
        and
        our own are read.
        """
        newest, last = newest_task(), self._newest_task
        if newest is not None and newest == last:
            return self._census
        if newest is None or last is None or newest < last:
            # Numbers begin anew when the highest has been given.
            table = process_table(with_dead=True)
        else:
            table = process_table(
                with_dead=True,
                wanted=lambda pid: last - _LATE < pid <= newest or pid in self._known,
            )
        new = {
            pid: entry
            for pid, entry in table.items()
            if pid not in self._census.entries and (pid, entry.start_ticks) not in self._strangers
        }
        for pid in pids_with_environment(f"{MARK_NAME}={self._mark}", new):
            self._known[pid] = table[pid].start_ticks
        ours = {pid: table[pid] for pid in self.live(table)}
        self._strangers = {
            (pid, entry.start_ticks) for pid, entry in table.items() if pid not in ours
        }
        self._newest_task = newest
        self._census = Census(ours, self._census.number + 1)
        return self._census

    def terminate(self) -> None:
        """SIGTERM to the group and to those outside it."""
        self._signal(signal.SIGTERM)

    def terminate_roots(self) -> None:
        """SIGTERM to the roots alone, as whoever supervises a container sends it."""
        for pid in self.roots:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill(self, timeout_s: float) -> tuple[int, ...]:
        """SIGKILL everyone, repeatedly until none is left; returns who survived the given time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._signal(signal.SIGKILL)
            left = self.live(search=True)
            if not left or time.monotonic() >= deadline:
                return left
            time.sleep(_KILL_POLL_S)

    def close(self) -> None:
        """Forget everyone: call it when all have ended and were reaped."""
        self.roots.clear()
        self._known.clear()
        self._newest_task, self._census = None, NOBODY

    def _signal(self, number: signal.Signals) -> None:
        table = process_table()
        pids = self.live(table, search=True)
        if self.group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, number)
        for pid in pids:
            if table[pid].group != self.group:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
