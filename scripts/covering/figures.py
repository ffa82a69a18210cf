"""The figures of a coverage report: what is kept of it, and the table that is shown."""

import json
import platform
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from covering.parts import ROOT

FIGURES = ROOT / "results" / "recorded" / "coverage" / "coverage.json"
PACKAGE = "src/asgi_bench/"


def figures_of(report: Path, parts: str) -> bytes:
    """Return what is kept of coverage's own report: by file what there is and what is missing."""
    told = json.loads(report.read_text(encoding="utf-8"))
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    kept: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "parts": parts,
        "files": {
            name.removeprefix(PACKAGE): {
                "statements": each["summary"]["num_statements"],
                "branches": each["summary"]["num_branches"],
                "excluded": len(each["excluded_lines"]),
                "missing_lines": each["missing_lines"],
                "missing_branches": each["missing_branches"],
            }
            for name, each in sorted(told["files"].items())
        },
    }
    lines = json.dumps({name: value for name, value in kept.items() if name != "files"}, indent=1)
    files = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in kept["files"].items()
    )
    return f'{lines[:-2]},\n "files": {{\n{files}\n }}\n}}\n'.encode()


def coverage_section(figures: Path) -> str:
    """Return the figures in words, and as a table by package."""
    told = json.loads(figures.read_text(encoding="utf-8"))
    packages: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for name, each in told["files"].items():
        packages[name.partition("/")[0] if "/" in name else "the package itself"].append(each)
    everything = list(told["files"].values())
    done, _, due = told["parts"].partition(" of ")
    is_whole = due.startswith(f"{done} ")
    lines = [
        f"{'' if is_whole else 'At least '}{_share(everything, lines=True, branches=True):.1%} of "
        f"lines and branches ({_share(everything, lines=True):.1%} of lines, "
        f"{_share(everything, branches=True):.1%} of branches), in the tests' own process and in "
        f"those that they start; {told['measured_at'][:10]}, Python {told['python']}."
        + (
            ""
            if is_whole
            else f" Only {done} of {due} of the tests were run: the others add to it."
        ),
        "",
        "| Package | Lines | Branches | Covered |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [_row(name, packages[name]) for name in sorted(packages)]
    return "\n".join([*lines, _row("all", everything)])


def uncovered_lines(names: Sequence[str]) -> Iterator[str]:
    """Yield what nothing executes, of the modules whose names begin with one of these."""
    told = json.loads(FIGURES.read_text(encoding="utf-8"))
    for name, each in told["files"].items():
        if names and not name.startswith(tuple(names)):
            continue
        missing = set(each["missing_lines"])
        branches = [
            f"{a}->{b if b > 0 else 'end'}"
            for a, b in each["missing_branches"]
            if a not in missing and abs(b) not in missing
        ]
        if missing or branches:
            lost = len(missing) + len(each["missing_branches"])
            yield f"{lost:4} {name}: {_ranges(sorted(missing))} {' '.join(branches)}"


def _row(name: str, files: Sequence[Mapping[str, Any]]) -> str:
    statements = sum(each["statements"] for each in files)
    branches = sum(each["branches"] for each in files)
    covered = _share(files, lines=True, branches=True)
    return f"| {name} | {statements:,} | {branches:,} | {covered:.1%} |"


def _share(
    files: Sequence[Mapping[str, Any]], *, lines: bool = False, branches: bool = False
) -> float:
    """The share of lines, of branches or of both that were executed; 1 where there are none."""
    kinds = (("statements", "missing_lines", lines), ("branches", "missing_branches", branches))
    due = sum(each[kind] for kind, _, counts in kinds if counts for each in files)
    missed = sum(len(each[kind]) for _, kind, counts in kinds if counts for each in files)
    return 1 - missed / due if due else 1.0


def _ranges(numbers: Sequence[int]) -> str:
    """Numbers in short: `3-5,9`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
