"""The CPU's counters: through the same code with the kernel's own, page faults above all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asgi_bench.counting.backends import hardware
from asgi_bench.counting.backends.hardware import Hardware
from asgi_bench.machine.perf_events import EventName, why_not
from asgi_bench.model.counts import Tally
from asgi_bench.serving.faults import ServerFault

DEADLINE_S = 60.0
TOUCH = """
import mmap, os, sys, time

def fresh(pages):
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory

def touch(pages):
    memory = fresh(pages)
    for page in range(pages):
        memory[page * mmap.PAGESIZE] = 1

def filled_by_the_kernel(pages):
    open("/dev/zero", "rb", buffering=0).readinto(fresh(pages))
"""
needs_faults = pytest.mark.skipif(
    why_not("page-faults") is not None, reason="the kernel lets no process count page faults"
)


def counted(folder: Path, code: str, event: EventName = "page-faults") -> Tally:
    """What was counted of a program and all that it started."""
    folder.mkdir()
    backend = Hardware(event)
    subprocess.run(
        [*backend.prefix(folder), sys.executable, "-c", TOUCH + code], timeout=60, check=True
    )
    return backend.tally(folder)


@needs_faults
def test_modes_are_counted_apart_in_all_processes(tmp_path: Path) -> None:
    """A child's events are added, and each mode has its own."""
    code = "touch({0})\nif os.fork() == 0:\n touch({0}); os._exit(0)\nos.wait()\n"
    code += "filled_by_the_kernel({1})"
    few = counted(tmp_path / "few", code.format(100, 100)).parts["mode"]
    many = counted(tmp_path / "many", code.format(1100, 3100)).parts["mode"]
    # Other faults come and go by some dozens.
    assert 1900 < many["user"] - few["user"] < 2500
    assert 2900 < many["kernel"] - few["kernel"] < 3500


@needs_faults
def test_servers_of_several_launchers_are_counted_whole(tmp_path: Path) -> None:
    """A server of two processes that are started one by one has two launchers, and one folder."""
    command = [sys.executable, "-c", TOUCH + "touch(1000)"]
    for _ in range(2):
        launched = [*Hardware("page-faults").prefix(tmp_path), *command]
        subprocess.run(launched, timeout=60, check=True)
    tally = Hardware("page-faults").tally(tmp_path)
    assert tally.processes == 2
    assert tally.total > 2000


@needs_faults
def test_the_total_is_that_of_user_mode(tmp_path: Path) -> None:
    """As valgrind counts user mode alone, so does the total; the kernel's stands beside it."""
    tally = counted(tmp_path / "life", "filled_by_the_kernel(1000)")
    assert tally.total == tally.parts["mode"]["user"]
    assert tally.parts["mode"]["kernel"] >= 1000


@needs_faults
@pytest.mark.parametrize("event", ["task-clock", "context-switches"])
def test_other_events_take_the_same_way(event: EventName, tmp_path: Path) -> None:
    """A clock that ran, and switches of a process that slept, are counted."""
    tally = counted(tmp_path / "life", "for _ in range(20): time.sleep(0.001)", event)
    assert sum(tally.parts["mode"].values()) >= 20


@needs_faults
def test_the_process_becomes_the_server(tmp_path: Path) -> None:
    """The server has the pid that was started, no child it hasn't started, and gets signals."""
    code = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "try:\n os.waitpid(-1, os.WNOHANG); print('a child', flush=True)\n"
        "except ChildProcessError:\n print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    started = subprocess.Popen(
        [*Hardware("page-faults").prefix(tmp_path), sys.executable, "-c", TOUCH + code],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert started.stdout is not None
    with started:
        assert started.stdout.readline() == f"{started.pid}\n"
        os.killpg(started.pid, signal.SIGTERM)
        # The watcher has not kept what the server has open.
        assert started.stdout.read() == ""
        assert started.wait(DEADLINE_S) == 7
    assert Hardware("page-faults").tally(tmp_path).total > 0


def test_a_machine_without_counters_is_named() -> None:
    """Either the machine has them, or one line says why it doesn't."""
    missing = Hardware().missing()
    assert missing is None or "\n" not in missing


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "could not be read"),
        ("", "could not be read"),
        ("{", "could not be read"),
        ('{"user": [5, true], "kernel": [5, false]}', "another program used the CPU's counters"),
    ],
)
def test_a_count_that_is_not_whole_is_none(
    text: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that isn't there, or a counter that others had meanwhile, is a fault."""
    monkeypatch.setattr(hardware, "_MOST_WAIT_S", 0.1)
    if text is not None:
        (tmp_path / "counts.77").write_text(text)
    with pytest.raises(ServerFault, match=reason):
        Hardware().tally(tmp_path)
