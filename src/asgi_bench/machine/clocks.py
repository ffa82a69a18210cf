"""CPU time, waiting and stealing as the kernel counts them.

Two sources, each for its strengths. The process CPU clock is exact to the nanosecond and cheap, but
does not separate user from system time, and for a process running on another CPU it is only current
as of that CPU's last scheduler tick: read it when the process is at rest. /proc/PID/stat separates
them, in ticks of 10 ms: read it over seconds, not slices.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from asgi_bench.machine.processes import PROC, small_file, stat_fields

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SWITCHES = re.compile(
    rb"^voluntary_ctxt_switches:\s+(\d+)\nnonvoluntary_ctxt_switches:\s+(\d+)", re.M
)


def process_cpu_s(pid: int) -> float:
    """CPU seconds of all threads of one process, including those that ended.

    The clock id is the one of clock_getcpuclockid(3): the pid inverted, shifted by three, with
    CPUCLOCK_SCHED (2) in the low bits. Raises ProcessLookupError if the process is gone.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:  # The kernel says EINVAL for a pid that names no process.
        raise ProcessLookupError(f"no process {pid}") from error


def cpu_s_by_process(pids: Iterable[int]) -> dict[int, float]:
    """CPU seconds of each live process; those that are gone are left out."""
    figures: dict[int, float] = {}
    for pid in pids:
        try:
            figures[pid] = process_cpu_s(pid)
        except ProcessLookupError:
            continue
    return figures


def tree_cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds of all these processes together; one that is gone counts as 0.

    So a difference of two readings is too small, or negative, if a process ended in between.
    """
    return sum(cpu_s_by_process(pids).values())


def waited_cpu_s(pids: Iterable[int]) -> dict[int, float]:
    """CPU seconds of each process's children that ended and that it waited for.

    These include what the children inherited from their own. Cut to 10 ms for user and system
    time each: the difference of two readings is off by less than 20 ms, and so is a sum of many.
    """
    figures: dict[int, float] = {}
    for pid in pids:
        fields = stat_fields(pid)
        if fields is not None:
            figures[pid] = (int(fields[13]) + int(fields[14])) / _TICKS_PER_S
    return figures


def user_system_s(pids: Iterable[int]) -> tuple[float, float]:
    """User and system CPU seconds, including children that ended and were waited for.

    Resolution 10 ms. A process that is gone counts as 0 (its parent, if listed, inherits its time).
    """
    user = system = 0
    for pid in pids:
        fields = stat_fields(pid)
        if fields is not None:
            # utime, stime, cutime, cstime: fields 14 to 17 of proc(5), here without the first two.
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return user / _TICKS_PER_S, system / _TICKS_PER_S


def own_age_s() -> float:
    """Wall time since this process was started, including Python's start and imports."""
    fields = stat_fields(os.getpid())
    assert fields is not None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / _TICKS_PER_S


class CpuTimes(NamedTuple):
    """What a CPU was used for, in seconds; resolution 10 ms."""

    busy_s: float
    """It ran anything: programs, the kernel, interrupts."""
    steal_s: float
    """It had work while the hypervisor ran others."""


def cpu_times(stat: str = f"{PROC}/stat") -> dict[int, CpuTimes]:
    """What each CPU of the machine was used for since it was started."""
    times = {}
    # CPUs come first, after the sum of them all; the line of all interrupts after them is long.
    for line in small_file(stat, 256 * 1024).split(b"\nintr", 1)[0].splitlines()[1:]:
        name, *fields = line.split()
        ticks = [int(field) for field in fields[:8]]
        # All but idle, iowait and steal, the columns 4, 5 and 8 of proc(5).
        busy = sum(ticks) - ticks[3] - ticks[4] - ticks[7]
        times[int(name.removeprefix(b"cpu"))] = CpuTimes(
            busy / _TICKS_PER_S, ticks[7] / _TICKS_PER_S
        )
    return times


class OwnClocks:
    """This process's use of CPUs since this was created, and how long it waited for one."""

    def __init__(self) -> None:
        self._pids = (os.getpid(),)
        self._wait_s = run_queue_wait_s(self._pids)
        self._cpu_s = time.process_time()

    def read_s(self) -> tuple[float, float]:
        """CPU seconds, and seconds of waiting."""
        cpu_s = time.process_time() - self._cpu_s
        return cpu_s, run_queue_wait_s(self._pids) - self._wait_s


def run_queue_wait_s(pids: Iterable[int]) -> float:
    """Seconds the live threads of these processes were ready but waited for a CPU.

    Second field of schedstat (Documentation/scheduler/sched-stats.rst), in nanoseconds. A thread
    that ends takes its share along, so compare readings only while the threads stay the same.
    """
    return sum(int(text.split()[1]) for text in _task_files(pids, "schedstat")) / 1e9


def context_switches(pids: Iterable[int]) -> tuple[int, int]:
    """Voluntary and involuntary context switches of the live threads of these processes."""
    voluntary = involuntary = 0
    for text in _task_files(pids, "status"):
        found = _SWITCHES.search(text)
        if found is not None:
            voluntary += int(found[1])
            involuntary += int(found[2])
    return voluntary, involuntary


def _task_files(pids: Iterable[int], name: str) -> list[bytes]:
    """That file of every live thread; what vanishes while being read is left out."""
    texts = []
    for pid in pids:
        folder = f"{PROC}/{pid}/task"
        try:
            for task in os.listdir(folder):  # noqa: PTH208  (see small_file)
                texts.append(small_file(f"{folder}/{task}/{name}"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return texts
