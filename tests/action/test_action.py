import os
import re
from pathlib import Path

import pytest
import yaml

from asgi_bench.cli.main import command
from tests.action.job import STEPS
from tests.action.workflows import ACTION, EXAMPLES, OURS, ROOT, WORKFLOWS, load, steps_of

INPUT = re.compile(r"inputs\.([\w-]+)")
OUTPUT = re.compile(r"steps\.(\w+)\.outputs\.([\w-]+)")
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def files(path: Path) -> str:
    """A test's name for a file."""
    return str(path.relative_to(ROOT))


def test_every_input_is_used_and_every_used_one_is_there() -> None:
    """An input that changes nothing is worse than none."""
    steps = str(load(ACTION)["runs"])
    assert set(INPUT.findall(steps)) == set(load(ACTION)["inputs"])


def test_every_variable_is_read_by_its_step() -> None:
    """What a step gets through its environment its script reads, under that name."""
    for step in steps_of(ACTION):
        script = step.get("run", "")
        found = re.search(r"scripts/action/(\w+)", script)
        text = (STEPS / found[1]).read_text() if found else ""
        for name in step.get("env", {}):
            assert re.search(rf"\b{name}\b", text), f"{name} of {step['name']}"


def test_every_output_is_written_by_its_step() -> None:
    """What the action and its steps hand on stands in the script of the step it comes from."""
    scripts = {
        step["id"]: (STEPS / step["id"]).read_text() for step in steps_of(ACTION) if "id" in step
    }
    found = set(OUTPUT.findall(str(load(ACTION))))
    assert found
    for step, name in found:
        assert re.search(rf"(\"{name}\"|\b{name}=)", scripts[step]), f"{step}: {name}"


def test_every_script_can_be_run_and_belongs_to_a_step() -> None:
    """The action runs scripts that are there, and there are no others."""
    runs = [step["run"] for step in steps_of(ACTION) if "run" in step]
    names = [re.fullmatch(r'"\$GITHUB_ACTION_PATH/scripts/action/(\w+)"', run) for run in runs]
    assert sorted(name[1] for name in names if name) == sorted(one.name for one in STEPS.iterdir())
    assert all(names)
    assert all(os.access(script, os.X_OK) for script in STEPS.iterdir())


def test_every_step_of_the_action_names_its_shell() -> None:
    """A composite action has no default one."""
    assert all(step["shell"] == "bash" for step in steps_of(ACTION) if "run" in step)


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=files)
def test_nothing_from_outside_becomes_a_script(path: Path) -> None:
    """No expression stands within what a shell runs: a branch's name would be part of it."""
    for step in steps_of(path):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("path", [ACTION, *EXAMPLES.glob("*.yml")], ids=files)
def test_what_is_used_is_pinned(path: Path) -> None:
    """A tag may move; a commit does not. Only this action itself is named by its version."""
    for step in steps_of(path):
        used = step.get("uses", "")
        assert not used or PINNED.fullmatch(used) or used.startswith(OURS), used


@pytest.mark.parametrize("path", WORKFLOWS, ids=files)
def test_a_workflow_asks_for_little(path: Path) -> None:
    """Each states its permissions: what runs a pull request's code can read at most."""
    workflow = load(path)
    assert set(workflow["permissions"].values()) <= {"read"}
    runs_their_code = "pull_request" in workflow["on"]
    for job in workflow["jobs"].values():
        granted = job.get("permissions", {})
        assert not (runs_their_code and granted)
        assert "timeout-minutes" in job
    assert "pull_request_target" not in workflow["on"]


def test_another_label_cancels_no_measurement() -> None:
    """Only the job of the right label stops an earlier one; what was skipped is not posted."""
    measuring = load(EXAMPLES / "asgi-bench.yml")
    assert "concurrency" not in measuring
    assert measuring["jobs"]["compare"]["concurrency"]["cancel-in-progress"]
    condition = load(EXAMPLES / "asgi-bench-comment.yml")["jobs"]["comment"]["if"]
    for conclusion in ("skipped", "cancelled"):
        assert f"github.event.workflow_run.conclusion != '{conclusion}'" in condition


def test_what_may_write_checks_nothing_out() -> None:
    """The workflow that posts has a token for it, and so never the pull request's code."""
    path = EXAMPLES / "asgi-bench-comment.yml"
    assert load(path)["on"].keys() == {"workflow_run"}
    assert not [step for step in steps_of(path) if "checkout" in step.get("uses", "")]


def test_the_example_gives_inputs_that_there_are() -> None:
    """What is copied must work: its inputs are the action's."""
    (step,) = [one for one in steps_of(EXAMPLES / "asgi-bench.yml") if one.get("id") == "bench"]
    assert step["with"].keys() <= load(ACTION)["inputs"].keys()


def test_the_flags_are_those_of_ab() -> None:
    """What the step passes on `asgi-bench ab` knows."""
    known = {flag for one in command("ab").params for flag in one.opts}
    used = set(re.findall(r'"(--?[a-z][a-z-]*)"', (STEPS / "measure").read_text()))
    assert len(used) > 8
    assert used <= known


def test_the_gitlab_recipe_shows_its_cells() -> None:
    """Its merge requests are given the file that the export writes, after a regression too."""
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^## GitLab\n+```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    job = yaml.safe_load(recipe)["asgi-bench"]
    report = job["artifacts"]["reports"]["junit"]
    assert job["after_script"] == [f"bench/bin/asgi-bench export --format junit --to {report}"]
    assert job["artifacts"]["when"] == "always"
