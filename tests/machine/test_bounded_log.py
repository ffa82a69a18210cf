"""Logs that can't fill the disk, while a program writes to them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asgi_bench.machine import bounded_log
from asgi_bench.machine.bounded_log import LIMIT_BYTES, TAIL_BYTES, BoundedLog

# Numbered lines as fast as they go, until it is ended.
FLOOD = """
import os, sys
number = 0
while True:
    os.write(1, b"".join(b"line %09d\\n" % n for n in range(number, number + 5000)))
    number += 5000
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log lies; its folder is made with it."""
    return tmp_path / "logs" / "server.log"


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are cut by the test alone: what comes while one is cut is not counted to the byte."""
    monkeypatch.setattr(bounded_log, "_LOOK_EVERY_S", 3600.0)


def test_a_short_log_stays_as_it_was_written(path: Path) -> None:
    """What is within the limit is kept byte by byte, and nothing counts as cut."""
    log = BoundedLog(path)
    with log.opened() as handle:
        os.write(handle, b"x" * (LIMIT_BYTES - 1) + b"\n")
    log.close()
    assert path.stat().st_size == LIMIT_BYTES
    assert log.bytes_cut == 0


@pytest.mark.usefixtures("unwatched")
def test_a_long_log_keeps_both_ends_and_says_what_was_cut(path: Path) -> None:
    """Whole lines of its beginning and its end, with a line between that tells how much."""
    log = BoundedLog(path)
    with log.opened() as handle:
        written = 0
        for number in range(200_000):
            written += os.write(handle, b"line %06d\n" % number)
            if number % 50_000 == 0:
                log.trim()
    log.close()
    text = path.read_text()
    assert text.startswith("line 000000\nline 000001\n")
    assert text.endswith("line 199999\n")
    # What came after the last cut stays as long as the whole is within the limit.
    assert len(text) <= LIMIT_BYTES
    note = f"\n[asgi-bench cut {log.bytes_cut} bytes here]\n"
    assert written == len(text) - len(note) + log.bytes_cut
    assert {len(line) for line in text.replace(note, "").splitlines()} == {len("line 000000")}


@pytest.mark.usefixtures("unwatched")
def test_what_comes_while_a_log_is_cut_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of a program may be written in just that moment."""
    log, written = BoundedLog(path), os.pwrite
    with log.opened() as handle:
        os.write(handle, b"line\n" * LIMIT_BYTES)

        def write_and_fail(to: int, data: bytes, at: int) -> int:
            if b"no database" not in path.read_bytes():
                os.write(handle, b"no database\n")
            return written(to, data, at)

        monkeypatch.setattr(os, "pwrite", write_and_fail)
        log.trim()
    log.close()
    assert path.read_bytes().endswith(b"line\nno database\n")
    assert path.stat().st_size <= LIMIT_BYTES


def test_a_flood_is_cut_while_the_program_writes(path: Path) -> None:
    """Without anyone's doing the file stays small, and the program writes on."""
    log = BoundedLog(path)
    with log.opened() as handle:
        program = subprocess.Popen([sys.executable, "-c", FLOOD], stdout=handle)
    try:
        deadline_s = time.monotonic() + 120.0
        while log.bytes_cut < 20 * LIMIT_BYTES and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()
        log.close()
    assert log.bytes_cut >= 20 * LIMIT_BYTES
    assert path.stat().st_size <= LIMIT_BYTES
    assert path.read_text().startswith("line 000000000\n")


def test_what_comes_after_the_mark_is_not_told(path: Path) -> None:
    """Neither what an earlier program wrote into the file, nor what this one did after its stop."""
    path.parent.mkdir()
    path.write_text("of an earlier start\n")
    log = BoundedLog(path)
    assert log.text() == ""
    with log.opened() as handle:
        os.write(handle, b"no database\n")
        log.mark_end()
        os.write(handle, b"cancelled\n")
        log.mark_end()
    assert log.text() == "no database\n"
    log.close()
    assert log.text() == "no database\n"
    assert path.read_text() == "of an earlier start\nno database\ncancelled\n"


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("before", [100, LIMIT_BYTES * 3])
@pytest.mark.parametrize("after", [100, LIMIT_BYTES * 3])
def test_the_mark_holds_where_the_log_was_cut(path: Path, before: int, after: int) -> None:
    """However much came before and after it: what is told ends at the mark."""
    log = BoundedLog(path)
    with log.opened() as handle:
        os.write(handle, b"first\n" + b"." * before + b"\n")
        log.trim()
        os.write(handle, b"no database\n")
        log.mark_end()
        os.write(handle, b"stopping\n" + b"," * after + b"\n")
        log.trim()
    log.close()
    assert log.text().startswith("first\n")
    assert "stopping" not in log.text()
    if after < TAIL_BYTES:
        assert log.text().endswith("no database\n")
