"""Counters of the kernel and the CPU for this process and what it starts: perf_event_open(2).

Each mode has a counter of its own: user mode counts what a program does, kernel mode what it
requests. They begin with the next exec and continue in every process and thread that is started
from then on; whatever ends adds its count to what is read here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

Mode: TypeAlias = Literal["user", "kernel"]
EventName: TypeAlias = Literal["instructions", "page-faults", "context-switches", "task-clock"]

# <linux/perf_event.h>: the type of counter, and which of that type.
_EVENTS: dict[EventName, tuple[int, int]] = {
    "instructions": (0, 1),
    "task-clock": (1, 1),
    "page-faults": (1, 2),
    "context-switches": (1, 3),
}
_SYSCALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
_ATTRIBUTE = struct.Struct("IIQQQQQ")
_ATTRIBUTE_BYTES = 128
# With the count, for how long it was to count and for how long it did.
_READ_TIMES = 1 | 2
_DISABLED, _INHERIT, _ENABLE_ON_EXEC = 1 << 0, 1 << 1, 1 << 12
_NOT_USER, _NOT_KERNEL, _NOT_HYPERVISOR = 1 << 4, 1 << 5, 1 << 6
_LEFT_OUT: dict[Mode, int] = {"user": _NOT_KERNEL, "kernel": _NOT_USER}
_CLOSE_ON_EXEC = 8
_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")


class Reading(NamedTuple):
    """The value of one counter."""

    value: int
    is_whole: bool
    """Whether it counted all the time; if not, others had the CPU's counter for a part of it."""


def open_counter(event: EventName, mode: Mode) -> int:
    """Open a counter that waits for this process's next exec; return its descriptor.

    Raises OSError if this machine doesn't have it, or doesn't let this process have it.
    """
    number = _SYSCALLS.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    kind, which = _EVENTS[event]
    bits = _DISABLED | _INHERIT | _ENABLE_ON_EXEC | _NOT_HYPERVISOR | _LEFT_OUT[mode]
    attribute = (ctypes.c_char * _ATTRIBUTE_BYTES)()
    _ATTRIBUTE.pack_into(attribute, 0, kind, _ATTRIBUTE_BYTES, which, 0, 0, _READ_TIMES, bits)
    libc = ctypes.CDLL(None, use_errno=True)
    this_process, any_cpu, no_group = 0, -1, -1
    found = libc.syscall(number, attribute, this_process, any_cpu, no_group, _CLOSE_ON_EXEC)
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(found)


def read_counter(descriptor: int) -> Reading:
    """The value of a counter, including everything started since."""
    value, enabled_ns, running_ns = struct.unpack("QQQ", os.read(descriptor, 24))
    return Reading(value, enabled_ns == running_ns)


def modes_told(event: EventName, modes: Sequence[Mode] = ("user", "kernel")) -> tuple[Mode, ...]:
    """The modes in which this process may count, of those requested."""
    return tuple(mode for mode in modes if why_not(event, mode) is None)


def why_not(event: EventName, mode: Mode = "user") -> str | None:
    """Why this process can't count here, in a few words; None if it can."""
    try:
        os.close(open_counter(event, mode))
    except OSError as fault:
        return reason_of(fault.errno or 0)
    return None


def reason_of(code: int) -> str:
    """What an error of perf_event_open means, and how to fix it."""
    if code in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        return "the machine exposes no counters of its CPU, as is usual for virtual machines"
    if code in (errno.EACCES, errno.EPERM):
        level = _paranoid()
        if level is not None and level > 2:
            return f"kernel.perf_event_paranoid is {level}; at 2, a process may count"
        return (
            "this process may not count: a container's seccomp profile or another policy forbids it"
        )
    if code == errno.ENOSYS:
        return "the kernel has no perf_event_open"
    return f"perf_event_open fails: {os.strerror(code)}"


def _paranoid() -> int | None:
    """How closed the counters are to users; None where it isn't told."""
    try:
        return int(_PARANOID.read_text())
    except (OSError, ValueError):
        return None
