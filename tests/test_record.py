"""What `scripts/record` keeps of a run."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", ["run.json", "trials.jsonl", "proofs.json", "locust_stats.csv"])
def test_recorded_files_name_no_path_of_this_machine(name: str, tmp_path: Path) -> None:
    """Whichever file names the checkout or its interpreter, what is kept of it doesn't."""
    keep = runpy.run_path(str(ROOT / "scripts" / "record"))["keep"]
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / name).write_text(f'["{sys.prefix}/bin/python", "{ROOT}/apps", "è"]', encoding="utf-8")
    keep(run, tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name == name
    assert kept.read_text(encoding="utf-8") == '[".venv/bin/python", "./apps", "è"]'
