"""What every backend offers: it wraps a server's command, and finally reads what was counted."""

from pathlib import Path
from typing import Protocol

from asgi_bench.model.counts import Backend, Counter, Tally


class Counting(Protocol):
    """Counts one thing over a server's life, in its whole process tree.

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

    def tally(self, folder: Path) -> Tally:
        """Read what was counted, once no process is left.

        Raises ServerFault if nothing was, or a process was ended before it wrote its count.
        """

    def fault(self, folder: Path) -> str | None:
        """What went wrong with the counting itself, according to its files; None if nothing did."""
