"""Instructions by the CPU's own counters: at full speed, in user and kernel mode.

Not tried on hardware: it was developed and tested with the kernel's software counters only, such as
page faults, which work the same way (`machine/perf_events.py`).
"""

import sys
import time
from collections import Counter as Sums
from pathlib import Path

import msgspec

from asgi_bench.counting.hardware_launcher import COUNTS
from asgi_bench.machine.perf_events import EventName, Mode, why_not
from asgi_bench.model.counts import Backend, Counter, Tally
from asgi_bench.serving.faults import ServerFault

# Its watcher writes once a server has ended; it waits up to two seconds for its workers.
_MOST_WAIT_S, _POLL_S = 5.0, 0.01


_UNREADABLE = "the CPU's counters could not be read: the server was killed"


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
        return (*launcher, self._event, str(folder))

    def tally(self, folder: Path) -> Tally:
        """Read what the watchers of all launchers wrote; raises ServerFault."""
        found = [_read(path) for path in sorted(folder.glob(f"{COUNTS}*"))]
        if not found:
            raise ServerFault(_UNREADABLE)
        counts = Sums[str]()
        for modes in found:
            if not all(is_whole for _, is_whole in modes.values()):
                raise ServerFault(
                    "another program used the CPU's counters for part of the time: stop profilers, "
                    "and check that kernel.nmi_watchdog is 0"
                )
            counts.update({str(mode): count for mode, (count, _) in modes.items()})
        return Tally(counts["user"], {"mode": dict(counts)}, len(found))

    def fault(self, folder: Path) -> str | None:
        """Nothing can go wrong with the counting itself."""
        return None


def _read(path: Path) -> dict[Mode, tuple[int, bool]]:
    deadline_s = time.monotonic() + _MOST_WAIT_S
    while not path.stat().st_size and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[Mode, tuple[int, bool]])
    except msgspec.MsgspecError:
        raise ServerFault(_UNREADABLE) from None
