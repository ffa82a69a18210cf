"""What valgrind and strace write, read back."""

import os
import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.counting.backends import valgrind
from asgi_bench.counting.backends.counting import Counted
from asgi_bench.counting.backends.strace import Strace, calls_in
from asgi_bench.counting.backends.valgrind import Valgrind, told
from asgi_bench.counting.callgrind import BadProfile, read_lines
from asgi_bench.model.counts import UNPLACED, Tally
from asgi_bench.serving.faults import ServerFault

COUNTS = """events: Ir
ob=/usr/lib/libpython3.11.so.1.0
fn=(1) insertdict
0 50
ob=???
fn=(2) ???
0 50
totals: 100
"""
CALLS = b"""read(0x5, 0x7f10, 0x40000) = 0x2d
write(0x5, 0x7f10, 0x8a) = 0x8a
epoll_pwait(0x4, 0x7f10, 0x400, 0xffffffff, 0, 0x8) = 0x1
openat(0xffffff9c, 0x7f10, 0x80000, 0) = 0x6
+++ exited with 0 +++
"""


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"))))
def test_any_lines_are_read(lines: list[str]) -> None:
    """Whatever bytes a damaged file holds, reading it raises nothing."""
    with suppress(BadProfile):
        read_lines(lines)
    calls_in(["\n".join(lines).encode(errors="replace")])


def test_small_functions_are_told_together() -> None:
    """What is too small to be told by itself adds up with what has no name."""
    sums = {"large": 900_000, "tiny": 1, UNPLACED: 99_999}
    assert told(sums, 1_000_000) == {"large": 900_000, UNPLACED: 100_000}


def _dump(folder: Path, pid: int, number: int, text: str = COUNTS) -> None:
    (folder / f"counts.{pid}.{number}").write_text(text)


def test_windows_are_what_all_processes_counted_between_marks(tmp_path: Path) -> None:
    """What came before the first mark is in none; a name is without where its file lies."""
    for number in range(1, 12):
        for pid in (10, 11):
            _dump(tmp_path, pid, number, COUNTS if number != 11 else "events: Ir\ntotals: 0\n")
    found = Valgrind().windows(tmp_path)
    assert [(one.total, one.processes) for one in found] == [*[(200, 2)] * 9, (0, 2)]
    assert found[0].parts == {
        "object": {"libpython3.11.so.1.0": 100, UNPLACED: 100},
        "function": {"insertdict [libpython3.11.so.1.0]": 100, "? [?]": 100, UNPLACED: 0},
    }


@pytest.mark.parametrize(
    "others", [{11: (3,)}, {11: (1,)}, {11: (1,), 12: (2, 3)}], ids=["came", "went", "replaced"]
)
def test_a_process_that_came_or_went_is_a_fault(
    others: dict[int, tuple[int, ...]], tmp_path: Path
) -> None:
    """Some of what it did is in no window."""
    for pid, numbers in {10: (1, 2, 3), **others}.items():
        for number in numbers:
            _dump(tmp_path, pid, number)
    with pytest.raises(ServerFault, match="came or went while it was counted"):
        Valgrind().windows(tmp_path)


def test_a_count_that_was_cut_short_is_none(tmp_path: Path) -> None:
    """A process that was killed while it wrote has no total."""
    _dump(tmp_path, 10, 2, "events: Ir\nfn=f\n1 4\n")
    with pytest.raises(ServerFault, match="can't be read: no total: the file is incomplete"):
        Valgrind().windows(tmp_path)


@pytest.mark.skipif(shutil.which("vgdb") is None, reason="valgrind is not installed")
def test_a_process_that_takes_no_commands_says_why(tmp_path: Path) -> None:
    """With the last line that vgdb wrote; another server is not affected."""
    server = Counted(tmp_path, (1_000_000_000,))
    fault, none = Valgrind().begin([server, Counted(tmp_path, ())])
    assert fault is not None and fault.startswith("valgrind doesn't take commands (vgdb): ")
    assert none is None


