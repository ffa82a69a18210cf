"""A CPU quota on everything that is measured, where this machine lets us set one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_bench.analysis.utilization import is_throttled
from asgi_bench.measurement.slice_loader import SliceLoader
from asgi_bench.model import CPU_LIMIT
from tests import command_line
from tests.command_line import TINY, in_process
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

GROUP = f"asgi-bench-test-{os.getpid()}"
PERIOD_US = 100_000
# As good as none: the commands around the load needn't take minutes.
WIDE_US = 100 * PERIOD_US
NARROW_US = PERIOD_US // 10


class Group:
    """A group of control with a quota, of either version; this process is in it."""

    def __init__(self) -> None:
        tree = Path("/sys/fs/cgroup")
        self._is_v2 = (tree / "cgroup.controllers").exists()
        name = "" if self._is_v2 else "cpu"
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        paths = {key: path for _, key, path in (line.split(":", 2) for line in lines)}
        path = next(path for key, path in paths.items() if name in key.split(","))
        self._home = tree / name / path.lstrip("/")
        self._folder = self._home / GROUP

    def enter(self) -> None:
        """Make the group and move there; raises OSError where that isn't allowed."""
        self._folder.mkdir()
        self.allow(WIDE_US)
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))

    def allow(self, quota_us: int) -> None:
        """Set the quota."""
        if self._is_v2:
            (self._folder / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        else:
            (self._folder / "cpu.cfs_quota_us").write_text(str(quota_us))

    def leave(self) -> None:
        """Move back, and remove the group."""
        (self._home / "cgroup.procs").write_text(str(os.getpid()))
        self._folder.rmdir()


@pytest.fixture
def group() -> Iterator[Group]:
    """A group that this process and what it starts is in."""
    group = Group()
    try:
        group.enter()
    except (OSError, StopIteration) as fault:
        pytest.skip(f"no control group can be made here: {fault}")
    # A quota makes another machine of it, by its fingerprint.
    command_line._fingerprint.cache_clear()
    yield group
    group.leave()
    command_line._fingerprint.cache_clear()


def test_half_a_cpu_for_the_whole_run(group: Group, tmp_path: Path) -> None:
    """A run under a quota of 50 % names the quota in plan, machine and slices, and what it did."""
    group.allow(PERIOD_US // 2)
    size = ("--rounds", "1", "--duration", "500ms", "-c", "8")
    planned = in_process("run", *TINY, *size, "--dry-run", folder=tmp_path)
    assert "within a quota of 0.5 CPUs" in planned.stdout
    done = in_process("run", *TINY, *size, folder=tmp_path)
    group.allow(WIDE_US)
    (trial,) = done.trials("tiny")
    plan, machine = done.run.header.plan, done.run.header.machine
    assert plan.quota_cpus == 0.5
    assert machine.details[CPU_LIMIT] == "0.5 CPUs"
    assert trial.throttling is not None
    assert trial.throttling.quota_cpus == 0.5
    assert all({"quota_cpus", "throttled_s"} <= piece.meters.keys() for piece in trial.slices)
    said = " ".join(done.stdout.split())
    assert "(quota 0.5 CPUs)" in said
    # Where other groups leave this one less than its quota, nothing has to be stopped.
    is_stopped = is_throttled(trial)
    assert ("throttled" in {reason.code for reason in trial.validity_reasons}) == is_stopped
    assert ("throttled by the quota of 0.5 CPUs" in said) == is_stopped


@situation(
    "reasons",
    "A container's CPU quota stops the server again and again",
    says="throttled by the quota of 0.1 CPUs in … of … periods, server and load generator "
    "together: raise the quota of this container or control group, or measure outside it",
)
def test_a_quota_is_the_reason(
    group: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    """Nothing else is blamed for the time in which nobody was allowed to run."""
    load = SliceLoader.load

    def limited(*args: object, **keywords: object) -> None:
        group.allow(NARROW_US)
        try:
            load(*args, **keywords)  # type: ignore[arg-type]
        finally:
            group.allow(WIDE_US)

    monkeypatch.setattr(SliceLoader, "load", limited)
    size = ("--rounds", "1", "--duration", "300ms", "-c", "4")
    done = in_process("run", *TINY, *size, folder=tmp_path)
    (trial,) = done.trials("tiny")
    codes = {reason.code for reason in trial.validity_reasons}
    assert trial.validity == "suspect"
    assert not codes & {"cpu-contention", "concurrency-bound", "generator-bound", "nagle"}
    assert trial.throttling is not None
    assert trial.throttling.throttled_periods <= trial.throttling.periods
    assert "(quota 100 CPUs)" in " ".join(done.stdout.split())
    said(done.stdout)
