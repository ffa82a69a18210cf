import shutil
import subprocess
from pathlib import Path

import pytest

from tests.action.job import STEPS, run_script
from tests.setups.tiny_project import write_project


@pytest.mark.slow
def test_the_checkout_is_installed_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step installs the action's checkout into an environment of its own, by its pins."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    checkout = write_project(tmp_path / "checkout", version="3.2")
    (checkout / "constraints.txt").write_text("tiny-server==3.2\n")
    step = run_script(copied(checkout) / "install", tmp_path, tmp_path, {})
    assert step.code == 0, step.said
    command = Path(step.outputs["command"])
    assert command == tmp_path / "asgi-bench-environment" / "bin" / "asgi-bench"
    python = str(command.with_name("python"))
    code = "import importlib.metadata as m; print(m.version('tiny-server'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3.2\n"


def copied(checkout: Path) -> Path:
    """The action's steps, within a checkout of something that is installed without a network."""
    steps = checkout / "scripts" / "action"
    shutil.copytree(STEPS, steps)
    return steps


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
