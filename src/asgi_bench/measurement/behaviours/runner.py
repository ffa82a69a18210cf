"""Observe how the servers of a run behave, each part in fresh processes."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.load.generator import LoadFault
from asgi_bench.measurement.behaviours.idle_connections import watch_idle
from asgi_bench.measurement.behaviours.load_under_fault import (
    NotApplicable,
    WatchedLoad,
    watch_restart,
    watch_stop,
)
from asgi_bench.measurement.behaviours.overload import FLOOD_CONNECTIONS, watch_overload
from asgi_bench.measurement.block import on_cpus
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.running_servers import RunningServer, RunningServers
from asgi_bench.model import Behaviour, Plan, PlannedCell
from asgi_bench.serving.faults import ServerFault
from asgi_bench.store.runs import RunWriter

USUAL_CONNECTIONS = 64
# What the generator holds at once beside a usual run's.
MOST_CONNECTIONS = FLOOD_CONNECTIONS + USUAL_CONNECTIONS

Part: TypeAlias = Literal["stop", "overload", "restart"]


class BehaviourRunner:
    """Observes every server setting of a plan; what is known is stored after each part.

    A setting that is wholly `known` is not observed again.
    """

    def __init__(
        self,
        plan: Plan,
        processes: LoadProcesses,
        writer: RunWriter,
        progress: Progress,
        idle_watch_s: float,
        known: Sequence[Behaviour] = (),
    ) -> None:
        self._plan = plan
        self._processes = processes
        self._writer = writer
        self._progress = progress
        self._idle_watch_s = idle_watch_s
        self._chance = random.Random(f"{plan.seed}/behaviours")
        self._found = {each.setting: each for each in known if each.is_whole}

    def run(self, cells: Sequence[PlannedCell]) -> None:
        """Observe the servers of some cells, one after another; idle connections side by side."""
        settings: dict[str, PlannedCell] = {}
        for planned in cells:
            if planned.cell.process_key not in self._found:
                settings.setdefault(planned.cell.process_key, planned)
        self._found |= {key: _nothing_yet(planned) for key, planned in settings.items()}
        for planned in settings.values():
            connections = _connections(planned, cells)
            self._measure(planned, "stop", watch_stop, connections)
            self._measure(planned, "overload", self._overload, connections)
            self._measure(planned, "restart", watch_restart, connections)
        for block in sorted({planned.blocks[0] for planned in settings.values()}):
            self._idle([one for one in settings.values() if one.blocks[0] == block])

    def _measure(
        self,
        planned: PlannedCell,
        part: Part,
        measure: Callable[[WatchedLoad, RunningServer, int], msgspec.Struct],
        connections: int,
    ) -> None:
        """Start a server anew and watch one part; what prevents it is kept as the reason."""
        key = planned.cell.process_key
        self._progress.enter_behaviour(key, part)
        try:
            with self._server(planned) as server, self._processes.in_use():
                load = self._load(server, part)
                with on_cpus(self._plan.load_cpus):
                    self._keep(key, part, measure(load, server, connections))
        except NotApplicable as reason:
            self._miss(key, part, f"does not apply: {reason}")
        except ServerFault as fault:
            self._miss(key, part, fault.reason)
        except LoadFault as fault:
            self._miss(key, part, str(fault))

    def _overload(
        self, usual: WatchedLoad, server: RunningServer, connections: int
    ) -> msgspec.Struct:
        flood = self._load(server, "flood")
        found = watch_overload(usual, flood, server, connections, self._chance)
        if found is None:
            raise ServerFault("no correct response came, so its capacity is not known")
        return found

    def _idle(self, cells: Sequence[PlannedCell]) -> None:
        """Watch idle connections to the servers of a block, which are up together."""
        for planned in cells:
            self._progress.enter_behaviour(planned.cell.process_key, "idle")
        with RunningServers(self._plan, cells, self._log_path, round=0, block=0) as running:
            targets = {}
            for server in running.servers:
                key = server.cells[0].cell.process_key
                if server.fault is None:
                    targets[key] = (server.process.endpoint, server.scenario)
                else:
                    self._miss(key, "idle", server.fault)
            timeout_s = self._plan.request_timeout_s
            for key, found in watch_idle(targets, self._idle_watch_s, timeout_s).items():
                if isinstance(found, ServerFault):
                    self._miss(key, "idle", found.reason)
                else:
                    self._keep(key, "idle", found)
            running.stop()

    @contextmanager
    def _server(self, planned: PlannedCell) -> Iterator[RunningServer]:
        """A fresh server, up inside the block; raises ServerFault where it isn't."""
        alone = msgspec.structs.replace(planned, blocks=planned.blocks[:1])
        with RunningServers(self._plan, [alone], self._log_path, round=0, block=0) as running:
            (server,) = running.servers
            if server.fault is not None:
                raise ServerFault(server.fault)
            yield server
            running.stop()

    def _load(self, server: RunningServer, name: str) -> WatchedLoad:
        key = f"{server.cells[0].cell.process_key}/{name}"
        return WatchedLoad(self._processes.session(key), server)

    def _log_path(self, cell_key: str, round: int, block: int) -> Path:
        """All parts of a setting write into one log, beside those of its first load."""
        return self._writer.log_path(cell_key, round, block).with_name("behaviour.log")

    def _keep(self, key: str, part: str, found: msgspec.Struct) -> None:
        self._store(key, **{part: found})

    def _miss(self, key: str, part: str, reason: str) -> None:
        self._store(key, missing={**self._found[key].missing, part: reason})

    def _store(self, key: str, **facts: object) -> None:
        self._found[key] = msgspec.structs.replace(self._found[key], **facts)
        self._writer.write_behaviours(tuple(self._found.values()))


def _nothing_yet(planned: PlannedCell) -> Behaviour:
    cell = planned.cell
    return Behaviour(cell.process_key, cell.server, cell.variant, cell.workers, cell.scenario)


def _connections(planned: PlannedCell, cells: Sequence[PlannedCell]) -> int:
    """The connections of a setting's first closed loop, or as many as are usual."""
    loads = [one.cell.load for one in cells if one.cell.process_key == planned.cell.process_key]
    closed = [load.connections for load in loads if load.is_closed]
    return closed[0] if closed else USUAL_CONNECTIONS
