"""`scripts/check-matrix`: every scenario, every way, each server started once a way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "check-matrix"


def check(folder: Path, *args: str) -> str:
    """Run the script and return what it said."""
    command = [sys.executable, str(SCRIPT), "--to", str(folder), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(folder / "README.md")]
    return done.stderr


@pytest.mark.slow
def test_each_scenario_each_way_on_one_server(tmp_path: Path) -> None:
    """Nothing fails, what it can't do has a reason; called again it starts nothing."""
    check(tmp_path, "-s", "granian", "--budget", "1ms", "--transport", "tcp")
    known = json.loads((tmp_path / "matrix.json").read_bytes())["entries"]
    assert not any(entry["outcome"] == "ok" for entry in known)
    check(tmp_path, "-s", "granian")
    known = json.loads((tmp_path / "matrix.json").read_bytes())["entries"]
    failed = [entry for entry in known if entry["outcome"] == "failed"]
    assert not failed
    assert all(entry["reason"] for entry in known if entry["outcome"] == "skipped")
    ways = {(entry["http"], entry["transport"]) for entry in known if entry["outcome"] == "ok"}
    assert ways == {(http, way) for http in "12" for way in ("tcp", "tls", "unix")}
    before = (tmp_path / "matrix.json").stat().st_mtime_ns
    assert "failed   " not in check(tmp_path, "-s", "granian")
    assert json.loads((tmp_path / "matrix.json").read_bytes())["entries"] == known
    assert (tmp_path / "matrix.json").stat().st_mtime_ns >= before
    assert "| hello | ok |" in (tmp_path / "README.md").read_text()
