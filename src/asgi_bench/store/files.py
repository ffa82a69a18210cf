"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, survives_crash: bool = False) -> None:
    """Put a file in place of what was there; who reads it meanwhile finds the old one.

    With `survives_crash` it is on the disk when this returns. Raises OSError.
    """
    # Two processes may write the same file: each has its own part.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if survives_crash:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    if survives_crash:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A file's name is the folder's: it has to reach the disk too."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
