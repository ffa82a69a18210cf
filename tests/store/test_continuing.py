from pathlib import Path

import pytest

from asgi_bench.errors import BenchError
from asgi_bench.model import Resumption, Run
from asgi_bench.store.continuing import ContinuedRun
from asgi_bench.store.runs import read_run
from tests.synthetic_run import planned_cells, store_run, synthetic_run

CELLS = planned_cells()[:2]
PART = Resumption("2026-11-30T00:00:00+00:00", first_round=1, budget_s=60.0)


@pytest.fixture
def run() -> Run:
    """Two cells in two rounds."""
    return synthetic_run(CELLS, rounds=2)


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    """The same in its folder."""
    return store_run(run, tmp_path)


def take_up(folder: Path, part: Resumption = PART) -> None:
    """Go on with a run, measuring nothing."""
    with ContinuedRun(read_run(folder)) as writer:
        writer.take_up(part, ())


def test_a_round_cut_short_is_set_aside_and_kept(folder: Path) -> None:
    """Its lines move to a file of their own as they are, and the part is noted in the header."""
    lines = (folder / "trials.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "trials.jsonl").write_bytes(b"".join(lines[:3]))
    take_up(folder)
    assert (folder / "trials.jsonl").read_bytes() == b"".join(lines[:2])
    assert (folder / "unfinished.jsonl").read_bytes() == lines[2]
    assert read_run(folder).header.resumed == (PART,)


def test_a_line_cut_off_goes_and_a_lost_line_end_comes_back(folder: Path) -> None:
    """What follows is never written into a broken line."""
    file = folder / "trials.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2]) + lines[2][:50])
    take_up(folder)
    assert file.read_bytes() == b"".join(lines[:2])
    assert not (folder / "unfinished.jsonl").exists()
    file.write_bytes(whole[:-1])
    take_up(folder, Resumption("2026-11-30T00:00:00+00:00", first_round=2))
    assert file.read_bytes() == whole


def test_what_was_set_aside_twice_is_there_once(folder: Path) -> None:
    """A kill between the two writes leaves lines in both files; the next part mends it."""
    whole = (folder / "trials.jsonl").read_bytes()
    take_up(folder)
    aside = (folder / "unfinished.jsonl").read_bytes()
    (folder / "trials.jsonl").write_bytes(whole)
    take_up(folder)
    assert (folder / "unfinished.jsonl").read_bytes() == aside


def test_nothing_changes_before_it_is_taken_up(folder: Path) -> None:
    """Whoever finds out that the run can't go on leaves it as it was."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with ContinuedRun(read_run(folder)):
        pass
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()} == before


def test_further_trials_are_appended_and_logs_are_its_own(folder: Path, run: Run) -> None:
    """They follow those that stayed, and no log of an earlier part is written over."""
    with ContinuedRun(read_run(folder)) as writer:
        writer.take_up(PART, ())
        for trial in run.trials[2:]:
            writer.append(trial)
        assert writer.log_path("a/b", 1, 2).name == "1-b2-resumed1.log"
    assert read_run(folder).trials == run.trials
    assert ContinuedRun(read_run(folder)).log_path("a/b", 1).name == "1-resumed2.log"


def test_a_folder_that_takes_nothing_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is started, in words that name it."""
    # Whoever runs the tests may be allowed everything.
    monkeypatch.setattr("os.access", lambda path, mode: path != folder)
    with pytest.raises(BenchError, match="can't be written"), ContinuedRun(read_run(folder)):
        pass
