"""What else happened during a slice: read by the harness before and after, while it sleeps between.

All of it is cumulative counting by the kernel; nothing is sampled under load.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from asgi_bench.machine.clocks import busy_s, cpu_s_by_process, run_queue_wait_s, steal_s


class Disturbance(msgspec.Struct, frozen=True):
    """What disturbed a slice, in seconds.

    `server_wait_s`: its threads were ready and had no CPU; `steal_s`: the hypervisor ran someone
    else on the CPUs of servers or generator; `neighbour_cpu_s`: CPU of the block's other servers;
    `other_cpu_s`: what anything but the server itself used of the servers' CPUs. That is told in
    steps of 10 ms, so of one slice it may be below 0; None where the servers have no CPUs of
    their own.
    """

    server_wait_s: float
    steal_s: float
    neighbour_cpu_s: float
    other_cpu_s: float | None = None


class DisturbanceMeter:
    """Reads the kernel's counters when made, and again when asked for the difference."""

    def __init__(
        self,
        server_pids: Sequence[int],
        neighbour_pids: Sequence[int],
        *,
        server_cpus: Sequence[int],
        load_cpus: Sequence[int],
    ) -> None:
        self._neighbour_pids = neighbour_pids
        self._server_cpus = server_cpus
        self._cpus = (*server_cpus, *load_cpus)
        self._before = self._read(server_pids)

    def read(self, server_pids: Sequence[int], server_cpu_s: float) -> Disturbance:
        """Return what has come since: the server's processes now, and what it has used itself."""
        before, after = self._before, self._read(server_pids)
        other_s = (after.busy_s - before.busy_s) - server_cpu_s
        return Disturbance(
            server_wait_s=round(max(0.0, after.wait_s - before.wait_s), 9),
            steal_s=round(max(0.0, after.stolen_s - before.stolen_s), 9),
            neighbour_cpu_s=round(_spent_s(before.neighbours_s, after.neighbours_s), 9),
            other_cpu_s=round(other_s, 9) if self._server_cpus else None,
        )

    def _read(self, server_pids: Sequence[int]) -> "_Reading":
        return _Reading(
            wait_s=run_queue_wait_s(server_pids),
            stolen_s=steal_s(self._cpus),
            busy_s=busy_s(self._server_cpus),
            neighbours_s=cpu_s_by_process(self._neighbour_pids),
        )


class _Reading(NamedTuple):
    """What the kernel has counted up to a moment."""

    wait_s: float
    stolen_s: float
    busy_s: float
    neighbours_s: dict[int, float]


def _spent_s(before_s: Mapping[int, float], after_s: Mapping[int, float]) -> float:
    """The CPU time of all processes that are still there."""
    return sum(after_s[pid] - before_s.get(pid, after_s[pid]) for pid in after_s)
