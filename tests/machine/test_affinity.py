"""Dividing CPUs and moving processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.errors import BenchError, UsageError
from asgi_bench.machine import affinity

# Threads that start further threads all the time, while they are being moved.
RESTLESS = """
import threading, time
def work(n):
    time.sleep(0.002)
    threading.Thread(target=work, args=(n,)).start()
    time.sleep(0.01)
for n in range(8):
    threading.Thread(target=work, args=(n,)).start()
print(flush=True)
time.sleep(60)
"""


def fake_sysfs(folder: Path, siblings: dict[int, str]) -> Path:
    """A /sys/devices/system/cpu with these thread_siblings_list files."""
    for cpu, text in siblings.items():
        topology = folder / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(text + "\n")
    return folder


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_lists_read_back_as_written(cpus: set[int]) -> None:
    """Any set of CPUs survives formatting and parsing."""
    assert set(affinity.parse_cpus(affinity.format_cpus(cpus), "--server-cpus")) == cpus


def test_cpu_list_with_ranges_and_blanks() -> None:
    """Ranges, single numbers, repetition and blanks may be mixed."""
    assert affinity.parse_cpus("0, 2-4,3", "--server-cpus") == (0, 2, 3, 4)


@pytest.mark.parametrize("text", ["", "a", "1-", "3-1", "0,,1", "-1", "1.5", "٣"])
def test_bad_cpu_list_names_the_flag(text: str) -> None:
    """What is no CPU list must be refused with the flag's name."""
    with pytest.raises(UsageError, match="--load-cpus"):
        affinity.parse_cpus(text, "--load-cpus")


