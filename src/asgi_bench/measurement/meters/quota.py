"""How often a CPU quota (of a container or control group) stopped servers and load together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from asgi_bench.machine.control_groups import CpuQuota, cpu_quota, quota_folders
from asgi_bench.measurement.meters.meter import Meter, Scene, Spent

TOLD = {
    "quota_cpus": "How many CPUs servers and load generator may use together; absent, as what "
    "follows, where no CPU quota holds.",
    "quota_periods": "The kernel's periods (100 ms) in which any of them ran.",
    "throttled_periods": "Those of the periods that the kernel cut short.",
    "throttled_s": "CPU time that was kept from them, summed over CPUs.",
}


def meter() -> Meter:
    """Reads the quotas on the harness's group and on those above it."""
    return Quota(quota_folders())


class Quota:
    """Reads the counts of some groups' quotas, and reports the one that stopped most."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._before: Mapping[Path, CpuQuota] = {}

    def begin(self, scene: Scene) -> None:
        """Read before a slice."""
        self._before = self._read()

    def end(self, scene: Scene, spent: Spent) -> dict[str, float]:
        """Return the difference; without a stop the tightest quota's, without a quota nothing."""
        found = [
            {
                "quota_cpus": now.cpus,
                "quota_periods": now.periods - before.periods,
                "throttled_periods": now.throttled_periods - before.throttled_periods,
                "throttled_s": now.throttled_s - before.throttled_s,
            }
            for folder, now in self._read().items()
            if (before := self._before.get(folder)) is not None
        ]
        return max(
            found, key=lambda one: (one["throttled_periods"], -one["quota_cpus"]), default={}
        )

    def _read(self) -> dict[Path, CpuQuota]:
        read = ((folder, cpu_quota(folder)) for folder in self._folders)
        return {folder: quota for folder, quota in read if quota is not None}
