"""What else happened during a slice: read by the harness before and after, while it sleeps between.

All of it is cumulative counting by the kernel; nothing is sampled under load.
"""

from collections.abc import Sequence

import msgspec

from asgi_bench.machine.clocks import cpu_s_by_process, run_queue_wait_s, steal_s


class Disturbance(msgspec.Struct, frozen=True):
    """What disturbed a slice, in seconds.

    `server_wait_s`: its threads were ready and had no CPU; `steal_s`: the hypervisor ran someone
    else on the CPUs of servers or generator; `neighbour_cpu_s`: CPU of the block's other servers.
    """

    server_wait_s: float
    steal_s: float
    neighbour_cpu_s: float


class DisturbanceMeter:
    """Reads the kernel's counters when made, and again when asked for the difference."""

    def __init__(
        self, server_pids: Sequence[int], neighbour_pids: Sequence[int], cpus: Sequence[int]
    ) -> None:
        self._server_pids = server_pids
        self._neighbour_pids = neighbour_pids
        self._cpus = cpus
        self._before = self._read()

    def read(self) -> Disturbance:
        """Return what has come since."""
        wait_s, stolen_s, cpu_s = self._read()
        before_wait_s, before_stolen_s, before_cpu_s = self._before
        neighbours_s = sum(cpu_s[pid] - before_cpu_s.get(pid, cpu_s[pid]) for pid in cpu_s)
        return Disturbance(
            server_wait_s=round(max(0.0, wait_s - before_wait_s), 9),
            steal_s=round(max(0.0, stolen_s - before_stolen_s), 9),
            neighbour_cpu_s=round(neighbours_s, 9),
        )

    def _read(self) -> tuple[float, float, dict[int, float]]:
        return (
            run_queue_wait_s(self._server_pids),
            steal_s(self._cpus),
            cpu_s_by_process(self._neighbour_pids),
        )
