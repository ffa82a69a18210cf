"""The finer facts about a machine: what explains why two runs differ. All as text.

A fact that the kernel doesn't have (other architecture, container, no driver) is left out.
"""

from __future__ import annotations

import os
import re
import resource
from datetime import UTC, datetime
from pathlib import Path

from asgi_bench.machine.affinity import allowed_cpus, cores, format_cpus
from asgi_bench.machine.control_groups import SYS, cpu_limit, memory_limit_bytes
from asgi_bench.machine.processes import PROC
from asgi_bench.model import CPU_LIMIT, INSTRUCTION_SETS, MEMORY_LIMIT

_GIB = 1024**3
# Boot options that bear on speed, by the start of their names.
_SPEED_OPTIONS = (
    *("amd_pstate", "cpuidle", "idle", "intel_idle", "intel_pstate", "isolcpus", "maxcpus"),
    *("mitigations", "nohz", "nosmt", "nr_cpus", "preempt", "processor.", "rcu_nocbs", "tsc"),
    "transparent_hugepage",
)

# What valgrind 3.19 asks an x86 CPU for, by the kernel's names: others it knows not, or always.
_PASSED_ON = (
    *("abm", "avx", "avx2", "bmi1", "cx16", "f16c", "pni", "rdrand", "rdseed", "rdtscp"),
    "ssse3",
)

# Of x86 and of Arm, as /proc/cpuinfo calls them.
_PROCESSOR = ("cpu family", "model", "CPU implementer", "CPU variant", "CPU part")


def read_line(path: Path) -> str | None:
    """The file's content without surrounding blanks; None if it doesn't exist or is empty."""
    try:
        return path.read_text(errors="replace").strip("\0 \n\t") or None
    except OSError:
        return None


def cpu_fields(proc: Path = PROC) -> dict[str, str]:
    """The first processor's block of /proc/cpuinfo."""
    block = (read_line(proc / "cpuinfo") or "").partition("\n\n")[0]
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def details(proc: Path = PROC, sys: Path = SYS) -> dict[str, str]:
    """The facts by name; unknown ones are missing."""
    facts: dict[str, str | None] = {
        **_cpu_facts(proc, sys),
        **_limit_facts(proc, sys),
        "clock source": read_line(
            sys / "devices/system/clocksource/clocksource0/current_clocksource"
        ),
        "load average": _first_words(read_line(proc / "loadavg"), 3),
        "started": _boot_time(proc),
        "container": _container(),
        "kernel options": _kernel_options(proc),
    }
    return {name: value for name, value in facts.items() if value is not None}


