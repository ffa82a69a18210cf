"""The CPU time of the block's other servers, which should idle."""

from collections.abc import Mapping

from asgi_bench.machine.clocks import cpu_s_by_process
from asgi_bench.measurement.meters.meter import Meter, Scene, Spent

TOLD = {"neighbour_cpu_s": "CPU time of the block's other servers, which should idle."}


def meter() -> Meter:
    """Reads exact clocks."""
    return Neighbours()


class Neighbours:
    """Reads each process's clock: the earlier use of one that ended must not count against it."""

    def __init__(self) -> None:
        self._before_s: Mapping[int, float] = {}

    def begin(self, scene: Scene) -> None:
        """Read before a slice."""
        self._before_s = cpu_s_by_process(scene.neighbour_pids)

    def end(self, scene: Scene, spent: Spent) -> dict[str, float]:
        """Return what the processes that still exist have used."""
        now_s = cpu_s_by_process(self._before_s)
        return {"neighbour_cpu_s": sum(now_s[pid] - self._before_s[pid] for pid in now_s)}
