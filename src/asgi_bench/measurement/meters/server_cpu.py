"""A server's CPU time in a slice, including its processes that come and go between slices.

A process that exists at both edges has an exact clock. Of a process that ended between them, the
parent that waited for it has inherited the whole CPU time, cut to 10 ms each for user and system
time; what the child had used before the slice is known, and subtracted. So a single slice is right
to 20 ms, with a standard error of 6 ms (10 ms / sqrt 3). Over a trial these errors partly cancel:
100 slices together have one of 58 ms.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from asgi_bench.machine.clocks import cpu_s_by_process, waited_cpu_s
from asgi_bench.machine.processes import ProcessEntry, ignores_children
from asgi_bench.serving.process_tree import NOBODY, Census


class SliceCpu(NamedTuple):
    """The CPU time of a server in a slice."""

    by_process: Mapping[int, float]
    """Of each process that lived to the end."""
    ended_s: float = 0.0
    """Of the processes that ended in it."""
    has_ended: bool = False
    """Whether any ended."""
    has_untold: bool = False
    """Whether the CPU time of some may be nowhere: nobody of the server waited for them."""

    @property
    def total_s(self) -> float:
        """All of it."""
        return sum(self.by_process.values()) + self.ended_s


class _Reading(NamedTuple):
    """The processes of a moment with what each has used, and what those it waited for had."""

    census: Census
    clocks_s: Mapping[int, float]
    waited_s: Mapping[int, float]

    def has(self, entry: ProcessEntry) -> bool:
        """Whether a process is among them; another of the same pid is not."""
        known = self.census.entries.get(entry.pid)
        return (
            known is not None
            and known.start_ticks == entry.start_ticks
            and entry.pid in self.clocks_s
        )


class ServerCpu:
    """Reads a server's processes before and after each slice of any cell.

    `census` knows which they are.
    """

    def __init__(self, census: Callable[[], Census]) -> None:
        self._take_census = census
        self._before = self._after = _Reading(NOBODY, {}, {})
        self._veterans: set[ProcessEntry] = set()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes as last read."""
        return tuple(self._after.clocks_s)

    def begin(self) -> float:
        """Read before a slice; return what processes born in the last one have used since its end.

        A worker that replaces another starts up in that slice, and after it: nobody would have
        needed it without the load. Processes that existed before it have only idled.
        """
        now, last = self._read(), self._after
        between_s = 0.0
        if last.census.number:
            between_s = _ended_s(last, now) if _vanished(last, now) else 0.0
            between_s += sum(
                now.clocks_s[entry.pid] - (last.clocks_s[entry.pid] if last.has(entry) else 0.0)
                for entry in _present(now)
                if entry not in self._veterans
            )
        self._veterans = set(_present(now))
        self._before = self._after = now
        return between_s

    def end(self) -> SliceCpu:
        """Read after a slice; a process that was born in it counts from its birth."""
        before, after = self._before, self._read()
        self._after = after
        vanished = _vanished(before, after)
        is_untold = any(not _is_waited_for(entry, before, after) for entry in vanished)
        ended_s = _ended_s(before, after)
        was_born = after.census.number != before.census.number
        return SliceCpu(
            by_process={
                entry.pid: after.clocks_s[entry.pid]
                - (before.clocks_s[entry.pid] if before.has(entry) else 0.0)
                for entry in _present(after)
            },
            ended_s=ended_s,
            has_ended=bool(vanished) or ended_s > 0,
            has_untold=is_untold or (was_born and any(map(ignores_children, after.clocks_s))),
        )

    def _read(self) -> _Reading:
        census = self._take_census()
        pids = tuple(census.entries)
        waited_s = waited_cpu_s(pids)
        clocks_s = cpu_s_by_process(pids)
        if len(clocks_s) < len(pids):
            # Some have gone: perhaps after the first of the two was read.
            waited_s = waited_cpu_s(pids)
        return _Reading(census, clocks_s, waited_s)


def _present(reading: _Reading) -> list[ProcessEntry]:
    return [reading.census.entries[pid] for pid in reading.clocks_s]


def _vanished(before: _Reading, after: _Reading) -> list[ProcessEntry]:
    return [entry for entry in _present(before) if not after.has(entry)]


def _ended_s(before: _Reading, after: _Reading) -> float:
    """The CPU time, between two readings, of processes that had ended at the second."""
    inherited_s = sum(
        seconds - (before.waited_s.get(pid, 0.0) if before.has(after.census.entries[pid]) else 0.0)
        for pid, seconds in after.waited_s.items()
        if pid in after.clocks_s
    )
    known_s = sum(
        before.clocks_s[entry.pid] + before.waited_s.get(entry.pid, 0.0)
        for entry in _vanished(before, after)
        if _is_waited_for(entry, before, after)
    )
    return inherited_s - known_s


def _is_waited_for(entry: ProcessEntry, before: _Reading, after: _Reading) -> bool:
    """Whether a process that is gone left its CPU time to one of the server's that still lives."""
    parent = before.census.entries.get(entry.parent)
    if parent is None:
        return False
    if after.has(parent):
        return not ignores_children(parent.pid)
    return _is_waited_for(parent, before, after)
