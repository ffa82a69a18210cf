"""The commit that is measured: what git knows about the folder of an app."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from asgi_bench.model import Source

# `git status` reads a large work tree from the disk once; a repository that takes longer is not
# worth holding a measurement up for.
GIT_TIMEOUT_S = 20.0
_OID, _HEAD = "# branch.oid ", "# branch.head "
_NO_COMMIT, _DETACHED = "(initial)", "(detached)"


def source_of(folder: Path) -> Source | None:
    """The commit that is checked out around a folder.

    None without git, a repository or a commit, or if git won't read it (another user's, which it
    calls dubious). Files that git doesn't track don't make a work tree dirty.
    """
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return None
    lines = status.splitlines()
    commit = _after(_OID, lines)
    branch = _after(_HEAD, lines)
    if commit is None or commit == _NO_COMMIT:
        return None
    told = _git(folder, "log", "-1", "--no-show-signature", "--format=%cI%n%s", commit) or ""
    committed_at, _, subject = told.strip().partition("\n")
    return Source(
        commit=commit,
        branch=None if branch == _DETACHED else branch,
        dirty=any(not line.startswith("#") for line in lines),
        committed_at=committed_at or None,
        subject=subject,
    )


def _after(prefix: str, lines: list[str]) -> str | None:
    return next((line.removeprefix(prefix) for line in lines if line.startswith(prefix)), None)


def _git(folder: Path, *args: str) -> str | None:
    """What git says in a folder; None where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            # It would write a fresh index otherwise, into a work tree that others may be using.
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
