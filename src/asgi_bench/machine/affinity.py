"""Which CPUs serve and which load, and moving processes there."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

import msgspec

from asgi_bench.errors import BenchError, UsageError
from asgi_bench.machine.control_groups import cpu_limit
from asgi_bench.machine.processes import PROC

SYSFS_CPUS = Path("/sys/devices/system/cpu")

# A thread that starts while its process is being moved inherits the mask of its creator, so a
# second look is nearly always enough; the limit is for a process that starts threads for ever.
_MOVE_PASSES = 20
# With fewer CPUs a master of load hosts has none for itself.
FEWEST_FOR_MASTER = 4


class CpuSplit(msgspec.Struct, frozen=True):
    """The CPUs of either side.

    `is_shared`: both sides run on the same CPUs (the machine has only one).
    `splits_core`: the sides are separate, but on two hardware threads of one core.
    """

    server_cpus: tuple[int, ...]
    load_cpus: tuple[int, ...]
    is_shared: bool = False
    splits_core: bool = False


def parse_cpus(text: str, flag: str) -> tuple[int, ...]:
    """The CPU numbers of a list like `0,2-3`, sorted; raises UsageError naming the flag."""
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UsageError(f"{flag} {text!r}: {part!r} is not a CPU or a range, such as 0,2-3")
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def format_cpus(cpus: Iterable[int]) -> str:
    """CPU numbers as a short list: the inverse of `parse_cpus`."""
    ranges: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def allowed_cpus() -> tuple[int, ...]:
    """The CPUs this process may run on, sorted."""
    return tuple(sorted(os.sched_getaffinity(0)))


def usable_count() -> int:
    """How many CPUs' work this process may do at once: limited by its CPUs and its quota."""
    return len(_within(cpu_limit(), allowed_cpus(), SYSFS_CPUS, least=1))


