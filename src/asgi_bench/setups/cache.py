"""The user's cache folder: built environments, distinguished by what went into them."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from asgi_bench.definitions.folders import cache_path
from asgi_bench.errors import BenchError

# Kept so long after its last use; built again in seconds.
KEPT_S = 30 * 86400.0
KEY_LENGTH = 16


def cache_folder() -> Path:
    """The folder for what can be made again; raises BenchError if it can't be created."""
    folder = cache_path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{folder}: can't be made: {error.strerror}") from None
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for another holder; the kernel drops it with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def note(path: Path, what: msgspec.Struct) -> None:
    """Record something in the cache: the whole file or nothing."""
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(what))
    partial.replace(path)


def forget_unused(parent: Path, stamp: str, kept_s: float = KEPT_S) -> None:
    """Remove folders whose file `stamp` was last touched too long ago."""
    for found in parent.glob(f"*/{stamp}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - found.stat().st_mtime > kept_s:
                # First what says that it is complete: what is left of it is built anew.
                found.unlink()
                shutil.rmtree(found.parent, ignore_errors=True)


def content_digest(path: Path) -> str:
    """A hash of a file, or of all files in a folder that belong to it.

    It excludes what Python and git put there, and virtual environments. Links count by where they
    lead, files also by whether they are executable. What links out of the folder lead to counts as
    if it were inside.
    """
    digest = hashlib.sha256()
    # Grows while it is gone through, but not by a folder that holds one of them: it could be `/`.
    roots = [Path(os.path.realpath(path))]
    for root in roots:
        digest.update(b"root\n")
        for name, found in _contents(root):
            kind, content = _kind_and_content(found)
            digest.update(f"{kind} {name!r} {len(content)}\n".encode())
            digest.update(content)
            target = leads_out(found, root) if kind == "link" else None
            if target and not any(known.is_relative_to(target) for known in roots):
                roots.append(target)
    return digest.hexdigest()


def leads_out(link: Path, folder: Path) -> Path | None:
    """Return where a link leads, if that is out of a folder."""
    # Unlike Path.resolve it takes links that lead in a ring.
    target = Path(os.path.realpath(link))
    return None if target.is_relative_to(os.path.realpath(folder)) else target


def _kind_and_content(path: Path) -> tuple[str, bytes]:
    if path.is_symlink():
        return "link", os.fsencode(path.readlink())
    try:
        # In parts: a link may lead to a file of any size.
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        # Whoever needs it to build will tell.
        content = b""
    return "program" if os.access(path, os.X_OK) else "file", content


def left_out(folder: str, names: list[str]) -> set[str]:
    """Which names of a folder are no part of a project: as for `content_digest`, except git's."""
    return {name for name in names if not _belongs(Path(folder, name))}


def _belongs(path: Path) -> bool:
    """Whether it is of a project; sockets and the like hold nothing, and links are kept."""
    if path.name == "__pycache__" or (path / "pyvenv.cfg").is_file():
        return False
    return path.is_symlink() or path.is_file() or path.is_dir()


def _contents(path: Path) -> Iterator[tuple[str, Path]]:
    """The files by their names within a folder, in order."""
    if path.is_file():
        yield path.name, path
        return
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if name != ".git" and _belongs(here / name))
        for name in sorted([*names, *(one for one in folders if (here / one).is_symlink())]):
            found = here / name
            # A worktree has a file of that name; sockets and the like hold nothing.
            if name != ".git" and (found.is_symlink() or found.is_file()):
                yield str(found.relative_to(path)), found
