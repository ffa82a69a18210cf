"""The memory of a server while it is up: its maximum, and its course over the requests served."""

import time
from collections.abc import Sequence

from asgi_bench.machine.memory import pss_bytes, resident_bytes

# PSS costs 0.4 ms a process to read, the resident size a hundredth of that: for the peak the first
# is read only where the second has grown by so much, and not more often than this.
GROWTH = 1.01
SHORTEST_PAUSE_S = 1.0
# For growth it is read along the requests, not along the time: a slow server is seen at the same
# points as a fast one. There are some forty up to 50,000 requests.
FEWEST_REQUESTS = 50
STEP_SHARE = 0.125


class MemoryWatch:
    """Follows the memory of a server's processes; looks between slices, never within.

    It doesn't see what is allocated and freed within one slice. `samples` are how many requests the
    server had responded to since its load began, and its PSS then.
    """

    def __init__(self) -> None:
        self._resident_bytes = 0
        self._looked_s = 0.0
        self._answered = 0
        self.pss_bytes: int | None = None
        self.samples: list[tuple[int, int]] = []

    def read(self, pids: Sequence[int]) -> int | None:
        """Return the PSS now, in bytes; None if it may not be read or nothing is left."""
        now_bytes = pss_bytes(pids)
        self._resident_bytes = max(self._resident_bytes, resident_bytes(pids))
        self._looked_s = time.monotonic()
        if now_bytes is not None:
            self.pss_bytes = max(now_bytes, self.pss_bytes or 0)
        return now_bytes

    def begin(self, pids: Sequence[int]) -> None:
        """Take the first sample before a server's first slice; further calls take none."""
        if not self.samples:
            self._sample(pids)

    def count(self, answered: int) -> None:
        """Count responses outside of slices: what they left in memory is in the next sample."""
        self._answered += answered

    def look(self, pids: Sequence[int], answered: int) -> None:
        """After a slice with this many responses: take a sample if one is due.

        Otherwise the PSS is read if there seems to be more of it than ever.
        """
        self.count(answered)
        last = self.samples[-1][0] if self.samples else 0
        if self._answered - last >= max(FEWEST_REQUESTS, STEP_SHARE * last):
            self._sample(pids)
            return
        has_grown = resident_bytes(pids) > GROWTH * self._resident_bytes
        if has_grown and time.monotonic() - self._looked_s >= SHORTEST_PAUSE_S:
            self.read(pids)

    def _sample(self, pids: Sequence[int]) -> None:
        now_bytes = self.read(pids)
        if now_bytes is not None:
            self.samples.append((self._answered, now_bytes))
