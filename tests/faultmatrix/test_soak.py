"""`scripts/soak` for some seconds; `results/recorded/soak` has 20 minutes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parents[2] / "scripts" / "soak"


@pytest.mark.slow
def test_a_short_soak_loses_and_leaks_nothing(tmp_path: Path) -> None:
    """It is measured under faults, all trials are kept, and nothing of it runs on."""
    log = tmp_path / "log.json"
    done = subprocess.run(
        [sys.executable, str(SOAK), "--minutes", "0.15", "--log", str(log)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(log.read_text())
    assert told["wrong"] == []
    assert sum(told["faults"].values()) >= 1
    assert told["trials"]["ok"] >= 1
    assert told["requests"] > 0
    assert (told["processes_leaked"], told["ports_leaked"], told["damage"]) == (0, 0, [])
