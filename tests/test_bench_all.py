"""`scripts/bench-all`: one run in parts."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench-all"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the script and an `asgi-bench` that tells its arguments."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts")
    command = tmp_path / ".venv" / "bin" / "asgi-bench"
    command.parent.mkdir(parents=True)
    command.write_text('#!/bin/sh\necho "$@"\n')
    command.chmod(0o755)
    return tmp_path


def said(checkout: Path, *flags: str, **env: str) -> str:
    """What `asgi-bench run` is called with; before a run begins, all servers are installed."""
    script = checkout / "scripts" / "bench-all"
    done = subprocess.run(
        [script, *flags], env={**os.environ, **env}, capture_output=True, text=True, check=True
    )
    *before, last = done.stdout.splitlines()
    assert before == ([] if "--resume" in last else ["install *"])
    return last


def test_the_first_call_begins_and_the_next_goes_on(checkout: Path) -> None:
    """It goes on with the newest of its own runs; NEW=1 begins another, BUDGET is how long."""
    first = said(checkout, BUDGET="7m")
    assert first.startswith("run --server * --label all --output results --budget 7m --rounds 6")
    for name in ("20261129T000000Z-all", "20261130T000000Z-all", "20261201T000000Z-other"):
        (checkout / "results" / name).mkdir(parents=True)
        (checkout / "results" / name / "run.json").touch()
    again = said(checkout, BUDGET="")
    assert again == "run --resume results/20261130T000000Z-all --budget 30m"
    assert said(checkout, NEW="1").startswith("run --server * --label all")


@pytest.mark.parametrize("named", [("--scenario", "hello"), ("--scenario=hello",)])
def test_named_scenarios_stand_alone(checkout: Path, named: tuple[str, ...]) -> None:
    """Where scenarios are named it is those, otherwise all."""
    assert "--scenario *" in said(checkout)
    flags = said(checkout, *named)
    assert "--scenario *" not in flags
    assert flags.endswith(" ".join(named))
