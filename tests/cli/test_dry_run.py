"""What `run` tells without measuring: its plan, a project's defaults, globs that match nothing."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from asgi_bench.cli.measuring import warn_of_few_rounds
from asgi_bench.model.goal import Goal
from tests.command_line import SERVERS, in_process
from tests.synthetic_run import plan_of, planned_cells

RUNNERS = ("--runners", str(SERVERS))


def test_a_dry_run_tells_all_and_starts_nothing(tmp_path: Path) -> None:
    """--dry-run: each cell with its argv, what is skipped, how long it takes; no folder."""
    finished = in_process(
        *("run", *RUNNERS, "-s", "tiny", "-s", "single", "-w", "1,2", "--rounds", "3"),
        *("--duration", "10s", "--seed", "99", "--server-args", "--extra 'two words'", "--dry-run"),
        folder=tmp_path,
    )
    assert finished.code == 0
    *cells, last = finished.stdout.splitlines()
    script = str(SERVERS / "server.py")
    argv = f"{sys.executable} -I -S {script} '{{port}}'"
    assert f"single/default/w1/hello/c64: {argv} --extra 'two words'" in cells
    assert f"tiny/default/w2/hello/c64: {argv} --workers 2 --extra 'two words'" in cells
    assert "single/default/w2/hello/c64: skipped: takes no worker count" in cells
    assert len(cells) == 6
    # Three cells with 1 worker, two with 2, and the reference beside them.
    assert last.startswith("3 rounds of 6 trials of 10 s: about 4.")
    assert "seed 99" in last
    assert not list(tmp_path.rglob("run.json"))
    assert not list(tmp_path.rglob("*.log"))


def test_a_project_sets_the_defaults(tmp_path: Path) -> None:
    """`[tool.asgi-bench]` of a folder above counts as flags do; the command line wins."""
    (tmp_path / "pyproject.toml").write_text(
        f"""
        [tool.asgi-bench]
        runners = {json.dumps(str(SERVERS))}
        server = "tiny"
        variant = "slow"
        workers = 2
        connections = [3, 5]
        rounds = 7
        duration = "3s"
        seed = 11
        server-args = "--extra"
        """
    )
    below = tmp_path / "src" / "package"
    below.mkdir(parents=True)
    finished = in_process("run", "--dry-run", "--seed", "12", "-w", "1", folder=below)
    *cells, last = finished.stdout.splitlines()
    assert [line.split(":")[0] for line in cells] == [
        "tiny/slow/w1/hello/c3",
        "tiny/slow/w1/hello/c5",
    ]
    assert all(line.endswith(" --extra") for line in cells)
    assert last.startswith("7 rounds of 2 trials of 3 s:")
    assert "seed 12" in last


LOOKS = "6, 9, 13 or 18 "


@pytest.mark.parametrize(
    ("flags", "rounds", "words"),
    [
        (("--budget", "2m"), "", "as many as fit in 2.0 minutes, about 11; seed"),
        (("--budget", "2m", "--rounds", "9"), "at most 9 ", "about 9; seed"),
        (("--precision", "2%"), LOOKS, "every throughput ratio is within ±2%, about 3.2 minutes"),
        (("--budget", "20s", "--precision", "2%"), LOOKS, "±2%, and as many as fit in 0.3"),
    ],
)
def test_a_goal_is_told(flags: tuple[str, ...], rounds: str, words: str, tmp_path: Path) -> None:
    """--budget and --precision: the planned looks, what ends the run, and how long it takes."""
    finished = in_process(
        *("run", *RUNNERS, "-s", "tiny", "-s", "single", "-w", "1", *flags, "--dry-run"),
        folder=tmp_path,
    )
    last = finished.stdout.splitlines()[-1]
    assert last.startswith(f"{rounds}rounds of 3 trials of 2 s: ")
    assert words in last


@pytest.mark.parametrize(
    ("budget_s", "rounds", "servers", "warns"),
    [
        (35.0, 18, 2, "about 5 of the 6 rounds that an order needs"),
        (5.0, 18, 2, "about 1 of the 6 rounds"),
        (45.0, 18, 2, None),
        (5.0, 18, 1, None),
        (35.0, 5, 2, None),
        (None, 18, 2, None),
    ],
)
def test_a_budget_too_short_for_an_order_is_said(
    budget_s: float | None,
    rounds: int,
    servers: int,
    warns: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If servers are compared, and --rounds allows as many rounds as an order needs."""
    cells = tuple(one for one in planned_cells(worker_counts=(1,)) if one.cell.variant == "default")
    plan = plan_of(cells[:servers], rounds=rounds)
    warn_of_few_rounds(msgspec.structs.replace(plan, goal=Goal(budget_s=budget_s)))
    said = capsys.readouterr().err
    assert said == "" if warns is None else warns in said


def test_precision_needs_a_ratio(tmp_path: Path) -> None:
    """One server alone has nothing to be compared with: exit code 2, and what to do."""
    finished = in_process(
        *("run", *RUNNERS, "-s", "single", "-w", "1", "--precision", "2%", "--dry-run"),
        folder=tmp_path,
    )
    assert finished.code == 2
    assert "add another server" in finished.stderr


@pytest.mark.parametrize(
    ("flag", "known"), [("-s", "tiny"), ("--variant", "slow"), ("--scenario", "hello")]
)
def test_a_glob_that_matches_nothing_lists_what_there_is(
    flag: str, known: str, tmp_path: Path
) -> None:
    """Exit code 2 and one line with the names."""
    finished = in_process("run", *RUNNERS, flag, "nothing*", folder=tmp_path)
    assert finished.code == 2
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert "'nothing*' matches nothing" in line
    assert known in line
