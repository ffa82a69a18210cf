import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from asgi_bench.errors import BenchError
from asgi_bench.model import AbReport, Run, Trial, Verdict
from asgi_bench.store.folders import BEHAVIOUR_FILE
from asgi_bench.store.runs import RunWriter, add_phases, read_phases, read_run, write_verdict
from tests.synthetic_ab import ab_report
from tests.synthetic_behaviour import BEHAVIOURS
from tests.synthetic_run import header_of, plan_of, planned_cells, store_run, synthetic_run

CELLS = planned_cells()[:2]


@pytest.fixture
def run() -> Run:
    """A small run of two cells in two rounds."""
    return synthetic_run(CELLS, rounds=2)


@pytest.fixture
def stored(run: Run, tmp_path: Path) -> Path:
    """Its folder."""
    return store_run(run, tmp_path)


def test_what_is_written_is_read_back(run: Run, stored: Path) -> None:
    """A run read back equals the run that was written, header and trials."""
    assert read_run(stored) == msgspec.structs.replace(run, folder=str(stored))


def test_header_stands_before_the_first_trial(run: Run, tmp_path: Path) -> None:
    """A run that was stopped before any trial ended can be read."""
    with RunWriter(tmp_path, run.header) as writer:
        assert read_run(writer.folder).trials == ()


def test_same_id_gets_a_folder_of_its_own(run: Run, tmp_path: Path) -> None:
    """Two runs of the same second and label don't share a folder, and know their names."""
    folders = [store_run(run, tmp_path) for _ in range(3)]
    assert len(set(folders)) == 3
    assert [read_run(folder).header.run_id for folder in folders] == [f.name for f in folders]


