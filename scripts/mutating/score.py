"""What came of the mutants, by subject."""

import json
import tomllib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from mutating.mutants import Outcome

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "results" / "recorded" / "mutation" / "log.jsonl"
SUMMARY = LOG.with_name("summary.json")
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


def summary_of(
    outcomes: Mapping[str, Outcome], mutants: Collection[str], equivalent: Collection[str]
) -> bytes:
    """Return what is kept of the outcomes, by subject; `mutants` are all that there are."""
    told = {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "seed": SEED,
        "subjects": {name: _counts(name, outcomes, mutants, equivalent) for name in GROUPS},
    }
    return json.dumps(told, indent=1).encode() + b"\n"


def _counts(
    name: str,
    outcomes: Mapping[str, Outcome],
    mutants: Collection[str],
    equivalent: Collection[str],
) -> dict[str, int]:
    mine = {key: outcome for key, outcome in outcomes.items() if _is_of(name, key)}
    noticed = sum(outcome in ("killed", "timeout") for outcome in mine.values())
    missed = len(unexplained(mine, equivalent))
    return {
        "mutants": sum(_is_of(name, key) for key in mutants),
        "tried": len(mine),
        "noticed": noticed,
        "endless": sum(outcome == "timeout" for outcome in mine.values()),
        "equivalent": len(mine) - noticed - missed,
        "missed": missed,
    }


def _is_of(name: str, key: str) -> bool:
    return any(fnmatch(key.partition(" ")[0], pattern) for pattern in GROUPS[name])


def mutation_section(summary: Path) -> str:
    """Return what came of the mutants: a row for each subject, and their sum."""
    told = json.loads(summary.read_text(encoding="utf-8"))
    subjects: dict[str, dict[str, int]] = told["subjects"]
    every = {
        name: sum(each[name] for each in subjects.values())
        for name in next(iter(subjects.values()))
    }
    lines = [
        f"{every['tried']:,} of {every['mutants']:,} mutants, drawn by seed {told['seed']}, "
        f"{told['measured_at']}:",
        "",
        "| Subject | Mutants | Tried | Noticed | of these by an endless loop | Equivalent "
        "| Not noticed | Score |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_row(name, counts) for name, counts in subjects.items()),
        _row("all", every),
        "",
        "The score is the share of the mutants tried that tests noticed, without the equivalent "
        "ones.",
    ]
    return "\n".join(lines)


def _row(name: str, counts: Mapping[str, int]) -> str:
    due = counts["noticed"] + counts["missed"]
    score = f"{counts['noticed'] / due:.1%}" if due else "-"
    return f"| {name} | {' | '.join(f'{count:,}' for count in counts.values())} | {score} |"
