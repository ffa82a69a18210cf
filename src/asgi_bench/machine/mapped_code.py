"""The machine code that processes run: the files that they have mapped as executable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache

from asgi_bench.machine.processes import PROC

DIGEST_LETTERS = 12
# Folders that packages are installed in: the path from there on names a file for what it is.
_OF_PACKAGES = ("site-packages/", "dist-packages/")
# In a line of /proc/PID/maps: addresses, permissions, offset, device, inode, path.
_FIELDS = 6


def mapped_code(pids: Iterable[int]) -> dict[str, str]:
    """The first characters of the SHA-256 of each file of machine code, by its name, sorted.

    The name of an installed package's file is its path there, such as `uvloop/loop.so`. Two files
    with one name have both digests. A process that is gone, or another user's, maps nothing; a
    file that was replaced since it was mapped is left out.
    """
    found: dict[str, set[str]] = {}
    for path in sorted({path for pid in pids for path in _paths(pid)}):
        digest = _digest_of(path)
        if digest is not None:
            found.setdefault(_name(path), set()).add(digest)
    return {name: "+".join(sorted(digests)) for name, digests in sorted(found.items())}


def _paths(pid: int) -> set[str]:
    try:
        lines = (PROC / str(pid) / "maps").read_text(errors="surrogateescape").splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return set()
    fields = (line.split(maxsplit=_FIELDS - 1) for line in lines)
    return {
        found[-1]
        for found in fields
        if len(found) == _FIELDS and "x" in found[1] and found[-1].startswith("/")
    }


def _name(path: str) -> str:
    for folder in _OF_PACKAGES:
        _, is_there, rest = path.rpartition(f"/{folder}")
        if is_there:
            return rest
    return path.rpartition("/")[2]


def _digest_of(path: str) -> str | None:
    try:
        state = os.stat(path)  # noqa: PTH116  (a path of the kernel's, as it is)
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=1000)
def _digest(path: str, size: int, changed_ns: int) -> str:
    """Some 2 ms for each MB; size and time of change tell files of one path apart."""
    with open(path, "rb") as file:  # noqa: PTH123  (as above)
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGEST_LETTERS]
