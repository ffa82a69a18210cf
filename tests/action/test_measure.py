import json
import runpy
import sys
from pathlib import Path

import pytest

from tests.action.job import STEPS, Step, run_step
from tests.action.workflows import ACTION, OURS, WORKFLOWS, load

# What a job does besides: checkout, Python, packages, the artifact.
AROUND_S = 240
# Stands in for the command: notes what it was told, and leaves a run with a verdict.
STAND_IN = """#!{python}
import json, os, sys
from pathlib import Path
if sys.argv[1] == "report":
    Path(sys.argv[2], "report.html").write_text("the page")
    sys.exit()
Path({told!r}).write_text(json.dumps(sys.argv[1:]))
output = Path(sys.argv[sys.argv.index("-o") + 1])
print("measuring", file=sys.stderr)
cells = json.loads(os.environ["CELLS"])
if cells:
    (output / "run").mkdir()
    (output / "run" / "run.json").write_text("")
    told = dict(verdict=cells[0], cells=[dict(verdict=one) for one in cells])
    (output / "run" / "verdict.json").write_text(json.dumps(told))
    Path(sys.argv[sys.argv.index("--summary") + 1]).write_text("the summary")
else:
    for _ in range(int(os.environ.get("FLOOD", "0"))):
        print("é" * 10_000)
    print("\\x1b[31masgi-bench: <b>no</b> `such` app")
sys.exit(int(os.environ["CODE"]))
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A command that measures nothing."""
    path = tmp_path / "command"
    path.write_text(STAND_IN.format(python=sys.executable, told=str(tmp_path / "told")))
    path.chmod(0o755)
    return path


def measured(stand_in: Path, cells: list[str], code: int = 0, **env: str) -> Step:
    """The step, with a command that comes to these verdicts."""
    temp = stand_in.parent
    given = {"ASGI_BENCH": str(stand_in), "CELLS": json.dumps(cells), "CODE": str(code), **env}
    return run_step("measure", temp, temp, **given)


def told(stand_in: Path) -> list[str]:
    """The arguments that the command was given."""
    found = json.loads((stand_in.parent / "told").read_text())
    assert isinstance(found, list)
    return found


def test_the_outputs_tell_what_came_out(stand_in: Path) -> None:
    """Verdict, exit code, counts and paths are handed on, the summary is shown."""
    step = measured(stand_in, ["regression", "regression", "undecided", "improvement"], 3)
    assert step.code == 0
    paths = {name: Path(step.outputs[name]) for name in step.outputs if name.endswith("-path")}
    assert {name: step.outputs[name] for name in step.outputs if name not in paths} == {
        "verdict": "regression",
        "exit-code": "3",
        "regressed-count": "2",
        "improved-count": "1",
        "undecided-count": "1",
    }
    assert paths["results-path"] == paths["output-path"] / "run"
    assert paths["report-path"] == paths["results-path"] / "report.html"
    assert paths["report-path"].read_text() == "the page"
    assert paths["summary-path"].read_text() == step.summary == "the summary"


def test_inputs_are_arguments_and_never_a_script(stand_in: Path) -> None:
    """Whatever they hold, each becomes one argument; flags are split as a shell would quote."""
    hostile = "$(touch pwned); `touch pwned` \"'"
    step = measured(
        stand_in,
        ["pass"],
        APP="--help",
        APP_DIR=hostile,
        BASELINE=hostile,
        BASE_COMMIT="a" * 40,
        HEAD_COMMIT="b" * 40,
        FLAGS="-s 'gran*' --path /$(touch pwned)",
        MIN_CHANGE="5%",
    )
    assert step.code == 0
    given = told(stand_in)
    assert given[5:] == [
        f"--app-dir={hostile}",
        f"--baseline-ref={'a' * 40}",
        f"--candidate-ref={'b' * 40}",
        f"--baseline={hostile}",
        "--min-change=5%",
        *("-s", "gran*", "--path", "/$(touch", "pwned)"),
        *("--", "--help"),
    ]
    assert not list(stand_in.parent.rglob("pwned"))


def test_an_aa_has_no_candidate(stand_in: Path) -> None:
    """The baseline is compared with itself."""
    commits = {"BASE_COMMIT": "a" * 40, "HEAD_COMMIT": "b" * 40}
    measured(stand_in, ["pass"], 0, **commits, CANDIDATE="x", AA="true")
    assert told(stand_in)[5:] == [f"--baseline-ref={'a' * 40}", "--aa"]


def test_counts_are_asked_for(stand_in: Path) -> None:
    """With `count` the verdict is by counts."""
    measured(stand_in, ["pass"], 0, COUNT="true", AA="true")
    assert told(stand_in)[5:] == ["--aa", "--count"]


