"""Which machine this is, what is installed on it, and whether anything else runs there now."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from importlib import metadata

from asgi_bench.machine import facts
from asgi_bench.machine.clocks import cpu_s_by_process
from asgi_bench.machine.processes import process_name, process_table
from asgi_bench.model import CPU_LIMIT, PROCESSOR_FACTS, Machine

# A quarter of one CPU in others' hands moves a server on the same CPU by up to 25 %; an idle
# desktop or a CI agent between jobs stays below it.
_BUSY_CPUS = 0.25
_SAMPLE_S = 0.4


def describe_machine() -> Machine:
    """Everything about this machine that affects speed.

    Its `fingerprint` is a hash of the coarse facts alone (processor, CPU count, kernel major and
    minor, system, Python minor, a CPU quota): runs on machines with one fingerprint can be compared
    over time; a security update of the kernel doesn't change it. The rest explains differences.

    The processor is its name, its maker's numbers and its caches. Hypervisors give whole
    generations one name: of two hosts that both said "AMD EPYC" one had 1 MiB of L2 and the other
    half of that; granian to uvicorn was 0.83 on the first, 1.1 on the second.
    """
    cpu_model = _cpu_model()
    cpu_count = os.cpu_count() or 1
    system, system_id = _operating_system()
    details = facts.details()
    coarse = (
        cpu_model,
        *(details.get(name) for name in PROCESSOR_FACTS),
        cpu_count,
        platform.machine(),
        ".".join(re.findall(r"\d+", platform.release())[:2]),
        system_id,
        platform.python_implementation(),
        ".".join(platform.python_version_tuple()[:2]),
        # Appended only where there is one: machines without keep the fingerprint they had.
        *((details[CPU_LIMIT],) if CPU_LIMIT in details else ()),
    )
    return Machine(
        fingerprint=hashlib.sha256(repr(coarse).encode()).hexdigest()[:16],
        hostname=platform.node(),
        cpu_model=cpu_model,
        cpu_count=cpu_count,
        memory_bytes=facts.memory_bytes(),
        kernel=platform.release(),
        os=system,
        virtualization=facts.virtualization(),
        governor=facts.governor(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        details={"architecture": platform.machine(), **details},
    )


def _cpu_model() -> str:
    fields = facts.cpu_fields()
    name = fields.get("model name") or fields.get("Model") or fields.get("cpu model")
    if name is None and "CPU part" in fields:  # Arm tells numbers only.
        name = f"Arm implementer {fields.get('CPU implementer')} part {fields['CPU part']}"
    return re.sub(r"\s+", " ", name or platform.machine())


def _operating_system() -> tuple[str, str]:
    """The system's name for people, and its name and version for the fingerprint."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system(), platform.system()
    version = release.get("VERSION_ID", "")
    return release.get("PRETTY_NAME", release["NAME"]), f"{release['ID']} {version}".strip()


def installed_packages() -> dict[str, str]:
    """Normalised name (PEP 503) and version of each distribution of this interpreter, sorted."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if name:  # A half-removed package leaves a folder without metadata.
            # The first on the path is the one an import finds.
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))


def busy_warning(sample_s: float = _SAMPLE_S) -> str | None:
    """One line if others use this machine now, naming the busiest process; None if it is quiet.

    Looks at CPU time over a short sample. The load average is mentioned but not judged: after a
    run or a build it stays high for minutes on an idle machine.
    """
    before = _cpu_s_by_process()
    start_s = time.monotonic()
    time.sleep(sample_s)
    after = _cpu_s_by_process()
    sampled_s = time.monotonic() - start_s
    used_cpus = {
        pid: (cpu_s - before[pid]) / sampled_s for pid, cpu_s in after.items() if pid in before
    }
    total_cpus = sum(used_cpus.values())
    if total_cpus < _BUSY_CPUS:
        return None
    busiest = max(used_cpus, key=lambda pid: used_cpus[pid])
    return (
        f"this machine is busy: other programs use {total_cpus:.1f} of {os.cpu_count() or 1} "
        f"CPUs, most of it {process_name(busiest)} (pid {busiest}) with "
        f"{used_cpus[busiest]:.1f}; load average {os.getloadavg()[0]:.1f}; expect wider "
        "intervals"
    )


def _cpu_s_by_process() -> dict[int, float]:
    return cpu_s_by_process(pid for pid in process_table() if pid != os.getpid())
