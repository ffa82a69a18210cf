"""What the reaper ends once its harness is gone, called here as it calls itself."""

import io
import os
import runpy
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asgi_bench.machine import reaper_script
from asgi_bench.machine.reaper_script import guard

LASTS = ("sleep", "60")
IGNORES_TERM = ("sh", "-c", "trap '' TERM; echo; exec sleep 60")

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def mark() -> str:
    """A variable that nothing else on this machine has, with the beginning of its value."""
    return f"MARK_{uuid.uuid4().hex}=1."


@pytest.fixture
def start(mark: str) -> Iterator[Start]:
    """Starts processes in groups of their own, marked or not; ended after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*command: str, variable: str = "") -> subprocess.Popen[bytes]:
        name, _, value = variable.partition("=")
        process = subprocess.Popen(
            command or LASTS,
            env={**os.environ, **({name: value} if name else {})},
            stdout=subprocess.PIPE,
            process_group=0,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _guard(monkeypatch: pytest.MonkeyPatch, mark: str, *lines: str) -> None:
    """Guard what the lines of a harness say that is gone after them."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
    guard(mark)


def test_the_groups_that_are_left_are_ended(
    start: Start, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group that was announced is ended in order; one that was released is another's by now."""
    left, released = start(), start()
    _guard(monkeypatch, mark, f"+{left.pid}", f"+{released.pid}", f"-{released.pid}", "-1")
    assert left.poll() == -signal.SIGTERM
    assert released.poll() is None


def test_all_of_a_group_are_ended(start: Start, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What outlives the leader of its group is found by the group's number."""
    leader = start("sh", "-c", "sleep 60 & echo $!")
    assert leader.stdout is not None
    worker = int(leader.stdout.readline())
    leader.wait(10)
    _guard(monkeypatch, mark, f"+{leader.pid}")
    stat = Path("/proc", str(worker), "stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_what_is_marked_is_ended_in_any_group(
    start: Start, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody announced it: its environment says whose it is, at the beginning of a variable."""
    marked = start(variable=f"{mark}7")
    another, quoting = start(variable=f"{mark[:-1]}"), start(variable=f"OTHER={mark}7")
    _guard(monkeypatch, mark)
    assert marked.poll() == -signal.SIGTERM
    assert another.poll() is None
    assert quoting.poll() is None


def test_what_ignores_its_end_is_killed(
    start: Start, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once patience is over, a group and a marked process alike."""
    monkeypatch.setattr(reaper_script, "_PATIENCE_S", 0.1)
    group, marked = start(*IGNORES_TERM), start(*IGNORES_TERM, variable=f"{mark}7")
    for process in (group, marked):
        assert process.stdout is not None
        process.stdout.readline()
    _guard(monkeypatch, mark, f"+{group.pid}")
    assert [group.poll(), marked.poll()] == [-signal.SIGKILL] * 2


def test_it_is_out_of_reach_of_signals(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it guards, what a terminal or a service manager sends doesn't end it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    found: list[object] = []

    def harness() -> Iterator[str]:
        found.extend(signal.getsignal(number) for number in numbers)
        yield from ()

    monkeypatch.setattr(sys, "stdin", harness())
    monkeypatch.setattr(sys, "argv", [reaper_script.__file__, mark])
    try:
        runpy.run_path(reaper_script.__file__, run_name="__main__")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert found == [signal.SIG_IGN] * len(numbers)
