"""What every backend offers: it wraps a server's command, and finally reads what was counted."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from asgi_bench.model.counts import Backend, Counter, Tally


class Counted(NamedTuple):
    """A server that is being counted."""

    folder: Path
    """The folder of its life."""
    pids: tuple[int, ...]
    """Its processes, all of which are counted."""


class _Counting(Protocol):
    """Counts one thing in the whole process tree of a server.

    Each life has an empty folder of its own, an absolute path, for what is written meanwhile.
    """

    backend: Backend
    """Its name."""
    counter: Counter
    """What it counts."""
    patience: float
    """How many times longer time-outs are while it counts: a server runs slowly then."""

    def missing(self) -> str | None:
        """One line that says why it can't count here and what to install; None if it can."""

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """What precedes the server's command."""

    def fault(self, folder: Path) -> str | None:
        """What went wrong with the counting itself, according to its files; None if nothing did."""


class CountingLives(_Counting, Protocol):
    """Counts a server from its start to its end."""

    def tally(self, folder: Path) -> Tally:
        """Read what was counted, once no process is left.

        Raises ServerFault if nothing was, or a process was ended before it wrote its count.
        """


@runtime_checkable
class CountingWindows(_Counting, Protocol):
    """Counts a server in windows of its life, between the marks that it is given.

    Both acts return what went wrong with each server, in their order; None if nothing did.
    """

    def begin(self, servers: Sequence[Counted]) -> list[str | None]:
        """Start to count."""

    def mark(self, servers: Sequence[Counted]) -> list[str | None]:
        """End a window, and begin the next one."""

    def windows(self, folder: Path) -> list[Tally]:
        """Read what was counted between one mark and the next.

        Raises ServerFault if it can't be read.
        """


Counting: TypeAlias = CountingLives | CountingWindows