def test_a_vgdb_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never listens is a fault of its server, not the end of the run."""
    vgdb = tmp_path / "vgdb"
    vgdb.write_text("#!/bin/sh\nexec sleep 60\n")
    vgdb.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(valgrind, "_MOST_WAIT_S", 0.1)
    (fault,) = Valgrind().mark([Counted(tmp_path, (1,))])
    assert fault == "valgrind doesn't take commands (vgdb): no answer within 0.1 s"


def test_an_unknown_instruction_is_named(tmp_path: Path) -> None:
    """An instruction that valgrind doesn't know is told by its bytes."""
    text = "vex amd64->IR: unhandled instruction bytes: 0x62 0xF1 0x7C\nvex amd64->IR: REX=0"
    (tmp_path / "log.1").write_text(text)
    fault = Valgrind().fault(tmp_path)
    assert fault is not None
    assert re.search("doesn't know the instruction 0x62 0xF1 0x7C", fault)


def test_valgrind_itself_may_give_up(tmp_path: Path) -> None:
    """Its own reason is told; without one it only lacks what it should have written."""
    assert Valgrind().fault(tmp_path) is None
    (tmp_path / "log.1").write_text("==7== Callgrind\n")
    assert Valgrind().fault(tmp_path) is None
    (tmp_path / "log.2").write_text("valgrind: failed to start tool 'x': No such file \n")
    assert Valgrind().fault(tmp_path) == "valgrind: failed to start tool 'x': No such file"
    with pytest.raises(ServerFault, match=r"^valgrind wrote no counts$"):
        Valgrind().windows(tmp_path)


def test_calls_in_which_a_server_waits_are_told_apart(tmp_path: Path) -> None:
    """How often a server waits is a matter of timing: such calls aren't in the total.

    The calls of all threads count, those of one that came amid a window too.
    """
    backend, server = Strace(), Counted(tmp_path, (71,))
    first = tmp_path / "calls.71"
    first.write_bytes(b"execve(0x1, 0x2, 0x3) = 0\nepoll_pwait(0x4, ")
    assert backend.mark([server]) == [None]
    first.write_bytes(first.read_bytes() + b"0x7f10) = 0x1\n" + CALLS)
    (tmp_path / "calls.72").write_bytes(b"futex(0x1) = 0\nread(0x6")
    assert backend.mark([server]) == [None]
    assert backend.mark([server]) == [None]
    counted, idle = backend.windows(tmp_path)
    assert counted.total == 4
    assert counted.parts == {
        "name": {"read": 2, "write": 1, "openat": 1},
        "wait": {"futex": 1, "epoll_pwait": 1},
    }
    assert idle == Tally(0, {"name": {}, "wait": {}})


def test_a_call_counts_where_it_begins() -> None:
    """A line that a mark cuts is of the window before it, and one of an end of none."""
    assert calls_in([CALLS]) == {"read": 1, "write": 1, "epoll_pwait": 1, "openat": 1}
    assert calls_in([CALLS[5:]]) == {"write": 1, "epoll_pwait": 1, "openat": 1}


def test_calls_that_were_not_written_are_a_fault(tmp_path: Path) -> None:
    """A server whose strace wrote nothing was not counted."""
    with pytest.raises(ServerFault, match="strace was not told when to count"):
        Strace().windows(tmp_path)
    Strace().mark([Counted(tmp_path, ())])
    with pytest.raises(ServerFault, match="strace wrote nothing"):
        Strace().windows(tmp_path)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_servers_of_several_straces_are_counted_whole(tmp_path: Path) -> None:
    """A server of two processes that are started one by one has two straces, and one folder."""
    backend, server = Strace(), Counted(tmp_path, ())
    backend.mark([server])
    for _ in range(2):
        subprocess.run([*backend.prefix(tmp_path), "/bin/true"], timeout=60, check=True)
    backend.mark([server])
    (counted,) = backend.windows(tmp_path)
    assert counted.parts["name"]["execve"] == 2


@pytest.mark.parametrize("backend", [Valgrind(), Strace()], ids=lambda one: one.backend)
def test_what_is_missing_is_told_with_its_package(
    backend: Valgrind | Strace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the program isn't installed, one line says what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert (backend.missing() or "").endswith(f"apt-get install {backend.backend}")
