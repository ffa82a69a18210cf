"""Which processes live, who started whom: read from /proc, safe against processes that vanish."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")

# A zombie ("Z") or a dying process ("X") runs nothing and holds nothing: it doesn't live.
_DEAD_STATES = frozenset("ZXx")
# Bit 16 of a mask of signals is the 17th, SIGCHLD.
_SIGCHLD_BIT = 1 << 16


class ProcessEntry(NamedTuple):
    """One live process in /proc; `start_ticks` with the pid identifies it permanently."""

    pid: int
    parent: int
    group: int
    start_ticks: int


ProcessTable = Mapping[int, ProcessEntry]


def process_entry(pid: int, *, with_dead: bool = False) -> ProcessEntry | None:
    """The live process with that pid, or None; a zombie counts only `with_dead`."""
    fields = stat_fields(pid)
    if fields is None or (fields[0] in _DEAD_STATES and not with_dead):
        return None
    return ProcessEntry(pid, int(fields[1]), int(fields[2]), int(fields[19]))


def stat_fields(pid: int) -> list[str] | None:
    """/proc/PID/stat from field 3 (the state) on, proc(5); None if the process is gone.

    It seems gone too if /proc hides other users' processes (mount option hidepid).
    """
    try:
        text = small_file(f"{PROC}/{pid}/stat").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    # The name in field 2 may hold blanks and brackets, so split after its last bracket.
    return text.rpartition(")")[2].split()


def are_asleep(pids: Iterable[int]) -> bool:
    """Whether every thread of these processes waits for something to happen; dead ones do, too.

    Some 20 us per thread. A thread that is about to sleep, or was stopped by a tracer, doesn't.
    """
    for pid in pids:
        try:
            threads = os.listdir(f"{PROC}/{pid}/task")  # noqa: PTH208  (see small_file)
        except (FileNotFoundError, ProcessLookupError):
            continue
        for thread in threads:
            try:
                text = small_file(f"{PROC}/{pid}/task/{thread}/stat")
            except (FileNotFoundError, ProcessLookupError):
                continue
            # The name may hold blanks and brackets.
            if text.rpartition(b") ")[2][:1] not in (b"S", b"I", b"Z", b"X"):
                return False
    return True


def small_file(path: str, most_bytes: int = 16 * 1024) -> bytes:
    """A small file of the kernel's, which comes whole in one read.

    Read between slices, so without pathlib, which takes twice as long as the kernel does.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, most_bytes)
    finally:
        os.close(file)


def process_table(
    *, with_dead: bool = False, wanted: Callable[[int], bool] = lambda pid: True
) -> dict[int, ProcessEntry]:
    """The live processes on the machine with the `wanted` pids, by pid: about 10 us each.

    `with_dead` includes those that nobody has waited for.
    """
    table: dict[int, ProcessEntry] = {}
    for name in os.listdir(PROC):  # noqa: PTH208  (see small_file)
        if name.isdigit() and wanted(int(name)):
            entry = process_entry(int(name), with_dead=with_dead)
            if entry is not None:
                table[entry.pid] = entry
    return table


def newest_task() -> int | None:
    """The number of the newest process or thread, the fifth field of /proc/loadavg.

    As long as it stays the same, nothing was started. None if it isn't the kernel's own:
    container systems mount a file over it that lags behind.
    """
    path = f"{PROC}/loadavg"
    try:
        if os.stat(path).st_dev != os.stat(PROC).st_dev:  # noqa: PTH116  (see small_file)
            return None
        return int(small_file(path).split()[4]) or None
    except (OSError, IndexError, ValueError):
        return None


def ignores_children(pid: int) -> bool:
    """Whether a process ignores SIGCHLD: then nobody inherits the CPU time of its children."""
    try:
        status = small_file(f"{PROC}/{pid}/status")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    mask = status.partition(b"\nSigIgn:")[2].partition(b"\n")[0].strip()
    return bool(int(mask or b"0", 16) & _SIGCHLD_BIT)


def tree_pids(root_pids: Iterable[int], table: ProcessTable | None = None) -> tuple[int, ...]:
    """The roots and all their live descendants, sorted.

    A table read once can serve many trees. A process that was handed to init because its parent
    died is no longer in the tree: remember its pid to find it.
    """
    roots = tuple(root_pids)
    if table is not None:
        return _closure(roots, table)
    # A child forked while /proc was being read may be missing: read until two readings agree.
    # A tree that never rests (a fork storm) is taken as it was last seen.
    seen = _closure(roots, process_table())
    for _ in range(5):
        again = _closure(roots, process_table())
        if again == seen:
            break
        seen = again
    return seen


def _closure(roots: tuple[int, ...], table: ProcessTable) -> tuple[int, ...]:
    children: dict[int, list[int]] = defaultdict(list)
    for entry in table.values():
        children[entry.parent].append(entry.pid)
    found: set[int] = set()
    queue = [pid for pid in roots if pid in table]
    while queue:
        pid = queue.pop()
        if pid not in found:
            found.add(pid)
            queue.extend(children[pid])
    return tuple(sorted(found))


def process_name(pid: int) -> str:
    """The short name of a process (/proc/PID/comm), or `?` if it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return "?"


def process_variables(pid: int) -> dict[str, str]:
    """The environment that a process began with; empty if it is gone or another user's."""
    try:
        block = Path(f"{PROC}/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return {}
    words = (os.fsdecode(word).partition("=") for word in block.split(b"\0") if word)
    return {name: value for name, _, value in words}


def pids_with_environment(assignment: str, table: ProcessTable | None = None) -> tuple[int, ...]:
    """Live processes that were started with exactly `NAME=value` in their environment.

    The environment survives a double fork, a new session and a new process group, so it finds
    a daemon that has left its tree. Processes of other users can't be read and are left out.
    """
    wanted = assignment.encode()
    found = []
    for pid in process_table() if table is None else table:
        try:
            environment = (PROC / str(pid) / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if wanted in environment.split(b"\0"):
            found.append(pid)
    return tuple(sorted(found))
