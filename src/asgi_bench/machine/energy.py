"""Energy as the CPUs themselves count it (RAPL), if the machine offers it.

The powercap interface of Linux (Documentation/power/powercap/powercap.rst): one zone for each CPU
package, `intel-rapl:0`, on AMD too. Zones within a package and the whole platform (`psys`) are not
read, or energy would count twice. Since 2020 only root may read it (CVE-2020-8694); virtual
machines
don't have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")


class _Zone(NamedTuple):
    """One CPU package: its counter's file, and the highest count before it starts anew."""

    counter: Path
    range_uj: int


class EnergyCounter:
    """The energy of all CPU packages since the counter was created, if the machine offers it.

    It must be read before a counter wraps around: every few minutes at full load.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones = _packages(root)
        self._before_uj = [_count(zone.counter) for zone in self._zones]
        self._total_uj = 0

    def read_j(self) -> float | None:
        """Joules so far; None if the machine doesn't offer it, or no longer does."""
        if not self._zones:
            return None
        for place, zone in enumerate(self._zones):
            now_uj, before_uj = _count(zone.counter), self._before_uj[place]
            if now_uj is None or before_uj is None:
                self._zones = ()
                return None
            self._total_uj += (now_uj - before_uj) % (zone.range_uj + 1)
            self._before_uj[place] = now_uj
        return self._total_uj / 1e6


def _packages(root: Path) -> tuple[_Zone, ...]:
    """The zones of whole packages; none if any of them may not be read."""
    zones = []
    for folder in sorted(root.glob("intel-rapl:*")):
        try:
            name = (folder / "name").read_text()
            if name.startswith("package") and folder.name.count(":") == 1:
                range_uj = int((folder / "max_energy_range_uj").read_text())
                zones.append(_Zone(folder / "energy_uj", range_uj))
        except (OSError, ValueError):
            return ()
    return tuple(zones) if all(_count(zone.counter) is not None for zone in zones) else ()


def _count(counter: Path) -> int | None:
    """What a counter stands at, in microjoules."""
    try:
        return int(counter.read_text())
    except (OSError, ValueError):
        return None
