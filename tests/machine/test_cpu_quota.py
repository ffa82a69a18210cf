"""CPU quotas, read from made-up trees of files."""

from pathlib import Path

import pytest

from asgi_bench.machine.limits import CpuQuota, cpu_quota, quota_folders

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
