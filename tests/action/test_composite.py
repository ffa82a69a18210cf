"""The whole action, by its own file, on a repository with a slow, an equal and a broken commit."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.errors import ExitCode
from tests.action.composite import Job, evaluated, filled, run_action
from tests.action.test_measure import STAND_IN
from tests.action.workflows import ACTION, load
from tests.command_line import COMMAND, LOCK_PATIENCE_S
from tests.repositories import commit, git, make_repository

# What is slow computes a hundred times as long as a response takes, and asks for files besides.
APP = """
import itertools
import os

answers = itertools.count(1)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    for _ in range({loops}):
        pass
    for _ in range({calls}):
        os.stat("/")
    headers = [(b"content-length", b"2")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""
PLAIN = APP.format(loops=0, calls=0)
COMMITS = {
    "main": PLAIN,
    "equal": f"# the same\n{PLAIN}",
    "slow": APP.format(loops=100_000, calls=20),
    "breaking": PLAIN.replace("200", "200 if next(answers) % 50 else 500"),
    "broken": "import nowhere\n",
}
# asgi-bench with few answers, counted by system calls alone: instructions take minutes.
FEW_COUNTS = """#!{python}
import sys
from asgi_bench.counting import run
from asgi_bench.counting.backends.strace import Strace

run.passes = lambda layouts, **_: (run.Pass(Strace(), layouts),)
run.BASE_ANSWERS = run.MORE_ANSWERS = run.LEAST_ANSWERS = 100
from asgi_bench.cli.main import main
sys.exit(main())
"""
# Few blocks, on a machine of any speed: the budget never ends them, and only what is large is seen.
BY_TIME = {
    "min-change": "50%",
    "budget": "10m",
    "flags": f"-c 8 --duration 300ms --rounds 3 --wait {LOCK_PATIENCE_S:.0f}s",
}
# As many as a regression takes.
DECIDING = {**BY_TIME, "flags": BY_TIME["flags"].replace("--rounds 3", "--rounds 6")}
BY_COUNTS = {
    "count": "true",
    "min-change": "5%",
    "budget": "1s",
    "flags": f"--rounds 3 --wait {LOCK_PATIENCE_S:.0f}s",
}
CONTEXT: dict[str, Any] = {
    "inputs": {"count": "true", "min-change": "", "aa": "false"},
    "steps": {"measure": {"outputs": {"exit-code": "3"}}},
    "github": {"event": {"pull_request": {"base": {"sha": "abc"}}}},
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A repository whose app became slow, then broken, on branches of their own."""
    folder = make_repository(tmp_path / "workspace")
    (folder / "src").mkdir()
    for branch, text in COMMITS.items():
        if branch != "main":
            git(folder, "switch", "--quiet", "--create", branch, "main")
        (folder / "src" / "shop.py").write_text(text)
        commit(folder, branch)
    return folder


@pytest.fixture
def few_counts(tmp_path: Path) -> Path:
    """The command that counts little."""
    return executable(tmp_path / "few-counts", FEW_COUNTS.format(python=sys.executable))


def executable(path: Path, text: str) -> Path:
    """A script that can be run."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def compared(workspace: Path, branch: str, given: dict[str, str], command: Path = COMMAND) -> Job:
    """The action on a pull request from a branch, with the app and some further inputs."""
    git(workspace, "switch", "--quiet", branch)
    tip = git(workspace, "rev-parse", "main")
    event = {
        "pull_request": {"base": {"sha": tip}, "head": {"sha": git(workspace, "rev-parse", branch)}}
    }
    inputs = {"app": "shop:app", "app-dir": "src", "python": sys.executable, **given}
    return run_action(workspace, workspace.parent, inputs, event, command)


def is_complete(workspace: Path, branch: str, job: Job) -> None:
    """The stored verdict names both commits, the run is kept, and nothing is left checked out."""
    told = json.loads(Path(job.outputs["results-path"], "verdict.json").read_text())
    assert told["candidate"]["commit"] == git(workspace, "rev-parse", branch)
    assert told["baseline"]["commit"] == git(workspace, "rev-parse", "main")
    assert f"> **{job.outputs['verdict']}**: " in job.summary
    assert job.summary == Path(job.outputs["comment-body-path"]).read_text()
    assert "<html" in Path(job.outputs["report-path"]).read_text()
    kept = job.artifacts["asgi-bench"]
    assert (kept / Path(job.outputs["results-path"]).name / "verdict.json").is_file()
    assert git(workspace, "worktree", "list").count("\n") == 0


@pytest.mark.slow
def test_a_slow_commit_fails_the_job(workspace: Path) -> None:
    """By time it is a regression, in the outputs as in the summary."""
    job = compared(workspace, "slow", DECIDING)
    assert job.outputs["verdict"] == "regression", job.said
    assert (job.outputs["exit-code"], job.code) == ("3", ExitCode.REGRESSION)
    assert job.outputs["regressed-count"] == "1"
    is_complete(workspace, "slow", job)


@pytest.mark.slow
def test_an_equal_commit_does_not(workspace: Path) -> None:
    """It passes; where the machine is too busy for that, it is said, and still no alarm."""
    job = compared(workspace, "equal", BY_TIME)
    assert job.outputs["verdict"] in ("pass", "undecided", "invalid"), job.said
    assert (job.outputs["regressed-count"], job.code) == ("0", ExitCode.OK)
    is_complete(workspace, "equal", job)


@pytest.mark.slow
def test_a_commit_that_breaks_under_load_fails_the_job(workspace: Path) -> None:
    """Once it answers with 500 now and then it has failed, though no restless machine fails it."""
    job = compared(workspace, "breaking", BY_TIME)
    found = (job.outputs["verdict"], job.outputs["exit-code"], job.code)
    assert found == ("failed", "1", 1), job.said
    assert "candidate: in " in job.summary
    assert "got no correct response" in job.summary
    is_complete(workspace, "breaking", job)


@pytest.mark.slow
@pytest.mark.parametrize("given", [BY_TIME, BY_COUNTS], ids=["time", "counts"])
def test_a_broken_commit_fails_clearly(
    workspace: Path, few_counts: Path, given: dict[str, str]
) -> None:
    """An app that can't be imported ends with 1; the summary has the traceback and the side."""
    job = compared(workspace, "broken", given, few_counts)
    found = (job.outputs["verdict"], job.outputs["exit-code"], job.code)
    assert found == ("failed", "1", 1), job.said
    assert "No module named 'nowhere'" in job.summary
    assert "asgi-bench: candidate (" in job.summary
    assert "asgi-bench" in job.artifacts


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("branch", "verdict", "regressed", "code"),
    [("slow", "regression", "1", 3), ("equal", "pass", "0", 0)],
)
def test_counts_tell_slow_from_equal(
    workspace: Path, few_counts: Path, branch: str, verdict: str, regressed: str, code: int
) -> None:
    """By counts a commit that asks for more is a regression; one that does not passes."""
    job = compared(workspace, branch, BY_COUNTS, few_counts)
    assert job.outputs["verdict"] == verdict, job.said
    assert (job.outputs["regressed-count"], job.code) == (regressed, code)
    is_complete(workspace, branch, job)


def stood_in(tmp_path: Path, verdict: str, code: int, **inputs: str) -> Job:
    """The action in an empty repository, with a command that comes to this verdict."""
    folder = make_repository(tmp_path / "workspace")
    commit(folder, "first")
    commit(folder, "second")
    text = STAND_IN.format(python=sys.executable, told=str(tmp_path / "told"))
    text = text.replace('os.environ["CELLS"]', repr(json.dumps([verdict])))
    command = executable(tmp_path / "command", text.replace('os.environ["CODE"]', repr(str(code))))
    return run_action(folder, tmp_path, inputs, command=command)


def test_steps_hand_on_what_the_next_one_needs(tmp_path: Path) -> None:
    """From inputs to outputs by action.yml alone: a regression is measured, kept and fails."""
    job = stood_in(tmp_path, "regression", 3)
    assert list(job.steps) == ["install", "refs", "measure", "step-4"]
    assert job.steps["install"].said.startswith("pip -m pip install --quiet")
    assert job.outputs.keys() == load(ACTION)["outputs"].keys()
    assert (job.outputs["verdict"], job.outputs["exit-code"], job.code) == ("regression", "3", 3)
    told = json.loads((tmp_path / "told").read_text())
    folder = tmp_path / "workspace"
    assert f"--candidate-ref={git(folder, 'rev-parse', 'HEAD')}" in told
    assert f"--baseline-ref={git(folder, 'rev-parse', 'HEAD^')}" in told
    assert "--min-change=2%" in told and "--budget=100s" in told
    assert (job.artifacts["asgi-bench"] / "run" / "verdict.json").is_file()


def test_inputs_change_what_is_done(tmp_path: Path) -> None:
    """By counts the smallest change that matters is another one; artifact and alarm can be off."""
    choice = {"count": "true", "fail-on": "never", "upload-artifact": "false", "summary": "false"}
    job = stood_in(tmp_path, "regression", 3, **choice)
    assert (job.code, job.summary, job.artifacts) == (0, "", {})
    told = json.loads((tmp_path / "told").read_text())
    assert "--min-change=0.5%" in told and "--count" in told


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("inputs.count", "true"),
        ("inputs.count == 'TRUE'", True),
        ("inputs.min-change || (inputs.count == 'true' && '0.5%' || '2%')", "0.5%"),
        ("inputs.min-change || (inputs.aa == 'true' && '0.5%' || '2%')", "2%"),
        ("always() && steps.measure.outputs.exit-code != ''", True),
        ("!steps.judge.outputs.nothing", True),
        ("github.event.pull_request.base.sha", "abc"),
        ("github.event.before", None),
        ("'it''s'", "it's"),
    ],
)
def test_expressions_mean_what_they_mean_to_github(expression: str, value: object) -> None:
    """Operands are handed on as they are, and what isn't there is empty."""
    assert evaluated(expression, CONTEXT) == value


@pytest.mark.parametrize("expression", ["secrets.token", "failure()", "inputs.count >", "'open"])
def test_an_unknown_expression_is_an_error(expression: str) -> None:
    """Nothing is guessed: what the runner of the tests can't evaluate fails the test."""
    with pytest.raises((AssertionError, IndexError)):
        evaluated(expression, CONTEXT)


def test_texts_are_filled() -> None:
    """What is missing leaves nothing behind."""
    assert filled("${{ inputs.count }}-${{ github.event.before }}!", CONTEXT) == "true-!"