def test_a_failure_has_a_summary_too(stand_in: Path) -> None:
    """What was said last stands in it as text; the verdict is `failed` and no run is named."""
    step = measured(stand_in, [], 1)
    assert step.code == 0
    assert (step.outputs["verdict"], step.outputs["exit-code"]) == ("failed", "1")
    assert step.outputs["results-path"] == step.outputs["report-path"] == ""
    assert "> **failed**: nothing could be compared" in step.summary
    assert "    asgi-bench: <b>no</b> `such` app\n" in step.summary


@pytest.mark.parametrize(
    ("budget", "flags", "limit"),
    [("100s", "", "900s"), ("2m", "--wait 10m", "2760s"), ("", "--budget=90s", "870s")],
)
def test_what_hangs_is_stopped(stand_in: Path, budget: str, flags: str, limit: str) -> None:
    """There is an outer limit, far beyond the budget; where it was met the summary says so."""
    step = measured(stand_in, [], 124, BUDGET=budget, FLAGS=flags)
    assert step.said.startswith(f"timeout --kill-after=60s {limit} ")
    assert (step.outputs["verdict"], step.outputs["exit-code"]) == ("failed", "124")
    assert f"it did not end within {limit[:-1]} s and was stopped" in step.summary


@pytest.mark.parametrize(("asked", "limit"), [("30m", "1800s"), ("0.5 h", "1800s"), ("1ms", "1s")])
def test_the_outer_limit_can_be_chosen(stand_in: Path, asked: str, limit: str) -> None:
    """Whoever compiles for long gives more time, whatever the budget."""
    step = measured(stand_in, ["pass"], BUDGET="100s", TIME_LIMIT=asked)
    assert step.said.startswith(f"timeout --kill-after=60s {limit} ")


@pytest.mark.parametrize("asked", ["30", "0s", "soon", "1m; touch pwned"])
def test_a_limit_that_is_no_time_is_told(stand_in: Path, asked: str) -> None:
    """One line says how it should look, and nothing is measured: `timeout 0s` would be none."""
    step = measured(stand_in, ["pass"], TIME_LIMIT=asked)
    assert step.code == 1
    assert step.said == f"::error::time-limit: {asked!r} must be a time, as in 30m\n"
    assert not (stand_in.parent / "told").exists()


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_a_job_ends_after_its_measurement(path: Path) -> None:
    """What hangs is stopped and told before the job is cancelled, which would tell nothing."""
    measure = runpy.run_path(str(STEPS / "measure"))
    default = load(ACTION)["inputs"]["budget"]["default"]
    for job in load(path)["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith(("./", OURS)):
                budget = step.get("with", {}).get("budget", default)
                limit_s = measure["time_limit_s"]([f"--budget={budget}"])
                limit_s += measure["STOPPING_S"] + measure["REPORT_S"]
                assert job["timeout-minutes"] * 60 >= limit_s + AROUND_S


def test_a_flood_of_words_is_cut(stand_in: Path) -> None:
    """What a server writes is of any length; a summary and a comment are not."""
    step = measured(stand_in, [], 1, FLOOD="40")
    shown = step.summary.splitlines()
    assert len(shown) == 33
    assert max(map(len, shown)) == 304
    assert shown[-2] == f"    {'é' * 299}…"
    assert len(step.summary.encode()) < 64_000


def test_servers_and_workers_are_chosen(stand_in: Path) -> None:
    """A list of servers is a flag each."""
    measured(stand_in, ["pass"], SERVERS="uvicorn, gran*,", WORKERS="1,2", FLAGS="-c 8")
    given = ["--server=uvicorn", "--server=gran*", "--workers=1,2", "-c", "8"]
    assert told(stand_in)[5:] == given


def test_the_summary_can_be_left_out(stand_in: Path) -> None:
    """Then it is only a file."""
    step = measured(stand_in, ["pass"], STEP_SUMMARY="false")
    assert step.summary == ""
    assert Path(step.outputs["summary-path"]).read_text() == "the summary"


@pytest.mark.parametrize(
    ("ref", "number"),
    [("refs/pull/12/merge", "12\n"), ("refs/heads/main", None), ("refs/pull/1;x/merge", None)],
)
def test_the_pull_request_is_kept_with_the_run(
    stand_in: Path, ref: str, number: str | None
) -> None:
    """Whoever posts the summary needs the number; a job without one leaves none."""
    step = measured(stand_in, ["pass"], GITHUB_REF=ref)
    path = Path(step.outputs["output-path"], "pull-request")
    assert (path.read_text() if path.exists() else None) == number
