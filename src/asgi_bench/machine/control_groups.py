"""What the control groups of this process allow it in CPUs and memory, in both versions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from asgi_bench.machine.processes import PROC

SYS = Path("/sys")


class CpuQuota(NamedTuple):
    """How much CPU a group's processes may use together, and how that went so far.

    They may use `cpus` CPUs in each of the kernel's periods. In `throttled_periods` of the
    `periods` in which any of them ran, the kernel stopped them before the end. `throttled_s` adds
    up for how long each CPU was denied.
    """

    cpus: float
    periods: int = 0
    throttled_periods: int = 0
    throttled_s: float = 0.0


def group_folders(controller: str, proc: Path = PROC, sys: Path = SYS) -> list[Path]:
    """Where limits on this process may be set: its group and every group above, v2 and v1."""
    folders = []
    for line in _text(proc / "self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = sys / "fs/cgroup" / (controller if names else "")
        inner = root / path.lstrip("/")
        folders += [inner, *(p for p in inner.parents if p.is_relative_to(root))]
    return folders


def quota_folders(proc: Path = PROC, sys: Path = SYS) -> tuple[Path, ...]:
    """The groups with a quota on this process; servers and load generator share them."""
    folders = group_folders("cpu", proc, sys)
    return tuple(folder for folder in folders if cpu_quota(folder) is not None)


def cpu_quota(folder: Path) -> CpuQuota | None:
    """A group's quota at this moment (it may change at any time); None if it has none."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota = _text(folder / "cpu.cfs_quota_us")
        period = _text(folder / "cpu.cfs_period_us")
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    pairs = (line.partition(" ") for line in _text(folder / "cpu.stat").splitlines())
    counts = {name: int(value) for name, _, value in pairs if value.isdigit()}
    return CpuQuota(
        cpus=int(quota) / int(period),
        periods=counts.get("nr_periods", 0),
        throttled_periods=counts.get("nr_throttled", 0),
        # Version 2 tells microseconds, version 1 nanoseconds.
        throttled_s=counts.get("throttled_usec", 0) / 1e6 + counts.get("throttled_time", 0) / 1e9,
    )


def cpu_limit(proc: Path = PROC, sys: Path = SYS) -> float | None:
    """How many CPUs this process and all it starts may use together; None without a quota."""
    quotas = (cpu_quota(folder) for folder in quota_folders(proc, sys))
    return min((quota.cpus for quota in quotas if quota is not None), default=None)


def memory_limit_bytes(proc: Path = PROC, sys: Path = SYS) -> int | None:
    """How much memory they may use together; None without a limit."""
    texts = (
        _text(folder / name)
        for folder in group_folders("memory", proc, sys)
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    # Without a limit, v1 shows the greatest page-aligned 63-bit number.
    limits = (int(text) for text in texts if text.isdigit() and int(text) < 2**60)
    return min(limits, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
