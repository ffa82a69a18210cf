"""What a slice cost beside its CPU time: read by the harness before and after it.

The CPU time itself is read by the load process, to the nanosecond; here is what shares it out.
"""

from collections.abc import Sequence

import msgspec

from asgi_bench.machine.clocks import context_switches, user_system_s
from asgi_bench.machine.energy import EnergyMeter


class Expense(msgspec.Struct, frozen=True):
    """What a server's processes spent over a slice, and (`machine_energy_j`) all CPUs."""

    user_s: float
    system_s: float
    voluntary_switches: int
    involuntary_switches: int
    machine_energy_j: float | None

    def __add__(self, other: "Expense") -> "Expense":
        energies_j = (self.machine_energy_j, other.machine_energy_j)
        return Expense(
            self.user_s + other.user_s,
            self.system_s + other.system_s,
            self.voluntary_switches + other.voluntary_switches,
            self.involuntary_switches + other.involuntary_switches,
            None if None in energies_j else sum(filter(None, energies_j)),
        )


class ExpenseMeter:
    """Reads the kernel's counters when made, and again when asked for the difference."""

    def __init__(self, pids: Sequence[int], energy: EnergyMeter) -> None:
        self._pids = pids
        self._energy = energy
        self._before = self._read()

    def read(self) -> Expense:
        """Return what has come since.

        A thread that ended takes its switches along, so they count at least as 0.
        """
        now, before = self._read(), self._before
        energy_j = None
        if now.machine_energy_j is not None and before.machine_energy_j is not None:
            energy_j = now.machine_energy_j - before.machine_energy_j
        return Expense(
            now.user_s - before.user_s,
            now.system_s - before.system_s,
            max(0, now.voluntary_switches - before.voluntary_switches),
            max(0, now.involuntary_switches - before.involuntary_switches),
            energy_j,
        )

    def _read(self) -> Expense:
        return Expense(
            *user_system_s(self._pids), *context_switches(self._pids), self._energy.read_j()
        )
