"""CPU clocks, waiting and stealing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asgi_bench.machine import clocks

BURN = "import time\nwhile time.process_time() < {cpu_s}: pass\n"


def burner(cpu_s: float, prefix: str = "") -> list[str]:
    """A command that uses that much CPU time and ends."""
    return [sys.executable, "-I", "-S", "-c", prefix + BURN.format(cpu_s=cpu_s)]


def test_process_clock_agrees_with_own_process_time() -> None:
    """The clock by pid must tell what Python tells about its own process, to the millisecond."""
    before = time.process_time()
    read = clocks.process_cpu_s(os.getpid())
    assert before <= read <= time.process_time()


def test_process_clock_of_a_vanished_pid_raises(gone_pid: int) -> None:
    """A pid that names no process must be an error, not the time of our own process."""
    with pytest.raises(ProcessLookupError):
        clocks.process_cpu_s(gone_pid)


def test_tree_cpu_counts_the_vanished_as_nothing(gone_pid: int) -> None:
    """A vanished process must not spoil the sum of the others."""
    assert clocks.tree_cpu_s([gone_pid]) == 0
    assert clocks.tree_cpu_s([gone_pid, os.getpid()]) > 0
    assert set(clocks.cpu_s_by_process([gone_pid, os.getpid()])) == {os.getpid()}


def test_user_system_time_includes_children_that_ended() -> None:
    """The time of a worker that died and was waited for must still be in its parent's."""
    script = (
        "import subprocess, sys\n"
        f"subprocess.run({burner(0.2)!r}, check=True)\n"
        "print(flush=True)\nsys.stdin.read()\n"
    )
    argv = [sys.executable, "-I", "-S", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        user, system = clocks.user_system_s([parent.pid])
        waited = clocks.waited_cpu_s([parent.pid])
        alone = clocks.process_cpu_s(parent.pid)
    assert user + system >= 0.18
    assert user + system > alone
    assert 0.18 <= waited[parent.pid] <= user + system


def test_user_system_time_of_the_vanished_is_nothing(gone_pid: int) -> None:
    """A vanished process counts as 0."""
    assert clocks.user_system_s([gone_pid]) == (0.0, 0.0)


def test_what_each_cpu_was_used_for_is_told_in_seconds(tmp_path: Path) -> None:
    """Busy is programs, kernel and interrupts; not idling, nor guests, which are in the first."""
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 20 300 4000 50000 600 7000 8 1 20\n"
        "cpu10 0 0 0 0 0 0 0 50 0 0\nintr 1 2 3\ncpu11 no CPU\n"
    )
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    times = clocks.cpu_times(str(stat))
    assert times.keys() == {0, 10}
    assert times[0] == pytest.approx(((1 + 20 + 300 + 600 + 7000) * tick_s, 8 * tick_s))
    assert times[10] == pytest.approx((0, 50 * tick_s))


def test_cpus_of_this_machine_are_readable() -> None:
    """The real file must be understood."""
    assert os.sched_getaffinity(0) <= clocks.cpu_times().keys()


def test_task_figures_are_summed_over_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting is the second figure of schedstat, in nanoseconds; every thread counts."""
    for pid, task in ((7, 7), (7, 8), (9, 9)):
        folder = tmp_path / str(pid) / "task" / str(task)
        folder.mkdir(parents=True)
        (folder / "schedstat").write_text("5000000000 1500000000 7\n")
        (folder / "status").write_text(
            "Name:\tx\nvoluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t3\n"
        )
    monkeypatch.setattr(clocks, "PROC", tmp_path)
    assert clocks.run_queue_wait_s([7, 9, 11]) == 4.5
    assert clocks.context_switches([7, 11]) == (20, 6)


def test_two_on_one_cpu_wait_for_each_other() -> None:
    """Two busy processes on one CPU must be seen waiting: about half of their time."""
    cpu = min(os.sched_getaffinity(0))
    prefix = f"import os\nos.sched_setaffinity(0, [{cpu}])\n"
    pair = [subprocess.Popen(burner(60, prefix)) for _ in range(2)]
    try:
        deadline = time.monotonic() + 20
        pids = [child.pid for child in pair]
        while clocks.run_queue_wait_s(pids) < 0.2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        for child in pair:
            child.kill()
            child.wait()
    assert clocks.run_queue_wait_s(pids) == 0


def test_a_sleeper_switches_voluntarily() -> None:
    """A sleep is a voluntary switch; all of a process's threads count."""
    before, _ = clocks.context_switches([os.getpid()])
    for _ in range(20):
        time.sleep(0.01)
    after, _ = clocks.context_switches([os.getpid()])
    # Not each of them: on a busy machine a timer may fire before its sleeper has left the CPU.
    assert after - before >= 10


def test_own_age_counts_from_the_start_of_the_process() -> None:
    """Python's start and the imports before the first line are in it."""
    script = (
        "import time; begun = time.monotonic(); from asgi_bench.machine.clocks import own_age_s; "
        "print(own_age_s() - (time.monotonic() - begun))"
    )
    before_s = float(subprocess.check_output([sys.executable, "-c", script]))
    assert 0 < before_s < 30
    assert clocks.own_age_s() > before_s
