"""What every backend offers: it wraps a server's command, and reads what was counted in the end."""

from pathlib import Path
from typing import Protocol

from asgi_bench.model.counts import Backend, Counter, Tally


class Counting(Protocol):
    """Counts one thing over a server's life, its whole process tree.

    A life has an empty folder of its own, by an absolute path, for what is written meanwhile.
    """

    backend: Backend
    """Its name."""
    counter: Counter
    """What it counts."""
    patience: float
    """How many times longer time-outs are while it counts: a server runs slowly then."""

    def missing(self) -> str | None:
        """One line that says why it can't count here and what to install; None where it can."""

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """What stands before the server's command."""

    def tally(self, folder: Path) -> Tally:
        """Read what was counted, once no process is left.

        Raises ServerFault where nothing was, or a process was ended before it wrote its count.
        """

    def fault(self, folder: Path) -> str | None:
        """What went wrong with the counting itself, as far as its files say; None if nothing."""
