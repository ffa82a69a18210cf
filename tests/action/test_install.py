import os
import subprocess
from pathlib import Path

import pytest

from tests.action.job import STEPS, run_step


@pytest.mark.slow
def test_the_command_is_installed_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step installs this checkout into an environment of its own, and names the command."""
    # What it needs is there in CI; here only that it is installed.
    monkeypatch.setenv("PIP_NO_DEPS", "1")
    step = run_step("install", tmp_path, tmp_path)
    assert step.code == 0, step.said
    command = Path(step.outputs["command"])
    assert command.parent.parent == tmp_path / "asgi-bench-environment"
    assert os.access(command, os.X_OK)


def test_an_old_python_is_told(tmp_path: Path) -> None:
    """Where no interpreter is new enough one line says what to do."""
    for name in ("readlink", "dirname", "bash", "env"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout
        (tmp_path / name).symlink_to(found.strip())
    script = (STEPS / "install").read_text().replace("/usr/bin/python3", "")
    copied = tmp_path / "install"
    copied.write_text(script)
    copied.chmod(0o755)
    env = {"PATH": str(tmp_path), "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": "/dev/null"}
    done = subprocess.run([str(copied)], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "::error::asgi-bench needs Python 3.11 or newer" in done.stderr
