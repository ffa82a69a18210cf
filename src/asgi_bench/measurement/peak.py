"""The most memory that a server was seen to take while it stood."""

import time
from collections.abc import Sequence

from asgi_bench.machine.memory import pss_bytes, resident_bytes

# PSS costs 0.4 ms a process to read, the resident size a hundredth of that: the first is read
# only where the second has grown by so much, and not more often than this.
GROWTH = 1.01
SHORTEST_PAUSE_S = 1.0


class PeakMemory:
    """Follows the memory of a server's processes; look between slices, never within.

    What is taken and given back within one slice is not seen.
    """

    def __init__(self) -> None:
        self._resident_bytes = 0
        self._looked_s = 0.0
        self.pss_bytes: int | None = None

    def read(self, pids: Sequence[int]) -> int | None:
        """Return the PSS now, in bytes; None if it may not be read or nothing is left."""
        now_bytes = pss_bytes(pids)
        self._resident_bytes = max(self._resident_bytes, resident_bytes(pids))
        self._looked_s = time.monotonic()
        if now_bytes is not None:
            self.pss_bytes = max(now_bytes, self.pss_bytes or 0)
        return now_bytes

    def look(self, pids: Sequence[int]) -> None:
        """Read the PSS if there seems to be more of it than ever."""
        has_grown = resident_bytes(pids) > GROWTH * self._resident_bytes
        if has_grown and time.monotonic() - self._looked_s >= SHORTEST_PAUSE_S:
            self.read(pids)
