"""Where runs are: the names of run folders, and finding one again."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.regular_files import read_regular

# Of a header or of trials. A trial takes 30 KB, of a long sweep ten times that; 20,000 of them fit.
# A header has the bodies of right answers in it, some of 64 MiB, a third longer as text.
MOST_BYTES_OF_RUN = 2**30
HEADER_FILE = "run.json"
TRIALS_FILE = "trials.jsonl"
UNFINISHED_FILE = "unfinished.jsonl"
# Last lines that were cut off as they were written, put aside where the run goes on.
CUT_FILE = "cut.jsonl"
LOGS_FOLDER = "logs"
PHASES_FILE = "phases.json"
VERDICT_FILE = "verdict.json"
PROOFS_FILE = "proofs.json"
BEHAVIOUR_FILE = "behaviour.json"
# Locust's, `locust_stats.csv`: one for each load process of a run.
STATS_FILES = "locust*_stats.csv"
CHARTS_FOLDER = "charts"
EXPORTS_FOLDER = "exports"
PAGE_FILE = "report.html"

# What every file system and every shell takes unquoted.
UNSAFE = re.compile(r"[^A-Za-z0-9._+%=-]+")
MAX_LABEL_LENGTH = 60
LISTED_RUNS = 5


class _Start(msgspec.Struct):
    """As much of a header as it takes to order runs."""

    started_at: str


def run_id(started: datetime, label: str | None = None) -> str:
    """The id of a run started at that moment: `20261122T190000Z-<label>`.

    Characters that a file name can't contain are replaced in the label. Raises ValueError for a
    moment without a time zone.
    """
    if started.tzinfo is None:
        raise ValueError("a run's start needs a time zone")
    stamp = started.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    cleaned = safe_name(label or "")[:MAX_LABEL_LENGTH].strip("-._")
    return f"{stamp}-{cleaned}" if cleaned else stamp


def safe_name(text: str) -> str:
    """The text as one part of a path: never a separator, never a parent folder."""
    return UNSAFE.sub("-", text).lstrip(".")


def list_runs(parent: Path) -> tuple[Path, ...]:
    """The run folders directly in a folder, oldest first; anything else is left out."""
    starts = [
        (start, header.stat().st_mtime_ns, header.parent)
        for header in parent.glob(f"*/{HEADER_FILE}")
        if (start := _started_at(header)) is not None
    ]
    return tuple(folder for _, _, folder in sorted(starts))


def newest_run(parent: Path) -> Path:
    """The run folder that was started last. Raises UsageError if there is none."""
    runs = list_runs(parent)
    if not runs:
        raise UsageError(
            f"{parent}: no runs here; measure one with `asgi-bench run`, or name a run folder"
        )
    return runs[-1]


def find_run(name: str | None, parent: Path) -> Path:
    """The folder of a run named by its path or its id; without a name the newest in `parent`.

    Raises UsageError if there is no such run, naming the existing ones.
    """
    if name is None:
        return newest_run(parent)
    for folder in (Path(name), parent / name):
        if (folder / HEADER_FILE).is_file():
            return folder
    newest = ", ".join(folder.name for folder in reversed(list_runs(parent)[-LISTED_RUNS:]))
    known = f"the newest in {parent} are {newest}" if newest else f"{parent} holds no run either"
    raise UsageError(f"{name}: not a run folder (no {HEADER_FILE} in it); {known}")


def _started_at(header: Path) -> str | None:
    """When a run was started, or None for what is no run's header."""
    try:
        return msgspec.json.decode(read_regular(header, MOST_BYTES_OF_RUN), type=_Start).started_at
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
