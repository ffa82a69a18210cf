"""Instructions by the CPU's own counters: at full speed, in user and kernel mode.

Not tried on hardware: it was developed and tested with the kernel's software counters only, such as
page faults, which work the same way (`machine/perf_events.py`).
"""

import sys
from pathlib import Path

import msgspec

from asgi_bench.machine.perf_events import EventName, Mode, why_not
from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

_COUNTS = "counts.json"


class Hardware:
    """Counts instructions in user mode, as valgrind does; those in kernel mode separately."""

    backend: Backend = "hardware"
    counter: Counter = "instructions"
    # Servers run as fast as they do.
    patience = 1.0

    def __init__(self, event: EventName = "instructions") -> None:
        self._event: EventName = event

    def missing(self) -> str | None:
        """Why it can't count here; None if it can."""
        return why_not(self._event)

    def prefix(self, folder: Path) -> tuple[str, ...]:
        """Start the server through a launcher, which becomes the server."""
        launcher = (sys.executable, "-I", "-m", "asgi_bench.counting.hardware_launcher")
        return (*launcher, self._event, str(folder / _COUNTS))

    def tally(self, folder: Path) -> Tally:
        """Read what the launcher's watcher wrote; raises ServerFault."""
        path = folder / _COUNTS
        try:
            found = msgspec.json.decode(path.read_bytes(), type=dict[Mode, tuple[int, bool]])
        except (OSError, msgspec.MsgspecError):
            raise ServerFault(
                "the CPU's counters could not be read: the server was killed"
            ) from None
        if not all(is_whole for _, is_whole in found.values()):
            raise ServerFault(
                "another program used the CPU's counters for part of the time: stop profilers, "
                "and check that kernel.nmi_watchdog is 0"
            )
        counts = {str(mode): count for mode, (count, _) in found.items()}
        return Tally(total=counts.get("user", 0), parts={"mode": counts}, processes=1)

    def fault(self, folder: Path) -> str | None:
        """Nothing can go wrong with the counting itself."""
        return None
