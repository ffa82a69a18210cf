"""How often a CPU quota stopped servers and load within a slice: read before and after it."""

from collections.abc import Sequence
from pathlib import Path

from asgi_bench.machine.cgroups import CpuQuota, cpu_quota
from asgi_bench.model import Throttling


class ThrottleMeter:
    """Reads the counters of some groups' quotas when made, and again for the difference."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._before = {folder: cpu_quota(folder) for folder in folders}

    def read(self) -> Throttling | None:
        """Return what has come since, of the quota that stopped most; None where there is none."""
        found = [
            _since(before, now)
            for folder, before in self._before.items()
            if before is not None and (now := cpu_quota(folder)) is not None
        ]
        return max(found, key=lambda one: (one.throttled_periods, -one.quota_cpus), default=None)


def _since(before: CpuQuota, now: CpuQuota) -> Throttling:
    return Throttling(
        quota_cpus=now.cpus,
        periods=now.periods - before.periods,
        throttled_periods=now.throttled_periods - before.throttled_periods,
        throttled_s=round(now.throttled_s - before.throttled_s, 9),
    )
