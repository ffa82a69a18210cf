"""Links from the page to the run's own files, for those that are there."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from asgi_bench.reporting import numbers
from asgi_bench.store.folders import (
    BEHAVIOUR_FILE,
    CHARTS_FOLDER,
    HEADER_FILE,
    LOGS_FOLDER,
    PHASES_FILE,
    PROOFS_FILE,
    STATS_FILES,
    TRIALS_FILE,
    VERDICT_FILE,
)

# Names, of which one may be a pattern.
KNOWN = (
    (HEADER_FILE, "what was planned, where, with which packages"),
    (TRIALS_FILE, "every measurement, a line a trial"),
    (PROOFS_FILE, "what really ran under each server setting"),
    (BEHAVIOUR_FILE, "how each server setting behaved under a stop, overload, idling, a crash"),
    (VERDICT_FILE, "the verdict on the A/B, with what it rests on"),
    (STATS_FILES, "Locust's own table, a line a cell and round"),
    (PHASES_FILE, "seconds of the run by phase"),
    (LOGS_FOLDER, "the servers' output"),
    (CHARTS_FOLDER, "the charts as SVG and PNG"),
)


class RawFile(NamedTuple):
    """A file or folder beside the page: its address, its name, what it holds, its size."""

    address: str
    name: str
    holds: str
    size: str


def raw_files(folder: Path) -> tuple[RawFile, ...]:
    """The files that a reader may want, relative to the run folder."""
    return tuple(
        RawFile(address(path, folder), path.name, holds, _size(path))
        for name, holds in KNOWN
        for path in sorted(folder.glob(name))
    )


def address(path: Path, folder: Path) -> str:
    """A relative address: each part quoted, and never one with a scheme."""
    parts = path.relative_to(folder).parts
    return "./" + "/".join(quote(part, safe="") for part in parts) + ("/" if path.is_dir() else "")


def _size(path: Path) -> str:
    """A file's size; a folder has none."""
    return "" if path.is_dir() else f"{numbers.significant(path.stat().st_size / 1e3, 2)} kB"
