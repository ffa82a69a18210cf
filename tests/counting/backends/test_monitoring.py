"""Calls by Python function: what each process wrote, and real processes that are counted."""

import os
import shutil
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.counting.backends.monitoring import Monitoring, read_calls
from asgi_bench.model.counts import Tally
from asgi_bench.serving.faults import ServerFault

MODULE = """
import os

def steps():
    yield 1
    yield 2

async def nothing():
    pass

class Thing:
    def __init__(self):
        self.seen = []

def work(times):
    for _ in range(times):
        os.stat("/")
        list(steps())
        Thing().seen.append(1)
        try:
            nothing().send(None)
        except StopIteration:
            pass
"""


def newer_python() -> str | None:
    """An interpreter that has `sys.monitoring`, if another than ours does."""
    for name in ("python3.12", "python3.13"):
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
        ):
            return path
    return None


def counted(folder: Path, code: str, python: str = sys.executable) -> Tally:
    """What was counted of a program beside the module `busy`, which may end as it likes."""
    backend = Monitoring()
    written = Path(tempfile.mkdtemp(dir=folder))
    module = folder / "busy.py"
    if not module.exists():
        # A newer one would be compiled again, which takes more calls.
        module.write_text(MODULE)
    subprocess.run(
        [*backend.prefix(written), python, "-c", code],
        env={"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    return backend.tally(written)


def of_busy(tally: Tally) -> dict[str, int]:
    """The calls that are not Python's own."""
    calls = tally.parts["python_function"]
    return {name: count for name, count in calls.items() if name.startswith("busy.")}


@pytest.mark.parametrize("python", [sys.executable, newer_python()], ids=["ours", "newer"])
def test_each_call_is_counted_once(python: str | None, tmp_path: Path) -> None:
    """A function counts when it begins, not when it goes on, and what is in C when it is called."""
    if python is None:
        pytest.skip("no Python 3.12 or 3.13 here")
    # The first compiles what it imports.
    _, few, many = (
        counted(tmp_path, f"import busy; busy.work({times})", python) for times in (1, 100, 350)
    )
    names = ("busy.steps", "busy.nothing", "busy.Thing.__init__", "posix.stat", "list.append")
    calls = [tally.parts["python_function"] for tally in (few, many)]
    assert {name: calls[1][name] - calls[0][name] for name in names} == dict.fromkeys(names, 250)
    assert of_busy(few) == {
        "busy.<module>": 1,
        "busy.Thing": 1,
        "busy.Thing.__init__": 100,
        "busy.nothing": 100,
        "busy.steps": 100,
        "busy.work": 1,
    }
    assert few.processes == 1
    assert few.total == sum(calls[0].values())


@pytest.mark.parametrize(
    "code",
    [
        "import busy, os\nif os.fork() == 0:\n busy.work(3); os._exit(0)\nbusy.work(5); os.wait()",
        # As servers start their workers: an interpreter of its own, by what it inherits.
        "import busy, multiprocessing as m\nm.set_start_method('spawn')\nbusy.work(5)\n"
        "p = m.Process(target=busy.work, args=(3,)); p.start(); p.join()",
    ],
    ids=["forked", "spawned"],
)
def test_every_process_is_counted(code: str, tmp_path: Path) -> None:
    """A worker's calls are added, whether it was forked or spawned, and nothing counts twice."""
    tally = counted(tmp_path, code)
    assert of_busy(tally)["busy.steps"] == 8
    assert of_busy(tally)["busy.work"] == 2
    assert tally.processes >= 2


def test_what_a_killed_process_counted_is_there(tmp_path: Path) -> None:
    """Counts are whole however a process ends."""
    tally = counted(tmp_path, "import busy, os; busy.work(7); os.kill(os.getpid(), 9)")
    assert of_busy(tally)["busy.steps"] == 7


def test_threads_are_counted(tmp_path: Path) -> None:
    """Calls in a thread count as any others."""
    code = (
        "import busy, threading\n"
        "t = [threading.Thread(target=busy.work, args=(400,)) for _ in range(4)]\n"
        "[one.start() for one in t]; [one.join() for one in t]"
    )
    assert of_busy(counted(tmp_path, code))["busy.steps"] == 1600


def test_another_sitecustomize_is_imported(tmp_path: Path) -> None:
    """What the user's own interpreter starts with, it starts with here too."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['THEIRS'] = 'yes'\n")
    code = "import os, busy, sitecustomize; busy.work(len(os.environ['THEIRS']))"
    assert of_busy(counted(tmp_path, code))["busy.steps"] == 3


def test_an_interpreter_that_tells_nothing_is_named(tmp_path: Path) -> None:
    """Without any count there is a reason."""
    with pytest.raises(ServerFault, match="ignores PYTHONPATH"):
        Monitoring().tally(tmp_path)


@given(st.lists(st.tuples(st.text(), st.integers(0, 2**64 - 1))), st.integers(0, 20))
def test_what_was_cut_off_has_no_name(slots: list[tuple[str, int]], cut: int) -> None:
    """Equal names add up; names and counts are read as far as both are there."""
    lines = b"".join(msgspec.json.encode(name) + b"\n" for name, _ in slots)
    counts = array("Q", [count for _, count in slots]).tobytes()
    assert read_calls(lines, counts).total() == sum(count for _, count in slots)
    part = read_calls(lines[: len(lines) - cut], counts)
    assert part.total() <= sum(count for _, count in slots)
    assert set(part) <= {name for name, _ in slots}


@given(st.binary(), st.binary())
def test_any_bytes_are_read(names: bytes, counts: bytes) -> None:
    """No file brings a fault."""
    assert all(count > 0 for count in read_calls(names, counts).values())
