"""The index of a folder of runs: what a history needs of each, so that it needn't read them all.

It is derived: whatever doesn't match the files as they are now is read again, and an index that is
damaged, of another version or of other rules is ignored. Deleting it only costs time.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from asgi_bench.errors import BenchError
from asgi_bench.model import INDEX_VERSION, Run, RunEntry
from asgi_bench.model.metrics import TRACKED_NAMES
from asgi_bench.regular_files import read_regular
from asgi_bench.store.counts import LIVES_FILE
from asgi_bench.store.files import write_whole
from asgi_bench.store.folders import HEADER_FILE, TRIALS_FILE
from asgi_bench.store.runs import UNREADABLE, read_run

INDEX_FILE = "index.jsonl"
INDEX_SCHEMA = "asgi-bench/index"
# 20,000 runs take some 100 MB.
_MOST_BYTES = 2**30

# Size and time of change (ns) of run.json, of trials.jsonl and of lives.jsonl; zeros where there is
# none.
Signature = tuple[int, int, int, int, int, int]


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A run folder in the index: its entry, or why it can't be read."""

    folder: str
    signature: Signature
    entry: RunEntry | None = None
    fault: str | None = None


class Listing(NamedTuple):
    """All runs of a folder, oldest first, and those that can't be read.

    `environments` are the facts by the keys that entries name. `read` runs were read anew, `kept`
    were taken from the index; `notes` say what was wrong with it.
    """

    entries: tuple[RunEntry, ...]
    unreadable: tuple[Stored, ...]
    environments: Mapping[str, Mapping[str, str]]
    read: int
    kept: int
    notes: tuple[str, ...]


class _Head(msgspec.Struct):
    """The first line: what the rest is, and its SHA-256."""

    schema: str
    version: int
    rules_version: int
    digest: str
    metrics: tuple[str, ...] = ()
    """What entries follow: a metric that is declared later is read out of all runs."""


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    """Any other line: the facts of an environment under their key, or a run."""

    key: str | None = None
    facts: dict[str, str] | None = None
    run: Stored | None = None


_LINES = msgspec.json.Decoder(_Line)


class Summary(NamedTuple):
    """What is kept of one run: its entry, and the facts behind its environment's key."""

    entry: RunEntry
    facts: Mapping[str, str]


def list_history(parent: Path, summarize: Callable[[Run], Summary], rules_version: int) -> Listing:
    """Every run directly in a folder, from the index as far as that is current.

    `summarize` makes an entry of a run by the rules of that version. The index is written again if
    anything changed. Raises BenchError if the folder can't be listed.
    """
    notes: list[str] = []
    known, environments = _read_index(parent / INDEX_FILE, rules_version, notes)
    signatures = _signatures(parent)
    found: list[Stored] = []
    read = 0
    for folder, signature in signatures.items():
        stored = known.get(folder)
        if stored is None or stored.signature != signature:
            stored = _stored(parent / folder, signature, summarize, environments)
            read += 1
        found.append(stored)
    used = {each.entry.environment for each in found if each.entry is not None}
    environments = {key: facts for key, facts in environments.items() if key in used}
    if read or known.keys() != signatures.keys():
        _write_index(parent / INDEX_FILE, found, environments, rules_version, notes)
    entries = [(each.entry, each.folder) for each in found if each.entry is not None]
    entries.sort(key=lambda each: (each[0].started_at, each[1]))
    return Listing(
        entries=tuple(entry for entry, _ in entries),
        unreadable=tuple(each for each in found if each.entry is None),
        environments=environments,
        read=read,
        kept=len(found) - read,
        notes=tuple(notes),
    )


def environment_key(facts: Mapping[str, str]) -> str:
    """A short name for these facts, the same for the same facts."""
    return hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()[:16]


def _stored(
    folder: Path,
    signature: Signature,
    summarize: Callable[[Run], Summary],
    environments: dict[str, Mapping[str, str]],
) -> Stored:
    """Read a run; one that can't be read says why."""
    try:
        entry, facts = summarize(read_run(folder))
    except BenchError as fault:
        return Stored(folder.name, signature, fault=str(fault))
    environments[entry.environment] = facts
    return Stored(folder.name, signature, entry=entry)


def _signatures(parent: Path) -> dict[str, Signature]:
    """The run folders by name, with what tells whether their files are as they were."""
    try:
        with os.scandir(parent) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except OSError as error:
        raise BenchError(f"{parent}: can't be read: {error.strerror}") from None
    found = {}
    for name in names:
        header = _state(f"{parent}/{name}/{HEADER_FILE}")
        if header is not None:
            trials, lives = (
                _state(f"{parent}/{name}/{file}") or (0, 0) for file in (TRIALS_FILE, LIVES_FILE)
            )
            found[name] = (*header, *trials, *lives)
    return found


def _state(path: str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)  # noqa: PTH116  (a Path for each of 20,000 files takes as long again)
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _read_index(
    path: Path, rules_version: int, notes: list[str]
) -> tuple[dict[str, Stored], dict[str, Mapping[str, str]]]:
    """Runs by folder and facts by key; both empty where the index can't be used."""
    try:
        first, _, rest = read_regular(path, _MOST_BYTES).partition(b"\n")
        head = msgspec.json.decode(first, type=_Head)
        if head.schema != INDEX_SCHEMA or head.digest != hashlib.sha256(rest).hexdigest():
            raise BenchError("it is cut off, or was changed by hand")
        known = (head.version, head.rules_version, head.metrics)
        if known != (INDEX_VERSION, rules_version, TRACKED_NAMES):
            return {}, {}
        lines = _LINES.decode_lines(rest)
    except FileNotFoundError:
        return {}, {}
    except OSError as error:
        notes.append(f"{path} can't be read: {error.strerror}; all runs were read again")
        return {}, {}
    except (BenchError, *UNREADABLE) as fault:
        notes.append(f"{path} was damaged and has been rebuilt: {fault}")
        return {}, {}
    environments = {line.key: line.facts for line in lines if line.key and line.facts is not None}
    runs = {
        line.run.folder: line.run
        for line in lines
        if line.run is not None
        and (line.run.entry is None or line.run.entry.environment in environments)
    }
    return runs, dict(environments)


def _write_index(
    path: Path,
    found: Iterable[Stored],
    environments: Mapping[str, Mapping[str, str]],
    rules_version: int,
    notes: list[str],
) -> None:
    """The whole index or none of it; a folder that takes no files is no fault."""
    lines: list[Any] = [_Line(key=key, facts=dict(facts)) for key, facts in environments.items()]
    rest = msgspec.json.Encoder().encode_lines([*lines, *(_Line(run=each) for each in found)])
    digest = hashlib.sha256(rest).hexdigest()
    head = _Head(INDEX_SCHEMA, INDEX_VERSION, rules_version, digest, TRACKED_NAMES)
    try:
        write_whole(path, msgspec.json.encode(head) + b"\n" + rest)
    except OSError as error:
        notes.append(
            f"{path} can't be written: {error.strerror}; the next command reads all runs again"
        )