def governor(sys: Path = SYS) -> str | None:
    """The frequency governors in use, or None if the kernel doesn't set the frequency."""
    found = {
        text
        for path in (sys / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
        if (text := read_line(path)) is not None
    }
    return ", ".join(sorted(found)) or None


def virtualization(proc: Path = PROC, sys: Path = SYS) -> str | None:
    """The hypervisor's name if it is visible; None on bare metal."""
    if "hypervisor" not in cpu_fields(proc).get("flags", "").split():
        return read_line(sys / "hypervisor/type")
    product = " ".join(
        text
        for name in ("sys_vendor", "product_name")
        if (text := read_line(sys / "class/dmi/id" / name)) is not None
    )
    return product or read_line(sys / "hypervisor/type") or "virtual machine"


def _cpu_facts(proc: Path, sys: Path) -> dict[str, str | None]:
    cpus = sys / "devices/system/cpu"
    allowed = allowed_cpus()
    siblings = max(len(core) for core in cores(allowed, cpus))
    boost = read_line(cpus / "cpufreq/boost")
    no_turbo = read_line(cpus / "intel_pstate/no_turbo")
    if no_turbo is not None:
        boost = "0" if no_turbo == "1" else "1"
    return {
        "CPUs allowed": format_cpus(allowed),
        "cores": str(len(cores(allowed, cpus))),
        "threads per core": str(siblings),
        "SMT": read_line(cpus / "smt/control"),
        "processor": _processor(proc),
        INSTRUCTION_SETS: _instruction_sets(proc),
        "caches": _caches(cpus),
        "microcode": cpu_fields(proc).get("microcode"),
        "turbo": {"0": "off", "1": "on"}.get(boost or ""),
        "mitigations": _mitigations(cpus),
    }


def _processor(proc: Path) -> str | None:
    """The processor's generation in its maker's numbers: what a hypervisor seldom hides."""
    fields = cpu_fields(proc)
    return ", ".join(f"{name} {fields[name]}" for name in _PROCESSOR if name in fields) or None


def _instruction_sets(proc: Path) -> str | None:
    """What libraries choose their code by, under valgrind; of Arm all that the CPU has."""
    fields = cpu_fields(proc)
    flags = set(fields.get("flags", "").split())
    return " ".join(sorted(flags & set(_PASSED_ON))) or fields.get("Features")


def _caches(cpus: Path) -> str | None:
    found = []
    for index in sorted((cpus / "cpu0/cache").glob("index[0-9]*")):
        level, kind, size = (read_line(index / name) for name in ("level", "type", "size"))
        if level and size:
            letter = {"Data": "d", "Instruction": "i"}.get(kind or "", "")
            found.append(f"L{level}{letter} {size}")
    return ", ".join(found) or None


def _mitigations(cpus: Path) -> str | None:
    """What the kernel works against, and what it leaves open: both cost or save system time."""
    states: dict[str, list[str]] = {"Mitigation": [], "Vulnerable": []}
    files = sorted((cpus / "vulnerabilities").glob("*"))
    for path in files:
        # "Mitigation: PTI", "Vulnerable; SMT vulnerable", "Vulnerable: no microcode", ...
        word = re.split(r"\W", read_line(path) or "", maxsplit=1)[0]
        if word in states:
            states[word].append(path.name)
    parts = [
        f"{title} {', '.join(states[word])}"
        for word, title in (("Mitigation", "mitigated:"), ("Vulnerable", "vulnerable:"))
        if states[word]
    ]
    return "; ".join(parts) or ("none needed" if files else None)


def _limit_facts(proc: Path, sys: Path) -> dict[str, str | None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "open files": f"{soft} (hard limit {hard})",
        "somaxconn": read_line(proc / "sys/net/core/somaxconn"),
        "tcp_max_syn_backlog": read_line(proc / "sys/net/ipv4/tcp_max_syn_backlog"),
        "ephemeral ports": "-".join(
            (read_line(proc / "sys/net/ipv4/ip_local_port_range") or "").split()
        )
        or None,
        CPU_LIMIT: _cgroup_cpu_limit(proc, sys),
        MEMORY_LIMIT: _cgroup_memory_limit(proc, sys),
    }


def _cgroup_cpu_limit(proc: Path, sys: Path) -> str | None:
    cpus = cpu_limit(proc, sys)
    return None if cpus is None else f"{cpus:g} CPUs"


def _cgroup_memory_limit(proc: Path, sys: Path) -> str | None:
    limit_bytes = memory_limit_bytes(proc, sys)
    return None if limit_bytes is None else f"{limit_bytes / _GIB:.3g} GiB"


def _boot_time(proc: Path) -> str | None:
    for line in (read_line(proc / "stat") or "").splitlines():
        if line.startswith("btime "):
            return datetime.fromtimestamp(int(line.split()[1]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None


def _kernel_options(proc: Path) -> str | None:
    """The boot options that bear on speed; the rest may be private and is left out."""
    words = (read_line(proc / "cmdline") or "").split()
    return " ".join(word for word in words if word.startswith(_SPEED_OPTIONS)) or None


def _container() -> str | None:
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if Path(path).exists():
            return name
    return os.environ.get("container")  # noqa: SIM112 (systemd-nspawn and lxc spell it so)


def _first_words(text: str | None, count: int) -> str | None:
    return None if text is None else " ".join(text.split()[:count])


def memory_bytes() -> int:
    """The machine's memory (not the cgroup's share of it)."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