@pytest.mark.parametrize(
    ("siblings", "servers", "load"),
    [
        ({0: "0", 1: "1"}, (0,), (1,)),
        ({0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}, (0, 2), (1, 3)),
        ({0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, (0, 1), (2, 3)),
        ({0: "0", 1: "1", 2: "2"}, (0, 1), (2,)),
        # Twelve threads of fast cores come first, four slow cores last.
        (
            {**{n: f"{n // 2 * 2}-{n // 2 * 2 + 1}" for n in range(4)}, 4: "4", 5: "5"},
            (0, 1, 2, 3),
            (4, 5),
        ),
    ],
)
def test_default_split_keeps_siblings_together(
    tmp_path: Path, siblings: dict[int, str], servers: tuple[int, ...], load: tuple[int, ...]
) -> None:
    """Half of the cores to either side, and never two threads of one core on different sides."""
    sysfs = fake_sysfs(tmp_path, siblings)
    split = affinity.split_cpus(None, None, allowed=tuple(siblings), sysfs=sysfs)
    assert split == affinity.CpuSplit(servers, load)


def test_one_cpu_is_shared(tmp_path: Path) -> None:
    """With a single CPU both sides must use it, and it is said so."""
    split = affinity.split_cpus(None, None, allowed=(3,), sysfs=tmp_path)
    assert split == affinity.CpuSplit((3,), (3,), is_shared=True)
    assert affinity.split_cpus((3,), None, allowed=(3,), sysfs=tmp_path).is_shared
    assert affinity.split_cpus((3,), (3,), allowed=(3,), sysfs=tmp_path).is_shared


def test_one_core_with_two_threads_is_split_and_said(tmp_path: Path) -> None:
    """Two threads of the only core are better than one shared CPU, but it is no clean split."""
    sysfs = fake_sysfs(tmp_path, {0: "0-1", 1: "0-1"})
    split = affinity.split_cpus(None, None, allowed=(0, 1), sysfs=sysfs)
    assert split == affinity.CpuSplit((0,), (1,), splits_core=True)


def test_only_allowed_cpus_are_used(tmp_path: Path) -> None:
    """A container's CPU set limits the split; siblings outside it don't count."""
    sysfs = fake_sysfs(tmp_path, {n: f"{n % 4},{n % 4 + 4}" for n in range(8)})
    split = affinity.split_cpus(None, None, allowed=(1, 2, 6), sysfs=sysfs)
    assert split == affinity.CpuSplit((1,), (2, 6))


def test_one_wish_leaves_whole_cores_to_the_other(tmp_path: Path) -> None:
    """The other side gets what is left, without the siblings of what is taken."""
    sysfs = fake_sysfs(tmp_path, {n: f"{n % 4},{n % 4 + 4}" for n in range(8)})
    split = affinity.split_cpus((0,), None, allowed=range(8), sysfs=sysfs)
    assert split == affinity.CpuSplit((0,), (1, 2, 3, 5, 6, 7))
    split = affinity.split_cpus(None, (0, 1, 2, 3), allowed=range(8), sysfs=sysfs)
    assert split == affinity.CpuSplit((4, 5, 6, 7), (0, 1, 2, 3), splits_core=True)


@pytest.mark.parametrize(
    ("quota_cpus", "servers", "load"),
    [
        (0.5, (0,), (1,)),
        (2.0, (0,), (1,)),
        (2.5, (0, 1), (2,)),
        (4.0, (0, 1), (2, 3)),
        (7.2, (0, 1, 4, 5), (2, 3, 6, 7)),
        (64.0, (0, 1, 4, 5), (2, 3, 6, 7)),
    ],
)
def test_a_quota_is_so_many_cpus(
    tmp_path: Path, quota_cpus: float, servers: tuple[int, ...], load: tuple[int, ...]
) -> None:
    """No more CPUs are taken than it has time for, on cores of their own, and none is shared."""
    sysfs = fake_sysfs(tmp_path, {n: f"{n % 4},{n % 4 + 4}" for n in range(8)})
    found = affinity.split_cpus(None, None, quota_cpus=quota_cpus, allowed=range(8), sysfs=sysfs)
    assert found == affinity.CpuSplit(servers, load)


def test_a_wish_leaves_the_other_side_what_is_left_of_the_quota(tmp_path: Path) -> None:
    """What was asked for stands, and the other side has a CPU at least."""
    sysfs = fake_sysfs(tmp_path, {n: f"{n}" for n in range(8)})
    split = affinity.split_cpus((0, 1), None, quota_cpus=3.5, allowed=range(8), sysfs=sysfs)
    assert split == affinity.CpuSplit((0, 1), (2, 3))
    split = affinity.split_cpus(None, (4, 5), quota_cpus=1.0, allowed=range(8), sysfs=sysfs)
    assert split == affinity.CpuSplit((0,), (4, 5))


@pytest.mark.parametrize(
    ("count", "quota_cpus", "split"),
    [
        (8, None, affinity.CpuSplit((0, 1, 2, 3, 4, 5, 6), (7,))),
        (4, None, affinity.CpuSplit((0, 1, 2), (3,))),
        (8, 3.5, affinity.CpuSplit((0, 1, 2), (3,))),
        (2, None, affinity.CpuSplit((0, 1), (1,), is_shared=True)),
        (1, None, affinity.CpuSplit((0,), (0,), is_shared=True)),
        (8, 1.0, affinity.CpuSplit((0,), (0,), is_shared=True)),
    ],
)
def test_with_load_from_elsewhere_servers_have_all_cpus_but_one(
    tmp_path: Path, count: int, quota_cpus: float | None, split: affinity.CpuSplit
) -> None:
    """The master's own, which servers have too where there are few."""
    sysfs = fake_sysfs(tmp_path, {n: f"{n}" for n in range(count)})
    found = affinity.split_for_master(quota_cpus=quota_cpus, allowed=range(count), sysfs=sysfs)
    assert found == split


@pytest.mark.parametrize(
    ("servers", "load", "text"),
    [
        ((9,), None, "--server-cpus '9': this process may use CPU 0-3, not 9"),
        (None, (0, 9), "--load-cpus '0,9': this process may use CPU 0-3, not 9"),
        ((), None, "--server-cpus '': .*name at least one"),
        ((0, 1), (1, 2), "--server-cpus 0-1 and --load-cpus 1-2 share CPU 1"),
        ((0, 1, 2, 3), None, "--server-cpus 0-3 leaves no CPU for the generator"),
        (None, (0, 1, 2, 3), "--load-cpus 0-3 leaves no CPU for the servers"),
    ],
)
def test_impossible_wishes_are_usage_errors(
    tmp_path: Path, servers: tuple[int, ...] | None, load: tuple[int, ...] | None, text: str
) -> None:
    """A wish that can't be met must be refused with the flag, the fault and what is allowed."""
    with pytest.raises(UsageError, match=text):
        affinity.split_cpus(servers, load, allowed=range(4), sysfs=tmp_path)


def test_this_machine_can_be_split() -> None:
    """The real topology must give a split of the CPUs we may use."""
    split = affinity.split_cpus(None, None)
    assert set(split.server_cpus) | set(split.load_cpus) <= set(affinity.allowed_cpus())
    assert split.is_shared == (len(affinity.allowed_cpus()) == 1)


def test_move_reaches_every_thread() -> None:
    """All threads end on the CPU, also those that start during the move, and that is read back."""
    cpu = max(affinity.allowed_cpus())
    argv = [sys.executable, "-I", "-S", "-c", RESTLESS]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            assert affinity.move([child.pid], [cpu]) == (cpu,)
            for task in Path(f"/proc/{child.pid}/task").iterdir():
                try:
                    assert os.sched_getaffinity(int(task.name)) == {cpu}
                except ProcessLookupError:
                    continue
        finally:
            child.kill()


def test_move_looks_again_until_no_thread_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that the first look missed must be moved too."""
    cpu = max(affinity.allowed_cpus())
    script = "import threading, time\nfor _ in range(2):\n"
    script += " threading.Thread(target=time.sleep, args=(60,)).start()\nprint(flush=True)"
    argv = [sys.executable, "-I", "-S", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            threads = {int(task.name) for task in Path(f"/proc/{child.pid}/task").iterdir()}
            assert len(threads) == 3
            looks = iter([{child.pid}])
            monkeypatch.setattr(affinity, "_threads", lambda pids: next(looks, threads))
            assert affinity.move([child.pid], [cpu]) == (cpu,)
            assert [os.sched_getaffinity(thread) for thread in threads] == [{cpu}] * 3
        finally:
            child.kill()


def test_move_passes_over_the_vanished(gone_pid: int) -> None:
    """A process that ended has no mask and is no error."""
    assert affinity.move([gone_pid], [0]) == ()


def test_move_to_a_cpu_that_is_not_there_is_an_error() -> None:
    """The kernel's refusal must reach the user as one line."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=-1) as child:
        try:
            with pytest.raises(BenchError, match="CPU 1000"):
                affinity.move([child.pid], [1000])
        finally:
            child.kill()
