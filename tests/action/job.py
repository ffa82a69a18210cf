"""A job that uses the action: its steps' scripts, run as the runner does."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
STEPS = ROOT / "scripts" / "action"
# `make test FLAGS=…` hands it on to all it starts, and it is the name of a setting too.
OF_MAKE = ("FLAGS", "MAKEFLAGS", "MFLAGS")


class Step(NamedTuple):
    """A step that has ended."""

    code: int
    said: str
    outputs: Mapping[str, str]
    summary: str


def run_step(name: str, workspace: Path, temp: Path, **env: str) -> Step:
    """Run a step in a workspace; it sees the runner's variables and those given here."""
    return run_script(STEPS / name, workspace, temp, env)


def run_script(script: Path, workspace: Path, temp: Path, env: Mapping[str, str]) -> Step:
    """As `run_step`, wherever the script lies."""
    return _run([str(script)], script.name, workspace, temp, env)


def run_shell(script: str, name: str, workspace: Path, temp: Path, env: Mapping[str, str]) -> Step:
    """As `run_step`, for what `run` of a step says; with the shell's flags that GitHub gives."""
    argv = [shell(), "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return _run(argv, name, workspace, temp, env)


def _run(argv: list[str], name: str, workspace: Path, temp: Path, env: Mapping[str, str]) -> Step:
    """A step's process, with the files that it writes outputs and summary into."""
    output, summary = temp / f"{name}-output", temp / f"{name}-summary"
    for path in (output, summary):
        path.write_text("")
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GITHUB_") and key not in OF_MAKE
    }
    done = subprocess.run(
        argv,
        cwd=workspace,
        env={
            **kept,
            "RUNNER_TEMP": str(temp),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            **env,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    lines = output.read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return Step(done.returncode, done.stdout, outputs, summary.read_text())


def shell() -> str:
    """The shell that steps are run by."""
    found = shutil.which("bash")
    assert found is not None
    return found
