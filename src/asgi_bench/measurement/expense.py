"""What a slice cost beside its CPU time: read by the harness before and after it.

The CPU time itself is known to the nanosecond (`lineage`); here is what shares it out.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from asgi_bench.machine.clocks import context_switches, user_system_s
from asgi_bench.machine.energy import EnergyMeter

Number = TypeVar("Number", int, float)


class Expense(msgspec.Struct, frozen=True):
    """What a server's processes spent over a slice, and (`machine_energy_j`) all CPUs.

    A process that ended took its switches along: None where there was one.
    """

    user_s: float
    system_s: float
    voluntary_switches: int | None
    involuntary_switches: int | None
    machine_energy_j: float | None

    def __add__(self, other: "Expense") -> "Expense":
        return Expense(
            self.user_s + other.user_s,
            self.system_s + other.system_s,
            _sum(self.voluntary_switches, other.voluntary_switches),
            _sum(self.involuntary_switches, other.involuntary_switches),
            _sum(self.machine_energy_j, other.machine_energy_j),
        )


def _sum(one: Number | None, other: Number | None) -> Number | None:
    return None if one is None or other is None else one + other


class ExpenseMeter:
    """Reads the kernel's counters when made, and again when asked for the difference."""

    def __init__(self, pids: Sequence[int], energy: EnergyMeter) -> None:
        self._energy = energy
        self._before = self._read(pids)

    def read(self, pids: Sequence[int], *, has_ended: bool = False) -> Expense:
        """Return what has come since; `pids` are the processes now, `has_ended` if any are gone.

        A thread that ended takes its switches along, so they count at least as 0.
        """
        now, before = self._read(pids), self._before
        energy_j = None
        if now.machine_energy_j is not None and before.machine_energy_j is not None:
            energy_j = now.machine_energy_j - before.machine_energy_j
        return Expense(
            now.user_s - before.user_s,
            now.system_s - before.system_s,
            None if has_ended else max(0, now.voluntary - before.voluntary),
            None if has_ended else max(0, now.involuntary - before.involuntary),
            energy_j,
        )

    def _read(self, pids: Sequence[int]) -> "_Reading":
        return _Reading(*user_system_s(pids), *context_switches(pids), self._energy.read_j())


class _Reading(NamedTuple):
    """What the kernel has counted up to a moment."""

    user_s: float
    system_s: float
    voluntary: int
    involuntary: int
    machine_energy_j: float | None
