import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

PROJECT = Path(__file__).parents[2]
SCHEMAS = PROJECT / "src/asgi_bench/store/schemas"


def test_schemas_and_tables_of_keys_are_current() -> None:
    """`scripts/schemas` would write what is committed: every field of a file has its note."""
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts/schemas", "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


class Half(msgspec.Struct):
    """A struct that explains half of itself."""

    told: int
    """So many things."""
    untold: int


def test_a_field_without_a_note_is_named() -> None:
    """Nothing is written for a struct that leaves a key unexplained."""
    notes = runpy.run_path(str(PROJECT / "scripts/schemas"))["notes"]
    with pytest.raises(SystemExit, match=r"Half\.untold has no note below it"):
        notes(Half)


def test_schemas_name_their_dialect_and_file() -> None:
    """A schema says what it is of, and in which dialect it is written."""
    for path in SCHEMAS.iterdir():
        content: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        assert content["$schema"].startswith("https://json-schema.org/")
        assert "asgi-bench" in content["title"]


def test_results_readme_names_every_validity_code() -> None:
    """Every code that a finding may have is in results/README.md and docs/validity-codes.md."""
    text = (PROJECT / "results/README.md").read_text()
    rules = (PROJECT / "src/asgi_bench/analysis").rglob("*.py")
    given = {
        code
        for path in rules
        for code in re.findall(r'(?:code=|Reason\(|_reason\()\s*"([a-z-]+)"', path.read_text())
    }
    (line,) = (line for line in text.splitlines() if line.startswith("The codes of a trial"))
    assert set(re.findall(r"`([a-z-]+)`", line)) - {"validity_reasons[]"} == given
    page = (PROJECT / "docs/validity-codes.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == given
