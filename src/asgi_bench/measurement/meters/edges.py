"""The edges of a slice: all meters read a server before and after it, into its cell's trial."""

import pkgutil
from collections.abc import Iterator, Sequence
from importlib import import_module
from time import perf_counter, sleep
from types import ModuleType

from asgi_bench.load.messages import Loaded
from asgi_bench.measurement import meters
from asgi_bench.measurement.meters.meter import Scene, Spent
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Plan

# After the last answer a server still tidies up; its clocks are read once it has settled. Mostly it
# has by the time that the load process has replied.
SETTLE_S = 0.0003


def meter_modules() -> Iterator[ModuleType]:
    """The modules beside this one that have a meter, by name: a new one needs no registration."""
    for found in pkgutil.iter_modules(meters.__path__):
        module = import_module(f"{meters.__name__}.{found.name}")
        if hasattr(module, "meter"):
            yield module


def settle(loaded: Loaded) -> None:
    """Wait until the server has come to rest after its last response."""
    unsettled_s = loaded.end_s + SETTLE_S - perf_counter()
    if unsettled_s > 0:
        sleep(min(SETTLE_S, unsettled_s))


class SliceMeters:
    """All meters of a run; `begin` and `end` enclose each slice of any cell."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._meters = [module.meter() for module in meter_modules()]

    def begin(
        self, server: RunningServer, servers: Sequence[RunningServer], *, is_led_in: bool = False
    ) -> None:
        """Read before a slice; `servers` are all of the block, and the others should be idle.

        What processes that come and go have used since the last slice is credited to that slice;
        what they used in a lead-in counts for none, because its requests don't count either.
        """
        if is_led_in:
            server.cpu.begin()
        else:
            server.credit_late_cpu()
        pids = server.cpu.pids
        server.memory.begin(pids)
        self._scene = Scene(
            pids,
            tuple(pid for other in servers if other is not server for pid in other.latest_pids),
            self._plan.server_cpus,
            self._plan.load_cpus,
        )
        self._server = server
        for meter in self._meters:
            meter.begin(self._scene)

    def end(
        self,
        loaded: Loaded,
        trial: TrialBuilder,
        *,
        offered_rps: float | None = None,
        is_aside: bool = False,
    ) -> None:
        """Read after the slice, and add the slice to its trial with what the meters show."""
        settle(loaded)
        server = self._server
        cpu = server.cpu.end()
        scene = self._scene._replace(pids=server.cpu.pids)
        spent = Spent(cpu.total_s, cpu.has_ended)
        told: dict[str, float] = {}
        for meter in self._meters:
            told |= meter.end(scene, spent)
        trial.add(loaded, cpu, told, offered_rps=offered_rps, is_aside=is_aside)
        server.note_late_cpu = trial.add_late_cpu
        server.memory.look(scene.pids, loaded.requests)
