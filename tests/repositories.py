"""Small real git repositories."""

import subprocess
from pathlib import Path

import pytest


def git(repository: Path, *arguments: str) -> str:
    """What git prints, without the last line's end."""
    argv = ["git", "-C", str(repository), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\n")


def make_repository(folder: Path) -> Path:
    """An empty repository with the branch `main`."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    return folder


def commit(repository: Path, message: str) -> str:
    """Commit all there is, and return the hash."""
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(repository, "rev-parse", "HEAD")


def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Git takes no settings of whoever runs the tests; what it commits is nobody's."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "nobody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "nobody@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
