"""Files that others may have put there: read only if they are regular files, and not too large.

A FIFO would block the reader forever, a device would never end, and a file of gigabytes would
fill the memory before its first byte is looked at.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Literal

# Far above any definition, header or body that is meant.
MOST_BYTES = 64 * 2**20
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: Path, most_bytes: int = MOST_BYTES) -> BinaryIO:
    """Open a file for reading; never waits.

    Raises OSError, with its `strerror` in words, if it is no regular file, too large, or
    unreadable.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            kind = _KINDS.get(stat.S_IFMT(state.st_mode), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
        if state.st_size > most_bytes:
            raise OSError(
                errno.EFBIG,
                f"it has {state.st_size / 2**20:.0f} MiB, and at most {most_bytes / 2**20:.0f} "
                "MiB can be read",
                str(path),
            )
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def kind_of(path: Path) -> Literal["file", "folder", "other"] | None:
    """What is at a path; None if nothing is, or if the path is too long."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # A zero in it.
        return None
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def read_regular(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return a file's content; raises OSError as `open_regular` does."""
    with open_regular(path, most_bytes) as file:
        return file.read(most_bytes)
