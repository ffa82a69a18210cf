"""The finer facts, read from a machine made of files."""

from pathlib import Path

import pytest

from asgi_bench.machine import facts


def write(root: Path, files: dict[str, str]) -> None:
    """Write these files below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """A /proc and a /sys of some server with turbo, a governor and limits."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    cpus = "devices/system/cpu"
    write(
        proc,
        {
            "cpuinfo": "cpu family\t: 25\nmodel\t\t: 1\nmodel name\t: Some CPU\n"
            "flags\t\t: fpu hypervisor\n\nmodel name\t: Other",
            "self/cgroup": "0::/bench/run",
            "loadavg": "0.10 0.20 0.30 1/200 4242",
            "stat": "cpu 1 2\nbtime 1700000000",
            "cmdline": "root=/dev/secret mitigations=off quiet isolcpus=2,3",
        },
    )
    write(
        sys,
        {
            f"{cpus}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{cpus}/cpu1/cpufreq/scaling_governor": "performance",
            f"{cpus}/intel_pstate/no_turbo": "1",
            f"{cpus}/vulnerabilities/meltdown": "Mitigation: PTI",
            f"{cpus}/vulnerabilities/mds": "Vulnerable; SMT vulnerable",
            f"{cpus}/vulnerabilities/l1tf": "Not affected",
            f"{cpus}/cpu0/cache/index0/level": "1",
            f"{cpus}/cpu0/cache/index0/type": "Data",
            f"{cpus}/cpu0/cache/index0/size": "32K",
            "fs/cgroup/bench/run/cpu.max": "max 100000",
            "fs/cgroup/bench/cpu.max": "150000 100000",
            "fs/cgroup/bench/memory.max": str(2**31),
            "class/dmi/id/sys_vendor": "QEMU",
        },
    )
    return proc, sys


def test_facts_are_read(roots: tuple[Path, Path]) -> None:
    """Each fact must be found where the kernel tells it, limits also in groups above."""
    found = facts.details(*roots)
    assert found["turbo"] == "off"
    assert found["mitigations"] == "mitigated: meltdown; vulnerable: mds"
    assert found["processor"] == "cpu family 25, model 1"
    assert found["caches"] == "L1d 32K"
    assert found["cgroup CPU limit"] == "1.5 CPUs"
    assert found["cgroup memory limit"] == "2 GiB"
    assert found["load average"] == "0.10 0.20 0.30"
    assert found["started"] == "2023-11-14T22:13:20Z"
    assert found["kernel options"] == "mitigations=off isolcpus=2,3"


def test_governors_and_hypervisor_are_read(roots: tuple[Path, Path]) -> None:
    """Different governors are all named; the hypervisor's maker is told by the firmware."""
    assert facts.governor(roots[1]) == "performance, powersave"
    assert facts.virtualization(*roots) == "QEMU"


def test_older_cgroups_are_read(tmp_path: Path) -> None:
    """Version 1 has one tree a controller; its greatest number means no limit."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    write(proc, {"self/cgroup": "5:memory:/box\n4:cpu,cpuacct:/\n0::/ignored"})
    write(
        sys,
        {
            "fs/cgroup/memory/box/memory.limit_in_bytes": str(2**63 - 4096),
            "fs/cgroup/memory/memory.limit_in_bytes": str(2**30),
            "fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
            "fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    found = facts.details(proc, sys)
    assert found["cgroup CPU limit"] == "0.5 CPUs"
    assert found["cgroup memory limit"] == "1 GiB"


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    """What isn't told is left out; nothing is invented and nothing fails."""
    found = facts.details(tmp_path, tmp_path)
    untold = {"turbo", "mitigations", "processor", "caches", "cgroup CPU limit", "started"}
    assert not untold & set(found)
    assert facts.governor(tmp_path) is None
    assert facts.virtualization(tmp_path, tmp_path) is None
    assert facts.cpu_fields(tmp_path) == {"": ""} or not facts.cpu_fields(tmp_path)
