"""Runs that were cut or out of budget, and go on: with real servers, kills and signals."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.analysis.continuation import complete_rounds
from asgi_bench.model import Trial
from asgi_bench.store.runs import read_run
from tests.command_line import TINY, Background, Finished, background, in_process

pytestmark = pytest.mark.slow

# Two blocks a round, of two cells each. A slice lasts no less than 100 ms, so there is one a trial,
# and the order of slices is the seed's alone.
RUN = (*TINY, "-s", "single", "-w", "1,2", "-c", "4", "--rounds", "4", "--duration", "100ms")
SEED = ("--seed", "11")
TRIALS_A_ROUND = 4
WAIT = ("--wait", "120s")


def order(trials: tuple[Trial, ...]) -> list[tuple[int, int, str]]:
    """Which cell was loaded when: round, block, key."""
    at_s = [(trial.slices[0].start_s, trial) for trial in trials]
    return [(t.round, t.block, t.cell) for _, t in sorted(at_s, key=lambda each: each[0])]


def stored(run: Background) -> int:
    """How many trials the run has by now."""
    files = run.folder.glob("results/2*/trials.jsonl")
    return sum(file.read_bytes().count(b"\n") for file in files)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that nothing interrupted."""
    finished = in_process("run", *RUN, *SEED, folder=tmp_path_factory.mktemp("whole"))
    assert finished.code == 0, finished.stderr
    return finished


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that was killed within its second round, with its last line cut off."""
    folder = tmp_path_factory.mktemp("cut")
    with background(*RUN, *SEED, folder=folder) as run:
        run.until(lambda: stored(run) > TRIALS_A_ROUND)
        run.process.kill()
        run.until_gone()
    (run_folder,) = folder.glob("results/2*")
    file = run_folder / "trials.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    # A stalled test machine may have come further: as of a kill within the second round.
    file.write_bytes(b"".join(lines[: TRIALS_A_ROUND + 1]) + lines[0][:-100])
    yield folder


def run_folder_of(folder: Path) -> Path:
    """The only run there."""
    (found,) = folder.glob("results/2*")
    return found


def copied(cut: Path, folder: Path, **changed: Any) -> Path:
    """A copy of the cut run's folder, with some keys of its header changed."""
    shutil.copytree(cut, folder, dirs_exist_ok=True)
    changed = {"started_in": str(folder)} | changed
    run_folder = run_folder_of(folder)
    header = json.loads((run_folder / "run.json").read_bytes())
    for key, value in changed.items():
        header[key] = header[key] | value if isinstance(value, dict) else value
    (run_folder / "run.json").write_text(json.dumps(header))
    return run_folder


def test_killed_interrupted_and_resumed_it_is_the_run_it_would_have_been(
    cut: Path, whole: Finished, tmp_path: Path
) -> None:
    """The trials are those of an uninterrupted run: same cells, rounds and orders, nothing twice.

    Two resumes at once don't get into each other's way.
    """
    folder = copied(cut, tmp_path)
    resume = ("--resume", str(folder.relative_to(tmp_path)), *WAIT)
    with background(*resume, folder=tmp_path) as run:
        run.until(lambda: stored(run) > 2 * TRIALS_A_ROUND)
        run.process.send_signal(signal.SIGINT)
        interrupted = run.finish(30)
    if interrupted.code != 0:  # A stall may have let it end.
        assert interrupted.code == 130
        assert (
            f"continue with: asgi-bench run --resume {interrupted.stdout.splitlines()[-1]}"
            in interrupted.stderr
        )
    with background(*resume, folder=tmp_path) as one, background(*resume, folder=tmp_path) as two:
        ends = [one.finish(), two.finish()]
    assert [end.code for end in ends] == [0, 0], [end.stderr for end in ends]
    assert any("is complete: 4 rounds" in end.stderr for end in ends)
    found = read_run(folder)
    assert order(found.trials) == order(whole.run.trials)
    assert [trial.cell for trial in found.trials] == [trial.cell for trial in whole.run.trials]
    assert not found.damage
    assert all(trial.outcome == "ok" for trial in found.trials)
    first, *others = found.header.resumed
    assert (first.first_round, first.set_aside) == (1, 1)
    assert "line 6 is cut off" in first.damage[0]
    assert [part.first_round for part in others] == sorted({part.first_round for part in others})
    assert (folder / "unfinished.jsonl").read_bytes().count(b"\n") >= 1
    logs = {trial.log for trial in found.trials}
    assert len(logs) == len(found.trials)
    assert all((folder / str(log)).is_file() for log in logs)


