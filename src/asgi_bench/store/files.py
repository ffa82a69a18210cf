"""Files that are written whole or not at all."""

import os
from pathlib import Path
from typing import IO


def write_whole(path: Path, content: bytes, *, survives_crash: bool = False) -> None:
    """Replace a file; anyone who reads it meanwhile finds the old one.

    With `survives_crash` it is on the disk when this returns. Raises OSError.
    """
    # Two processes may write the same file: each has its own part.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        # Of a process of the same number that was killed; a link there is not followed.
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            file.write(content)
            if survives_crash:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if survives_crash:
        _sync_folder(path.parent)


def open_to_append(path: Path) -> IO[bytes]:
    """Open a file of ours to add to it, unbuffered, or create it; raises OSError.

    Never through a link, which may lead to somebody else's file.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    return os.fdopen(handle, "ab", buffering=0)


def write_fully(file: IO[bytes], content: bytes) -> None:
    """Write all of it: an unbuffered file may take only part at a time. Raises OSError."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _sync_folder(folder: Path) -> None:
    """A file's name is the folder's: it has to reach the disk too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
