"""What /proc/net/unix says about the Unix socket with a path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from asgi_bench.machine.processes import PROC

_TABLE = "net/unix"
# __SO_ACCEPTCON of the kernel: the socket listens.
_LISTENS = 0x10000
_CONNECTING, _CONNECTED = 0x02, 0x03


class UnixRow(NamedTuple):
    """A socket with the path: the listening one, or the server's end of a connection.

    Inode 0 means that no process has it yet: it waits to be accepted.
    """

    inode: int
    is_listening: bool


def unix_rows(path: str, proc: Path = PROC) -> list[UnixRow]:
    """All stream sockets of this network namespace that have a path; the client's end has none."""
    try:
        lines = (proc / _TABLE).read_text(errors="surrogateescape").splitlines()[1:]
    except FileNotFoundError:  # A kernel without Unix sockets.
        return []
    return list(_parse_rows(lines, path))


def _parse_rows(lines: list[str], path: str) -> Iterator[UnixRow]:
    for line in lines:
        # Num RefCount Protocol Flags Type St Inode Path
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7] == path:
            is_listening = bool(int(fields[3], 16) & _LISTENS)
            if is_listening or int(fields[5], 16) in (_CONNECTING, _CONNECTED):
                yield UnixRow(int(fields[6]), is_listening)
