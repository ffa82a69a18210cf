"""Coverage in parts: none of the tests is left out, and figures are counted right."""

import json
from pathlib import Path

from covering.figures import coverage_section
from covering.parts import LEFT_OUT, ROOT, all_parts


def test_every_test_is_in_a_part() -> None:
    """Each file stands in one fast part; slow ones stand in one of theirs too."""
    found = [file for part in all_parts() if part.name.startswith("fast") for file in part.files]
    due = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "tests").rglob("test_*.py")
        if file.relative_to(ROOT / "tests").parts[0] not in LEFT_OUT
    }
    assert sorted(found) == sorted(due)


def test_lines_and_branches_are_counted_together(tmp_path: Path) -> None:
    """By package and in all: what is missing over what there is."""
    figures = tmp_path / "coverage.json"
    file = {"statements": 6, "branches": 4, "missing_lines": [3], "missing_branches": []}
    figures.write_text(
        json.dumps(
            {
                "measured_at": "2026-11-30T12:00:00+00:00",
                "python": "3.11.7",
                "parts": "2 of 2 parts",
                "files": {"wire/http1.py": file, "errors.py": {**file, "missing_lines": []}},
            }
        )
    )
    text = coverage_section(figures)
    assert text.startswith("95.0% of lines and branches (91.7% of lines, 100.0% of branches)")
    assert "Only" not in text
    assert "| wire | 6 | 4 | 90.0% |" in text
    assert "| the package itself | 6 | 4 | 100.0% |" in text
    figures.write_text(figures.read_text().replace("2 of 2 parts", "1 of 2 parts"))
    text = coverage_section(figures)
    assert text.startswith("At least 95.0% of lines and branches")
    assert "Only 1 of 2 parts of the tests were run: the others add to it." in text