def test_out_of_budget_it_goes_on_until_it_is_done(tmp_path: Path) -> None:
    """Each part has its own budget and measures a round at least; reports tell of the parts."""
    args = (*TINY, "-s", "single", "-c", "4", "--duration", "50ms", "--rounds", "3")
    finished = in_process("run", *args, "--budget", "100ms", folder=tmp_path)
    folder = finished.run_folder
    parts = 0
    while complete_rounds(read_run(folder)) < 3:
        finished = in_process("run", "--resume", folder.name, "--budget", "50ms", folder=tmp_path)
        assert finished.code == 0, finished.stderr
        parts += 1
        assert complete_rounds(read_run(folder)) >= 1 + parts
    run = read_run(folder)
    assert [part.budget_s for part in run.header.resumed] == [0.05] * parts
    assert parts == 2
    report = in_process("report", folder.name, "--format", "json", folder=tmp_path)
    told = json.loads(report.stdout)["run"]
    assert [part["first_round"] for part in told["resumed"]] == [1, 2]
    assert "resumed 2 times, last" in finished.stdout
    assert "resumed 2 times, last" in (folder / "report.html").read_text()
    codes = {r["code"] for c in json.loads(report.stdout)["cells"] for r in c["validity_reasons"]}
    assert "missing-rounds" not in codes
    before = (folder / "trials.jsonl").read_bytes(), (folder / "run.json").read_bytes()
    again = in_process("run", "--resume", folder.name, folder=tmp_path)
    assert again.code == 0
    (line,) = again.stderr.splitlines()
    assert "is complete: 3 rounds, nothing left to measure" in line
    assert ((folder / "trials.jsonl").read_bytes(), (folder / "run.json").read_bytes()) == before


@pytest.mark.parametrize(
    ("flags", "changed", "code", "words"),
    [
        (("-c", "8"), {}, 2, "cell tiny/default/w1/hello/c8: not in the run"),
        (("--seed", "12"), {}, 2, "seed: 11 is now 12"),
        (("--rounds", "9"), {}, 2, "rounds: 4 is now 9"),
        (("--label", "other"), {}, 2, "--label names a new run"),
        ((), {"tool_version": "0.0.1"}, 1, "tool asgi-bench: 0.0.1 is now "),
        ((), {"packages": {"uvicorn": "0.1"}}, 1, "package uvicorn: 0.1 is now "),
        ((), {"started_in": "/gone"}, 2, "started in /gone, which no longer exists"),
        ((), {"command_line": []}, 2, "does not record the command that measured it"),
    ],
)
def test_another_run_is_refused_in_one_line(
    flags: tuple[str, ...],
    changed: dict[str, Any],
    code: int,
    words: str,
    cut: Path,
    tmp_path: Path,
) -> None:
    """What differs is named, nothing is measured, and the folder stays as it was."""
    folder = copied(cut, tmp_path, **changed)
    before = (folder / "run.json").read_bytes(), (folder / "trials.jsonl").read_bytes()
    finished = in_process("run", "--resume", str(folder), *flags, folder=tmp_path)
    assert finished.code == code, finished.stderr
    line = finished.stderr.splitlines()[-1]
    assert words in line
    assert "Traceback" not in finished.stderr
    assert ((folder / "run.json").read_bytes(), (folder / "trials.jsonl").read_bytes()) == before


def test_an_ab_and_an_older_run_are_refused(cut: Path, tmp_path: Path) -> None:
    """An A/B has its looks planned in one budget; files of an older version are only read."""
    folder = copied(cut, tmp_path / "ab", plan={"gate": {"min_change": 0.02}})
    finished = in_process("run", "--resume", str(folder), folder=tmp_path)
    assert (finished.code, "is an A/B, whose interim looks are planned" in finished.stderr) == (
        2,
        True,
    )
    folder = copied(cut, tmp_path / "old", schema_version=1)
    (folder / "trials.jsonl").write_bytes(b"")
    finished = in_process("run", "--resume", str(folder), folder=tmp_path)
    assert (finished.code, "has schema version 1" in finished.stderr) == (2, True)
