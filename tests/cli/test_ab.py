"""What `ab` measures, prints, stores and exits with."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from asgi_bench.analysis.ab.report import ab_report
from asgi_bench.cli.main import command
from asgi_bench.cli.report import exit_code_of
from asgi_bench.errors import ExitCode
from asgi_bench.model import AbReport, Verdict
from asgi_bench.store.runs import read_run
from tests.command_line import FAULTY_SERVERS, TINY, Finished, in_process
from tests.synthetic_ab import ab_report as report_of

# Some blocks of short load, as many as it takes for a look; time for them on a busy machine too.
QUICK = ("-c", "4", "--duration", "60ms", "--rounds", "6", "--budget", "180s")


def folder_and_verdict(finished: Finished) -> tuple[Path, AbReport]:
    """The run's folder and its stored verdict; the folder's line comes before the verdict's."""
    *_, folder, line = finished.stdout.splitlines()
    stored = msgspec.json.decode(
        (finished.folder / folder / "verdict.json").read_bytes(), type=AbReport
    )
    assert line == stored.text
    return finished.folder / folder, stored


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A candidate that waits 4 ms before each answer, where its baseline waits 1 ms.

    Its summary finds no room on its device.
    """
    return in_process(
        *("ab", *TINY, *QUICK, "--seed", "7", "--summary", "/dev/full"),
        *("--baseline-args", "--delay-ms 1", "--candidate-args", "--delay-ms 4"),
        folder=tmp_path_factory.mktemp("slower"),
    )


def test_a_grossly_slower_candidate_is_a_regression(slower: Finished) -> None:
    """Exit code 3; the last line is the verdict's, the line before it the folder."""
    assert slower.code == 3, slower.stderr
    _, report = folder_and_verdict(slower)
    assert report.text.startswith("regression: tiny/default/w1/hello/c4: ")
    assert " slower in throughput (" in report.text
    assert report.verdict == "regression"
    assert [(one.kind, one.candidate) for one in report.differences] == [("args", "--delay-ms 4")]


def test_a_summary_that_has_no_room_leaves_the_verdict(slower: Finished) -> None:
    """It is said, and the verdict's line and exit code stay."""
    assert slower.code == 3
    assert slower.stderr.splitlines()[-1].startswith("--summary: /dev/full: can't write it: ")


def test_a_stored_ab_is_judged_again_from_its_folder(slower: Finished) -> None:
    """The verdict is that of the trials: deleted, it is made again as it was."""
    folder, report = folder_and_verdict(slower)
    assert ab_report(read_run(folder)) == report


def test_all_sides_are_fresh_side_by_side_in_each_block(slower: Finished) -> None:
    """Each block has three processes at once, started in another order each time."""
    folder, report = folder_and_verdict(slower)
    run = read_run(folder)
    assert len(run.trials) == 3 * report.blocks == 18
    assert len({trial.cell for trial in run.trials}) == 3
    orders = set()
    for block in range(report.blocks):
        lives = {
            trial.cell: trial.server_life_s
            for trial in run.trials
            if trial.round == block and trial.server_life_s
        }
        orders.add(tuple(sorted(lives, key=lambda cell: lives[cell])))
        assert max(start for start, _ in lives.values()) < min(end for _, end in lives.values())
    assert len(orders) == 6
    counts = {len(trial.slices) for trial in run.trials if trial.round == 0}
    assert len(counts) == 1


def test_what_planning_took_is_stored(slower: Finished) -> None:
    """The time that was gone when the run began counts in its budget, and is known afterwards."""
    folder, report = folder_and_verdict(slower)
    assert 0 < read_run(folder).header.preparation.spent_s < report.budget_s - report.duration_s


