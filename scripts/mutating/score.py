"""What came of the mutants, by subject."""

import json
import tomllib
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from mutating.mutants import Outcome

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "results" / "recorded" / "mutation" / "log.jsonl"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
SEED = 1
# Files below `src/asgi_bench`, by what they do.
GROUPS = {
    "rules of validity": ("analysis/validity/*.py",),
    "intervals": ("analysis/intervals.py", "analysis/percentiles.py"),
    "the gate (A/B)": ("analysis/ab/*.py",),
    "readers of the wire": (
        "wire/frames.py",
        "wire/http1.py",
        "wire/http2.py",
        "wire/http2_frames.py",
        "wire/parts.py",
    ),
    "the histogram": ("load/histogram.py",),
}


def read_outcomes(log: Path) -> dict[str, Outcome]:
    """Return what came of each mutant, the last time it was tried."""
    if not log.exists():
        return {}
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return {line["mutant"]: line["outcome"] for line in lines}


def read_equivalent() -> dict[str, str]:
    """Return why a mutant is none, by its name."""
    found = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {
        mutant: each["reason"] for each in found.get("equivalent", ()) for mutant in each["mutants"]
    }


def unexplained(outcomes: Mapping[str, Outcome], equivalent: Collection[str]) -> set[str]:
    """Return those that no test noticed though one should."""
    return {
        key
        for key, outcome in outcomes.items()
        if outcome in ("survived", "uncovered") and key not in equivalent
    }


def score_table(outcomes: Mapping[str, Outcome], equivalent: Collection[str]) -> Iterator[str]:
    """Yield the lines of a table: a row for each subject, and their sum."""
    yield (
        "| Subject | Mutants tried | Noticed | by an endless loop | Equivalent | Not noticed "
        "| Score |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, patterns in GROUPS.items():
        members = {
            key: outcome
            for key, outcome in outcomes.items()
            if any(fnmatch(key.partition(" ")[0], pattern) for pattern in patterns)
        }
        yield _row(name, members, equivalent)
    yield _row("all", outcomes, equivalent)


def _row(name: str, outcomes: Mapping[str, Outcome], equivalent: Collection[str]) -> str:
    noticed = sum(outcome in ("killed", "timeout") for outcome in outcomes.values())
    endless = sum(outcome == "timeout" for outcome in outcomes.values())
    missed = len(unexplained(outcomes, equivalent))
    score = f"{noticed / (noticed + missed):.1%}" if noticed + missed else "-"
    same = len(outcomes) - noticed - missed
    return (
        f"| {name} | {len(outcomes):,} | {noticed:,} | {endless:,} | {same:,} | {missed:,} "
        f"| {score} |"
    )
