"""Commits of the user's repository as folders of their own, removed when no longer used."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asgi_bench.errors import BenchError, UsageError
from asgi_bench.setups.cache import cache_folder, locked

WORKTREES_FOLDER = "worktrees"
GIT_TIMEOUT_S = 600.0
# Set where git runs us, as in a hook: they would point it at that repository, whatever the folder.
_GIT_VARIABLES = (
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)


def repository_of(folder: Path, flag: str) -> Path:
    """Return the top folder of the working tree that contains a folder; raises UsageError."""
    done = _git(folder, "rev-parse", "--show-toplevel")
    if done.returncode != 0:
        raise UsageError(f"{flag}: {folder} is not in a git repository: {_last_line(done)}")
    return Path(done.stdout.rstrip("\n"))


def commit_of(repository: Path, ref: str, flag: str) -> str:
    """Return the full hash of the commit that a ref names; raises UsageError."""
    # A dash would make it an option of git's.
    found = (
        None
        if ref.startswith("-")
        else _git(repository, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    )
    if found is None or found.returncode != 0:
        raise UsageError(
            f"{flag}: {ref!r} is not a commit of {repository}; a shallow clone may have to "
            "fetch it first"
        )
    return found.stdout.strip()


def description_of(folder: Path) -> str:
    """Return git's description of a folder's state, by its tags if it has any; "" without git."""
    if shutil.which("git") is None:
        return ""
    done = _git(folder, "describe", "--tags", "--always", "--dirty")
    return done.stdout.strip() if done.returncode == 0 else ""


@contextlib.contextmanager
def worktree(repository: Path, commit: str) -> Iterator[Path]:
    """A detached worktree of a commit, removed in the end.

    Its path has the same length for every commit: a longer path in every server's command and
    environment can itself change how fast a program runs (Mytkowicz et al., ASPLOS 2009).

    Raises:
        BenchError: git can't check it out.
    """
    parent = cache_folder() / WORKTREES_FOLDER
    parent.mkdir(exist_ok=True)
    with locked(parent.with_suffix(".lock")):
        _remove_left(parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{commit[:12]}-", dir=parent))
        handle = os.open(folder, os.O_RDONLY)
        # As long as it is locked it is in use; the kernel drops a lock with its process.
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        done = _git(repository, "worktree", "add", "--detach", str(folder), commit)
        if done.returncode != 0:
            raise BenchError(f"commit {commit[:12]} can't be checked out: {_last_line(done)}")
        yield folder
    finally:
        os.close(handle)
        _remove(folder)


def _remove_left(parent: Path) -> None:
    """Remove the worktrees of runs that were killed."""
    for folder in parent.iterdir():
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            finally:
                os.close(handle)
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a worktree and its entry in the repository."""
    # From within: the repository it belongs to is told by the folder itself.
    common = _git(folder, "rev-parse", "--git-common-dir")
    _git(folder, "worktree", "remove", "--force", str(folder))
    shutil.rmtree(folder, ignore_errors=True)
    if common.returncode == 0 and Path(common.stdout.strip()).is_dir():
        _git(Path(common.stdout.strip()), "worktree", "prune")


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if name not in _GIT_VARIABLES}
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=env,
            timeout=GIT_TIMEOUT_S,
        )
    except FileNotFoundError:
        raise BenchError("comparing git refs needs git, and git is not installed") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"git {arguments[0]} took more than {GIT_TIMEOUT_S:g} s") from None


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"git ended with code {done.returncode}"