def cores(cpus: Iterable[int], sysfs: Path = SYSFS_CPUS) -> tuple[tuple[int, ...], ...]:
    """These CPUs grouped by physical core (SMT siblings together), in order of number."""
    wanted = set(cpus)
    groups: set[tuple[int, ...]] = set()
    for cpu in wanted:
        try:
            text = (sysfs / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text()
            siblings = set(parse_cpus(text.strip(), "thread_siblings_list"))
        except (OSError, UsageError):  # Some containers and emulators tell no topology.
            siblings = {cpu}
        groups.add(tuple(sorted((siblings | {cpu}) & wanted)))
    return tuple(sorted(groups))


def split_cpus(
    server_cpus: Sequence[int] | None,
    load_cpus: Sequence[int] | None,
    *,
    quota_cpus: float | None = None,
    allowed: Sequence[int] | None = None,
    sysfs: Path = SYSFS_CPUS,
) -> CpuSplit:
    """Divide the CPUs between servers and generator.

    By default the servers get half of the cores and the generator the other half. If only one
    side is given, the other gets the rest. The sides never share a CPU unless there is only one.
    By default no more CPUs are used than the quota has time for, but at least one for either
    side. Raises UsageError for a CPU that doesn't exist, or is on both sides.
    """
    available = tuple(sorted(allowed_cpus() if allowed is None else allowed))
    for flag, wish in (("--server-cpus", server_cpus), ("--load-cpus", load_cpus)):
        if wish is not None:
            _check_wish(flag, wish, available)
    if server_cpus is None and load_cpus is None:
        servers, load = _halves(_within(quota_cpus, available, sysfs, least=2), sysfs)
    elif load_cpus is None:
        servers = tuple(sorted(set(server_cpus or ())))
        rest = _rest(servers, available, sysfs, "--server-cpus", "the generator")
        load = _within(_left(quota_cpus, servers), rest, sysfs, least=1)
    elif server_cpus is None:
        load = tuple(sorted(set(load_cpus)))
        rest = _rest(load, available, sysfs, "--load-cpus", "the servers")
        servers = _within(_left(quota_cpus, load), rest, sysfs, least=1)
    else:
        servers, load = tuple(sorted(set(server_cpus))), tuple(sorted(set(load_cpus)))
    overlap = set(servers) & set(load)
    if overlap and len(available) > 1:
        raise UsageError(
            f"--server-cpus {format_cpus(servers)} and --load-cpus {format_cpus(load)} share "
            f"CPU {format_cpus(overlap)}: give each side its own of {format_cpus(available)}"
        )
    return CpuSplit(
        servers,
        load,
        is_shared=bool(overlap),
        splits_core=not overlap
        and any(
            set(core) & set(servers) and set(core) & set(load) for core in cores(available, sysfs)
        ),
    )


def split_for_master(
    *,
    quota_cpus: float | None = None,
    allowed: Sequence[int] | None = None,
    sysfs: Path = SYSFS_CPUS,
) -> CpuSplit:
    """Divide the CPUs if the load comes from other hosts.

    One is for the master and the harness, which are busy only between slices: with fewer than
    four, the servers have it too.
    """
    available = tuple(sorted(allowed_cpus() if allowed is None else allowed))
    usable = _within(quota_cpus, available, sysfs, least=1)
    if len(usable) < FEWEST_FOR_MASTER:
        return CpuSplit(usable, usable[-1:], is_shared=True)
    return CpuSplit(usable[:-1], usable[-1:])


def _check_wish(flag: str, wish: Sequence[int], available: tuple[int, ...]) -> None:
    unknown = set(wish) - set(available)
    if unknown or not wish:
        raise UsageError(
            f"{flag} {format_cpus(wish)!r}: this process may use CPU {format_cpus(available)}"
            + (f", not {format_cpus(unknown)}" if unknown else "; name at least one")
        )


def _within(
    quota_cpus: float | None, available: tuple[int, ...], sysfs: Path, *, least: int
) -> tuple[int, ...]:
    """As many CPUs as a quota has time for, each on a core of its own as far as there are cores."""
    if quota_cpus is None:
        return available
    most = max(math.ceil(quota_cpus), least)
    by_core = zip_longest(*cores(available, sysfs))
    return tuple(sorted([cpu for row in by_core for cpu in row if cpu is not None][:most]))


def _left(quota_cpus: float | None, taken: tuple[int, ...]) -> float | None:
    return None if quota_cpus is None else quota_cpus - len(taken)


def _halves(available: tuple[int, ...], sysfs: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Servers get the lower half, and the core left over of an odd number.

    The lower half, since on processors with fast and slow cores the fast ones come first.
    """
    groups = cores(available, sysfs)
    if len(groups) == 1:
        groups = tuple((cpu,) for cpu in available)
    if len(groups) == 1:
        return available, available
    middle = (len(groups) + 1) // 2
    servers = tuple(sorted(cpu for core in groups[:middle] for cpu in core))
    return servers, tuple(sorted(cpu for core in groups[middle:] for cpu in core))


def _rest(
    taken: tuple[int, ...], available: tuple[int, ...], sysfs: Path, flag: str, whom: str
) -> tuple[int, ...]:
    """What one side leaves to the other: whole cores if it leaves any, else single threads."""
    untouched = tuple(
        cpu for core in cores(available, sysfs) if not set(core) & set(taken) for cpu in core
    )
    rest = untouched or tuple(cpu for cpu in available if cpu not in taken)
    if not rest and len(available) > 1:
        raise UsageError(
            f"{flag} {format_cpus(taken)} leaves no CPU for {whom}: keep at least one of "
            f"{format_cpus(available)} free"
        )
    return tuple(sorted(rest or available))


def cpus_of(pid: int) -> frozenset[int]:
    """The CPUs that the first thread of a process may run on; none if it is gone."""
    try:
        return frozenset(os.sched_getaffinity(pid))
    except ProcessLookupError:
        return frozenset()


def move(pids: Iterable[int], cpus: Iterable[int]) -> tuple[int, ...]:
    """Let every thread of these processes run on these CPUs only.

    Returns the union of the masks read back from all the threads, sorted: what they really got.
    Vanished processes and threads are left out. Raises BenchError if the kernel refuses.
    """
    mask, roots = set(cpus), tuple(pids)
    moved: set[int] = set()
    for _ in range(_MOVE_PASSES):
        fresh = _threads(roots) - moved
        if not fresh:
            break
        for thread in fresh:
            _set_mask(thread, mask)
        moved |= fresh
    union: set[int] = set()
    for thread in _threads(roots):
        try:
            union |= os.sched_getaffinity(thread)
        except ProcessLookupError:
            continue
    return tuple(sorted(union))


def _threads(pids: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        try:
            found.update(int(task.name) for task in (PROC / str(pid) / "task").iterdir())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _set_mask(thread: int, mask: set[int]) -> None:
    try:
        os.sched_setaffinity(thread, mask)
    except ProcessLookupError:
        return
    except OSError as error:
        raise BenchError(
            f"can't move process {thread} to CPU {format_cpus(mask)}: {error.strerror}"
        ) from error
