"""`asgi-bench count` as its users have it, on real servers under valgrind and strace."""

import shutil
from pathlib import Path

import msgspec
import pytest

from asgi_bench.model.counts import CountsReport
from asgi_bench.store.counts import read_lives
from tests.command_line import in_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("valgrind") is None or shutil.which("strace") is None,
        reason="valgrind or strace is not installed",
    ),
]


def test_a_request_is_counted(tmp_path: Path) -> None:
    """uvicorn reads once and writes head and body for each request, in some 100,000 instructions.

    What was counted is stored, and `report` makes the same of it again.
    """
    done = in_process(
        *("count", "-s", "uvicorn", "--rounds", "1", "-o", "kept", "--format", "json"),
        folder=tmp_path,
    )
    assert done.code == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=CountsReport)
    (cell,) = report.cells
    instructions, calls = cell.figures
    assert instructions.counter == "instructions"
    assert 30_000 < instructions.per_request.value < 300_000
    assert instructions.parts["object"]["libc.so.6"] > 1_000
    assert calls.parts["name"]["read"] == pytest.approx(1.0, abs=0.1)
    assert calls.parts["name"]["write"] == pytest.approx(2.0, abs=0.1)
    again = in_process("report", "-o", "kept", "--format", "json", folder=tmp_path)
    assert msgspec.json.decode(again.stdout, type=CountsReport) == report


def test_a_server_that_fails_is_a_failed_row(tmp_path: Path) -> None:
    """A server that ends before it answers is a failed row with the last line of its log."""
    done = in_process(
        *("count", "-s", "uvicorn", "--rounds", "1", "-o", "kept", "--format", "json"),
        *("--server-args", "--http nosuch"),
        folder=tmp_path,
    )
    assert done.code == 1
    (cell,) = msgspec.json.decode(done.stdout, type=CountsReport).cells
    assert cell.outcome == "failed"
    assert "nosuch" in (cell.reason or "")


def test_what_a_runner_file_adds_makes_a_server_countable(tmp_path: Path) -> None:
    """gunicorn's C parser has an instruction that valgrind doesn't know; the one in Python counts.

    The report says how it was counted, and its first life what machine code it ran.
    """
    done = in_process(
        *("count", "-s", "gunicorn-asgi", "--rounds", "1", "-o", "kept", "--format", "json"),
        folder=tmp_path,
    )
    assert done.code == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=CountsReport)
    assert report.cells[0].outcome == "ok"
    assert "was counted with --http-parser python" in report.notes[0]
    (run,) = (tmp_path / "kept").iterdir()
    first, *others = read_lives(run)
    assert any(name.startswith("libc.so") for name in first.code)
    assert any(name.startswith("uvloop/") for name in first.code)
    assert not any(life.code for life in others)