def test_each_trial_is_on_the_disk_when_append_returns(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every append ends with an fsync, after the whole line was written."""
    lines_at_sync: list[int] = []
    with RunWriter(tmp_path, run.header) as writer:
        file = writer.folder / "trials.jsonl"
        monkeypatch.setattr(
            os, "fsync", lambda _: lines_at_sync.append(file.read_bytes().count(b"\n"))
        )
        for trial in run.trials:
            writer.append(trial)
    assert lines_at_sync == [1, 2, 3, 4]


def test_killed_run_keeps_its_trials(tmp_path: Path) -> None:
    """What was appended before a SIGKILL is there afterwards."""
    script = (
        "import sys, pathlib\n"
        "from tests.synthetic_run import *\n"
        "run = synthetic_run(planned_cells()[:1], rounds=3)\n"
        f"writer = RunWriter(pathlib.Path({str(tmp_path)!r}), run.header).__enter__()\n"
        "for trial in run.trials:\n"
        "    writer.append(trial)\n"
        "    print('stored', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == [b"stored\n"] * 3
        process.send_signal(signal.SIGKILL)
    (folder,) = tmp_path.iterdir()
    assert len(read_run(folder).trials) == 3


@pytest.mark.parametrize("cut", [1, 10, 300])
def test_cut_off_last_line_is_left_out_and_told(stored: Path, cut: int) -> None:
    """A last line without its end costs that trial alone, and the damage is named."""
    file = stored / "trials.jsonl"
    file.write_bytes(file.read_bytes()[: -1 - cut])
    run = read_run(stored)
    assert len(run.trials) == 3
    assert len(run.damage) == 1
    assert "trials.jsonl line 4 is cut off" in run.damage[0]


def test_whole_last_line_without_line_end_counts(stored: Path) -> None:
    """Only the line's end was lost: the trial is whole, and nothing is damaged."""
    file = stored / "trials.jsonl"
    file.write_bytes(file.read_bytes()[:-1])
    run = read_run(stored)
    assert (len(run.trials), run.damage) == (4, ())


@pytest.mark.parametrize("bad", [b"{}", b"\xff\xfe", b"", b'{"cell": 1}', b"null"])
def test_bad_line_in_the_middle_names_file_and_line(stored: Path, bad: bytes) -> None:
    """A line that a kill can't explain is an error with its place, not a silent loss."""
    file = stored / "trials.jsonl"
    lines = file.read_bytes().split(b"\n")
    lines[1] = bad
    file.write_bytes(b"\n".join(lines))
    with pytest.raises(BenchError, match=r"trials\.jsonl line 2: "):
        read_run(stored)


def test_missing_trials_are_told(stored: Path) -> None:
    """A folder that lost its trials is a run without any, with the damage named."""
    (stored / "trials.jsonl").unlink()
    assert read_run(stored).damage == ("trials.jsonl is missing: no trial was stored",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "run.json"),
        (b'{"schema": "other", "schema_version": 1}', "schema is 'other'"),
        (b'{"schema": "asgi-bench/run", "schema_version": 999}', "upgrade asgi-bench"),
        (b'{"schema": "asgi-bench/run", "schema_version": 1}', "run_id"),
    ],
)
def test_unreadable_header_is_one_clear_line(stored: Path, content: bytes, message: str) -> None:
    """A header that can't be read says which file and what about it."""
    (stored / "run.json").write_bytes(content)
    with pytest.raises(BenchError, match=message) as caught:
        read_run(stored)
    assert str(stored / "run.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_run_is_a_clear_error(tmp_path: Path) -> None:
    """A folder without a header is named."""
    with pytest.raises(BenchError, match=r"run\.json: can't be read"):
        read_run(tmp_path)


def test_folder_that_cannot_be_made_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    """A parent that is a file is named, in place of a traceback."""
    parent = tmp_path / "file"
    parent.write_text("")
    with pytest.raises(BenchError, match="can't be stored"), RunWriter(parent, run.header):
        pass


def test_trials_need_the_context(run: Run, tmp_path: Path) -> None:
    """Appending to a writer that isn't open is a bug, and says so."""
    writer = RunWriter(tmp_path, header_of(plan_of(CELLS)))
    with pytest.raises(RuntimeError):
        writer.append(run.trials[0])


def test_logs_lie_by_cell_round_and_block(run: Run, tmp_path: Path) -> None:
    """Each start of a server has a log of its own, and its folder exists."""
    key = "uvicorn/default/w1/hello/c64"
    with RunWriter(tmp_path, run.header) as writer:
        paths = [writer.log_path(key, 0), writer.log_path(key, 1), writer.log_path(key, 1, block=1)]
        names = [path.relative_to(writer.folder).as_posix() for path in paths]
    assert names == [f"logs/{key}/0.log", f"logs/{key}/1.log", f"logs/{key}/1-b1.log"]
    assert paths[0].parent.is_dir()


@pytest.mark.parametrize(
    "key", ["../../evil/w1", "a/../..", "/etc/x", "a\x00b/c d", "..", "%/r50%"]
)
def test_logs_never_leave_the_run_folder(run: Run, tmp_path: Path, key: str) -> None:
    """Whatever a runner calls its variants, the log lies under the run's logs."""
    with RunWriter(tmp_path, run.header) as writer:
        path = writer.log_path(key, 0)
        assert path.resolve().is_relative_to((writer.folder / "logs").resolve())


def test_unknown_keys_of_a_trial_are_ignored(stored: Path) -> None:
    """A key that a later tool of the same schema version added doesn't hinder reading."""
    file = stored / "trials.jsonl"
    first, *rest = file.read_bytes().splitlines(keepends=True)
    grown = msgspec.json.encode({**msgspec.json.decode(first), "later": 1})
    file.write_bytes(grown + b"\n" + b"".join(rest))
    assert read_run(stored).trials[0] == msgspec.json.decode(first, type=Trial)


def test_behaviours_are_read_with_their_run(tmp_path: Path) -> None:
    """A run where nobody asked for them has none; a damaged file is said in one line."""
    with RunWriter(tmp_path, header_of(plan_of(()))) as writer:
        assert read_run(writer.folder).behaviours == ()
        writer.write_behaviours(BEHAVIOURS)
        assert read_run(writer.folder).behaviours == BEHAVIOURS
    (writer.folder / BEHAVIOUR_FILE).write_text('[{"setting": 1}]')
    with pytest.raises(BenchError, match=BEHAVIOUR_FILE):
        read_run(writer.folder)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """No file can be written beyond this size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_trial_that_finds_no_room_is_told(run: Run, tmp_path: Path) -> None:
    """Where the disk is full the file is named, and what was stored before is kept."""
    first, second, *_ = run.trials
    with RunWriter(tmp_path, run.header) as writer:
        writer.append(first)
        size_bytes = (writer.folder / "trials.jsonl").stat().st_size
        with files_of_at_most(size_bytes + 10):
            with pytest.raises(BenchError, match=r"trials\.jsonl: the trial can't be stored"):
                writer.append(second)
    assert [trial.round for trial in read_run(writer.folder).trials] == [first.round]


def test_a_log_without_a_folder_is_told(run: Run, tmp_path: Path) -> None:
    """Where something else lies in the folder's place it is named."""
    with RunWriter(tmp_path, run.header) as writer:
        (writer.folder / "logs").write_text("")
        with pytest.raises(BenchError, match=r"logs/.* can't be made"):
            writer.log_path("uvicorn/default/w1/hello/c64", 0)


def test_phases_of_later_parts_are_added(run: Run, tmp_path: Path) -> None:
    """A run that goes on has the time of all its parts; one that was killed has none yet."""
    with RunWriter(tmp_path, run.header) as writer:
        assert read_phases(writer.folder) == {}
        writer.write_phases({"load": 10.0004, "start": 2.0})
    assert add_phases(writer.folder, {"load": 5.0, "ask": 1.0}) == {
        "load": 15.0,
        "start": 2.0,
        "ask": 1.0,
    }
    assert read_phases(writer.folder)["load"] == 15.0


def test_a_verdict_replaces_an_older_one(stored: Path) -> None:
    """It is stored whole, and reads back as it was judged."""
    verdicts: tuple[Verdict, ...] = ("undecided", "pass")
    for verdict in verdicts:
        report = ab_report(verdict)
        file = write_verdict(stored, report)
        assert msgspec.json.decode(file.read_bytes(), type=AbReport) == report
    assert file == stored / "verdict.json"
    assert not list(stored.glob("*.partial")) and not list(stored.glob(".*"))


@pytest.mark.parametrize("blob", ["", "not base64!", "AAAA", "HISTFAAAABx42"])
def test_a_damaged_histogram_costs_its_trial_alone(run: Run, tmp_path: Path, blob: str) -> None:
    """The trial counts as failed, it is named, and all others are as they were."""
    first, *others = run.trials
    times = dict.fromkeys(first.times_hdr, blob)
    spoilt = msgspec.structs.replace(first, times_hdr=times)
    folder = store_run(msgspec.structs.replace(run, trials=(spoilt, *others)), tmp_path)
    found = read_run(folder)
    assert found.trials[0].outcome == "failed" and found.trials[1:] == tuple(others)
    (damage,) = found.damage
    assert f"trials.jsonl line 1: a histogram of {first.cell}" in damage
