"""What control groups allow, read from trees of files: made up, and as a kernel wrote them."""

from pathlib import Path

import pytest

from asgi_bench.machine.control_groups import (
    CpuQuota,
    cpu_limit,
    cpu_quota,
    memory_limit_bytes,
    quota_folders,
)

V2_STAT = "usage_usec 99\nnr_periods 60\nnr_throttled 42\nthrottled_usec 2500000"
V1_STAT = "nr_periods 60\nnr_throttled 42\nthrottled_time 2500000000"


def written(folder: Path, **files: str) -> Path:
    """A folder with these files, `cpu_max` for cpu.max."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"cpu_max": "50000 100000", "cpu_stat": V2_STAT},
        {"cpu_cfs_quota_us": "50000", "cpu_cfs_period_us": "100000", "cpu_stat": V1_STAT},
    ],
)
def test_both_versions_are_read(tmp_path: Path, files: dict[str, str]) -> None:
    """A half of a CPU, and what came of it, in seconds."""
    assert cpu_quota(written(tmp_path, **files)) == CpuQuota(0.5, 60, 42, 2.5)


@pytest.mark.parametrize(
    "files", [{}, {"cpu_max": "max 100000"}, {"cpu_cfs_quota_us": "-1", "cpu_cfs_period_us": "1"}]
)
def test_no_limit_is_no_quota(tmp_path: Path, files: dict[str, str]) -> None:
    """As most groups have it."""
    assert cpu_quota(written(tmp_path, **files)) is None


def test_quotas_are_found_in_the_groups_above(tmp_path: Path) -> None:
    """A pod's quota stands above its container's group."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    written(proc / "self")
    (proc / "self" / "cgroup").write_text("0::/pod/box\n")
    pod = written(sys / "fs/cgroup/pod", cpu_max="50000 100000")
    written(sys / "fs/cgroup/pod/box", cpu_max="max 100000")
    assert quota_folders(proc, sys) == (pod,)


# As a kernel 6.1 with version 2 alone shows them to a container of `--cpus 0.5 --memory 256m`.
V2_TREE = {
    "cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc",
    "cgroup.procs": "1\n17",
    "cpu.max": "50000 100000",
    "cpu.max.burst": "0",
    "cpu.weight": "20",
    "cpu.pressure": "some avg10=31.04 avg60=12.21 avg300=3.05 total=9412881\n"
    "full avg10=30.11 avg60=11.90 avg300=2.97 total=9301127",
    "cpu.stat": "usage_usec 6214907\nuser_usec 4960311\nsystem_usec 1254596\n"
    "core_sched.force_idle_usec 0\nnr_periods 148\nnr_throttled 117\n"
    "throttled_usec 9187743\nnr_bursts 0\nburst_usec 0",
    "memory.max": "268435456",
    "memory.high": "max",
    "memory.current": "48234496",
}


def test_a_whole_tree_of_version_2_is_read(tmp_path: Path) -> None:
    """What stands beside the few files that count changes nothing."""
    proc, group = tmp_path / "proc", tmp_path / "sys/fs/cgroup"
    written(proc / "self")
    (proc / "self" / "cgroup").write_text("0::/\n")
    group.mkdir(parents=True)
    for name, text in V2_TREE.items():
        (group / name).write_text(f"{text}\n")
    assert cpu_limit(proc, tmp_path / "sys") == 0.5
    assert memory_limit_bytes(proc, tmp_path / "sys") == 256 * 1024**2
    assert cpu_quota(group) == CpuQuota(0.5, 148, 117, 9.187743)


def test_the_tightest_of_all_groups_counts(tmp_path: Path) -> None:
    """Limits hold together, wherever they stand, in either version of control groups."""
    proc, tree = tmp_path / "proc", tmp_path / "sys/fs/cgroup"
    written(proc / "self")
    (proc / "self" / "cgroup").write_text("2:cpu,cpuacct:/a/b\n1:memory:/a\n0::/\n")
    v1 = {"cpu_cfs_period_us": "100000"}
    written(tree / "cpu/a", **v1, cpu_cfs_quota_us="150000")
    written(tree / "cpu/a/b", **v1, cpu_cfs_quota_us="400000")
    written(tree / "memory", memory_limit_in_bytes="9223372036854771712")
    written(tree / "memory/a", memory_limit_in_bytes="1073741824")
    assert cpu_limit(proc, tmp_path / "sys") == 1.5
    assert memory_limit_bytes(proc, tmp_path / "sys") == 1024**3


def test_without_a_limit_nothing_is_limited(tmp_path: Path) -> None:
    """A machine without control groups, or whose groups say nothing."""
    assert cpu_limit(tmp_path, tmp_path) is None
    assert memory_limit_bytes(tmp_path, tmp_path) is None