def test_an_aa_raises_no_alarm(tmp_path: Path) -> None:
    """The baseline against itself is no regression and exits with 0, decided or not."""
    finished = in_process(
        *(
            "ab",
            *TINY,
            *QUICK,
            "--rounds",
            "3",
            "--aa",
            "--min-change",
            "30%",
            "--baseline-args",
            "--delay-ms 1",
        ),
        folder=tmp_path,
    )
    _, report = folder_and_verdict(finished)
    # Some blocks of 60 ms on a shared machine may not be enough for more.
    assert report.verdict in ("pass", "undecided", "invalid")
    assert finished.code == {"pass": 0, "undecided": 0, "invalid": 5}[report.verdict]
    assert report.is_aa
    assert report.differences == ()


def test_a_candidate_that_fails_is_no_regression(tmp_path: Path) -> None:
    """A side that answers wrongly fails the A/B: exit code 1, and the line says which."""
    finished = in_process(
        *("ab", *TINY, "-c", "4", "--duration", "60ms", "--rounds", "1"),
        *("--candidate-args", "--status 500"),
        folder=tmp_path,
    )
    assert finished.code == 1
    _, report = folder_and_verdict(finished)
    assert report.verdict == "failed"
    assert "candidate: " in report.text
    assert "500" in report.text


def test_a_servers_log_does_not_drive_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a server says reaches the last line without titles, colours and bells."""
    text = "failed: candidate: \x1b]0;title\x07\x1b[31mno such\x07 app"
    report = msgspec.structs.replace(report_of("failed"), text=text)
    monkeypatch.setattr("asgi_bench.cli.ab._judged", lambda measure, judge: report)
    finished = in_process("ab", *TINY, "--aa", folder=tmp_path)
    assert finished.code == 1
    assert finished.stdout == "failed: candidate: no such app\n"


@pytest.mark.parametrize(("verdict", "code"), [("pass", 1), ("regression", 3), ("invalid", 5)])
def test_a_summary_that_fails_fails_what_passed(
    verdict: Verdict, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked for it and has none is told by the exit code, unless that has worse to tell."""
    report = report_of(verdict)
    monkeypatch.setattr("asgi_bench.cli.ab._judged", lambda measure, judge: report)
    finished = in_process("ab", *TINY, "--aa", "--summary", "/dev/full", folder=tmp_path)
    assert finished.code == code
    assert finished.stdout == f"{report.text}\n"


