"""What valgrind and strace write, read back."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.counting.backends.strace import Strace, calls_in
from asgi_bench.counting.backends.valgrind import Valgrind, functions_in, told
from asgi_bench.model.counts import UNPLACED
from asgi_bench.serving.faults import ServerFault

COUNTS = """desc: I1 cache:         32768 B, 64 B, 8-way associative
cmd: python -m uvicorn
7
events: Ir
fl=/build/Objects/dictobject.c
fn=insertdict
1056 30
1060 12
fl=/build/Include/object.h
fn=insertdict
500 8
fl=???
fn=???
0 50
summary: 100
"""
TABLE = """    calls syscall
--------- ----------------
     4001 write
     2002 read
     2700 epoll_pwait
       12 openat
--------- ----------------
     8715 total
"""


def test_instructions_are_summed_by_function() -> None:
    """A function's instructions are those of all its lines, inlined ones of headers among them."""
    assert functions_in(COUNTS.splitlines()) == ({"insertdict": 50, UNPLACED: 50}, 100)


def test_a_file_without_its_sum_was_cut_short() -> None:
    """What was killed before it wrote the total has none, whatever stands above."""
    assert functions_in(COUNTS.splitlines()[:-1])[1] is None
    assert functions_in([])[1] is None


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"))))
def test_any_lines_are_read(lines: list[str]) -> None:
    """Whatever bytes a damaged file holds, reading it raises nothing."""
    functions_in(lines)
    calls_in(lines)


def test_small_functions_are_told_together() -> None:
    """What is too small to be told by itself adds up with what has no name."""
    sums = {"large": 900_000, "tiny": 1, UNPLACED: 99_999}
    assert told(sums, 1_000_000) == {"large": 900_000, UNPLACED: 100_000}


def test_all_processes_count(tmp_path: Path) -> None:
    """A server's instructions are those of all its processes; one that was killed fails it."""
    for pid in (10, 11):
        (tmp_path / f"counts.{pid}").write_text(COUNTS)
    tally = Valgrind().tally(tmp_path)
    assert (tally.total, tally.processes) == (200, 2)
    (tmp_path / "counts.12").write_text("")
    with pytest.raises(ServerFault, match="ended before valgrind wrote"):
        Valgrind().tally(tmp_path)


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
    (tmp_path / "log.1").write_text("==7== Cachegrind\n")
    assert Valgrind().fault(tmp_path) is None
    (tmp_path / "log.2").write_text("valgrind: failed to start tool 'x': No such file \n")
    assert Valgrind().fault(tmp_path) == "valgrind: failed to start tool 'x': No such file"
    with pytest.raises(ServerFault, match=r"^valgrind wrote no counts$"):
        Valgrind().tally(tmp_path)


def test_calls_in_which_a_server_waits_are_told_apart(tmp_path: Path) -> None:
    """How often a server waits is a matter of timing: such calls aren't in the total."""
    (tmp_path / "table").write_text(TABLE)
    tally = Strace().tally(tmp_path)
    assert tally.total == 6015
    assert tally.parts == {
        "name": {"write": 4001, "read": 2002, "openat": 12},
        "wait": {"epoll_pwait": 2700},
    }


def test_a_table_that_was_not_written_is_a_fault(tmp_path: Path) -> None:
    """A life whose strace wrote nothing was not counted."""
    with pytest.raises(ServerFault, match="strace was ended"):
        Strace().tally(tmp_path)


@pytest.mark.parametrize("backend", [Valgrind(), Strace()], ids=lambda one: one.backend)
def test_what_is_missing_is_told_with_its_package(
    backend: Valgrind | Strace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the program isn't installed, one line says what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert (backend.missing() or "").endswith(f"apt-get install {backend.backend}")
