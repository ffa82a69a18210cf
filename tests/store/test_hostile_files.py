"""Folders of runs that something else has changed: told in one line, nothing overwritten."""

import base64
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_bench.errors import BenchError
from asgi_bench.model import Resumption, Run
from asgi_bench.store.calibrations import read_calibration
from asgi_bench.store.continuing import ContinuedRun
from asgi_bench.store.files import write_whole
from asgi_bench.store.folders import list_runs
from asgi_bench.store.index import INDEX_FILE
from asgi_bench.store.runs import read_run
from tests.synthetic_run import planned_cells, store_run, synthetic_run

PART = Resumption("2026-11-30T00:00:00+00:00", first_round=1)
# What has to be read as JSON, and is nested deeper than Python goes.
DEEP = b'{"later": ' + b"[" * 100_000


@pytest.fixture
def run() -> Run:
    """A run of one cell in three rounds."""
    return synthetic_run(planned_cells()[:1], rounds=3)


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    """Its folder."""
    return store_run(run, tmp_path)


def fault_of(folder: Path) -> str:
    """The one line that reading it ends with."""
    with pytest.raises(BenchError) as caught:
        read_run(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fifo(path: Path) -> None:
    """A FIFO that nobody writes into."""
    os.mkfifo(path)


def huge(path: Path) -> None:
    """A file of 2 GB, without a block on the disk."""
    path.touch()
    os.truncate(path, 2 * 2**30)


def deep(path: Path) -> None:
    """JSON without an end to its brackets."""
    path.write_bytes(DEEP + b"\n")


def loop(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path.name)


@pytest.mark.parametrize("name", ["run.json", "trials.jsonl", "proofs.json", "behaviour.json"])
@pytest.mark.parametrize("make", [fifo, huge, deep, loop, Path.mkdir])
def test_what_is_no_file_of_ours_is_named(
    folder: Path, name: str, make: Callable[[Path], None]
) -> None:
    """A FIFO, a folder, a link to itself, 2 GB, endless brackets: one line with the file."""
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    assert str(folder / name) in fault_of(folder)


def test_a_second_trial_of_the_same_cell_and_round_is_refused(folder: Path) -> None:
    """Counted twice it would narrow an interval; both lines are named."""
    file = folder / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join((*lines, lines[0])))
    said = fault_of(folder)
    assert f"{file} line 4: " in said
    assert "already has a trial" in said


def test_a_corrupted_line_says_what_to_do(folder: Path) -> None:
    """File, line, what is wrong, and what is left."""
    file = folder / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'{"cell": \n' + lines[2])
    said = fault_of(folder)
    assert f"{file} line 2: " in said
    assert said.endswith("remove this line to read the others")


def test_a_histogram_that_unpacks_to_gigabytes_counts_as_damaged(folder: Path) -> None:
    """It isn't unpacked to see that; the trial is failed."""
    file = folder / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    trial = msgspec.json.decode(lines[0])
    packed = zlib.compress(bytes(100 * 2**20), 9)
    trial["times_hdr"] = dict.fromkeys(
        trial["times_hdr"], base64.b64encode(bytes(8) + packed).decode()
    )
    file.write_bytes(msgspec.json.encode(trial) + b"\n" + b"".join(lines[1:]))
    run = read_run(folder)
    assert [trial.outcome for trial in run.trials] == ["failed", "ok", "ok"]
    assert len(run.damage) == 1


def test_a_cut_line_is_kept_aside_when_the_run_goes_on(folder: Path) -> None:
    """Byte for byte, once, in a file of its own; the trials before it stay as they are."""
    file = folder / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:70])
    for _ in range(2):
        with ContinuedRun(read_run(folder)) as writer:
            writer.take_up(PART, ())
        assert file.read_bytes() == lines[0]
        assert (folder / "cut.jsonl").read_bytes() == lines[1][:70] + b"\n"
        file.write_bytes(lines[0] + lines[1][:70])


def test_nothing_is_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    """A link in the folder never leads to another file's end: it is replaced, or refused."""
    other = tmp_path / "other"
    other.write_bytes((folder / "trials.jsonl").read_bytes())
    before = other.read_bytes()
    (folder / "trials.jsonl").unlink()
    (folder / "trials.jsonl").symlink_to(other)
    with (
        ContinuedRun(read_run(folder)) as writer,
        pytest.raises(BenchError, match="can't be continued"),
    ):
        writer.take_up(msgspec.structs.replace(PART, first_round=3), ())
    page = folder / "report.html"
    page.symlink_to(other)
    write_whole(page, b"new")
    assert page.read_bytes() == b"new"
    assert not page.is_symlink()
    assert other.read_bytes() == before


def test_a_folder_of_runs_is_listed_whatever_lies_in_it(folder: Path) -> None:
    """Headers that are FIFOs, huge or nested without end are no runs; the others are found."""
    for name, make in (("a", fifo), ("b", huge), ("c", deep), ("d", loop)):
        (folder.parent / name).mkdir()
        make(folder.parent / name / "run.json")
    fifo(folder.parent / INDEX_FILE)
    assert list_runs(folder.parent) == (folder,)


@pytest.mark.parametrize("make", [fifo, huge, deep, loop])
def test_a_calibration_that_is_none_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """In one line, at once."""
    file = tmp_path / "calibration.json"
    make(file)
    with pytest.raises(BenchError, match=r"calibration\.json: "):
        read_calibration(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_changed_bytes_are_read_or_told(folder: Path, data: st.DataObject) -> None:
    """Bytes that were cut, changed or put in: a run is read, or one line says why not."""
    name = data.draw(st.sampled_from(["run.json", "trials.jsonl"]))
    file = folder / name
    whole = file.read_bytes()
    try:
        at = data.draw(st.integers(0, len(whole)))
        gone = data.draw(st.integers(0, 40))
        file.write_bytes(whole[:at] + data.draw(st.binary(max_size=40)) + whole[at + gone :])
        try:
            read_run(folder)
        except BenchError as fault:
            assert str(folder) in str(fault)
            assert "\n" not in str(fault)
    finally:
        file.write_bytes(whole)