@pytest.mark.slow
def test_a_candidate_that_breaks_under_load_fails(tmp_path: Path) -> None:
    """One wrong answer in fifty is no restless machine: exit code 1, after three blocks."""
    finished = in_process(
        *("ab", *TINY, *QUICK, "--candidate-args", "--wrong-every 50"),
        folder=tmp_path,
    )
    assert finished.code == 1
    _, report = folder_and_verdict(finished)
    assert report.verdict == "failed"
    assert report.blocks == 3
    assert "candidate: in all 3 rounds, at worst: " in report.text
    assert "got no correct response" in report.text


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        ("regression", ExitCode.REGRESSION),
        ("failed", ExitCode.FAILED),
        ("invalid", ExitCode.INVALID),
        ("undecided", ExitCode.OK),
        ("improvement", ExitCode.OK),
        ("pass", ExitCode.OK),
    ],
)
def test_exit_codes(verdict: Verdict, code: ExitCode) -> None:
    """Each verdict has its code; only --fail-on-undecided changes one."""
    assert exit_code_of(verdict, fail_on_undecided=False) is code
    strict = exit_code_of(verdict, fail_on_undecided=True)
    assert strict is (ExitCode.UNDECIDED if verdict == "undecided" else code)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), "baseline and candidate are the same"),
        (("--aa", "--candidate-args", "-x"), "leave the --candidate… flags out"),
        (("--aa", "--min-change", "0"), "--min-change"),
        (("--aa", "--min-change", "2x"), "--min-change"),
        (("--aa", "--min-change", "nonsense=2%"), "'nonsense' is not judged here; these are: thr"),
        (("--aa", "--min-change", "instructions=1%"), "'instructions' is not judged here"),
        (("--aa", "--count", "--min-change", "throughput_rps=1%"), "are: instructions, syscalls"),
        (
            ("--aa", "--count", "--min-syscalls", "1", "--min-change", "syscalls=1%"),
            "say the same: leave one out",
        ),
        (("--aa", "--budget", "100"), "--budget"),
        (("--aa", "--sweep"), "--sweep"),
        (("--aa", "--client", "http"), "--client"),
        (("--aa", "-r", "20", "--duration", "600ms"), "too few for a median"),
        (("--aa", "--summary", "nowhere/summary.md"), "the folder nowhere does not exist"),
    ],
)
def test_faults_of_usage_are_told_before_anything_starts(
    flags: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    """Exit code 2 and one line that names the flag; no folder is made."""
    finished = in_process("ab", *TINY, *flags, folder=tmp_path)
    assert finished.code == 2
    assert told in finished.stderr.splitlines()[-1]
    assert not list(tmp_path.rglob("run.json"))


def test_a_server_that_is_not_installed_is_told(tmp_path: Path) -> None:
    """What can be measured on no side is a fault in one line, not a verdict."""
    finished = in_process(
        "ab", "--aa", "--runners", str(FAULTY_SERVERS), "-s", "absent", folder=tmp_path
    )
    assert finished.code == 1
    assert "no-such-package" in finished.stderr.splitlines()[-1]


def test_a_dry_run_shows_the_sides(tmp_path: Path) -> None:
    """--dry-run: each side's command, and how long it takes at most."""
    finished = in_process("ab", *TINY, "--aa", "--budget", "2m", "--dry-run", folder=tmp_path)
    assert finished.code == 0
    *cells, last = finished.stdout.splitlines()
    assert [line.split("/")[1] for line in cells] == [
        "default@baseline",
        "default@control",
        "default@candidate",
    ]
    assert "at most 2.0 minutes" in last


def test_what_a_project_sets_for_its_runs_is_theirs(tmp_path: Path) -> None:
    """Defaults of a project choose what is compared; the time within an A/B is the rule's.

    What an A/B can't do, as a load curve, waits for the runs that can.
    """
    (tmp_path / "locustfile.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        """
        [tool.asgi-bench]
        rounds = 3
        duration = "5s"
        budget = "5m"
        sweep = true
        slo = "p99=10ms"
        client = "http"
        locustfile = "locustfile.py"
        connections = 8
        """
    )
    finished = in_process("ab", *TINY, "--aa", "--dry-run", folder=tmp_path)
    assert finished.code == 0, finished.stderr
    assert "/c8: " in finished.stdout
    assert "blocks of 3 trials of 0.6 s" in finished.stdout
    assert "at most 1.7 minutes" in finished.stdout


def test_rounds_are_explained_as_the_limit_they_are() -> None:
    """An A/B has another default than runs, and ends sooner: its help says so."""
    told = CliRunner().invoke(command("ab"), ["--help"]).stdout
    assert re.search(r"--rounds N +Measure at most N blocks; .*\n.* Default: 1000\.", told)


def test_the_verdict_is_stored_as_its_schema_says(slower: Finished) -> None:
    """`verdict.json` has the keys that the interface names, in SI."""
    folder, _ = folder_and_verdict(slower)
    document = json.loads((folder / "verdict.json").read_text())
    assert document["schema"] == "asgi-bench/verdict"
    (cell,) = document["cells"]
    gated = [metric["metric"] for metric in cell["metrics"] if metric["verdict"] is not None]
    assert gated == ["throughput_rps", "server_cpu_s_per_request", "server_pss_bytes"]
    shown = [metric["metric"] for metric in cell["metrics"] if metric["verdict"] is None]
    assert shown[:2] == [f"total_{one}" for one in gated[:2]]
    # Even all blocks of such a short run together may have no p99.
    assert set(shown[2:]) <= {"response_time_p99_s", "growth_bytes_per_1000_requests"}
