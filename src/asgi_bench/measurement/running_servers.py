"""The servers of one block while they are up: started side by side, pinned, stopped together."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.machine.affinity import cpus_of, move
from asgi_bench.machine.sockets import descriptors
from asgi_bench.measurement.interruption import uninterrupted
from asgi_bench.measurement.meters.memory import MemoryWatch
from asgi_bench.measurement.meters.server_cpu import ServerCpu
from asgi_bench.measurement.schedule import start_order
from asgi_bench.model import ErrorCounts, Leftovers, Plan, PlannedCell, Scenario
from asgi_bench.serving.elsewhere import server_process
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.places import Places
from asgi_bench.serving.process import ServerProcess, stop_all
from asgi_bench.serving.process_tree import NOBODY, Census
from asgi_bench.serving.readiness import Readiness, wait_for_all

STOP_TIMEOUT_S = 5.0
HASH_SEED = "PYTHONHASHSEED"

# Where the output of a cell's server goes, by cell key, round and block.
LogPath: TypeAlias = Callable[[str, int, int], Path]


class RunningServer:
    """One server process tree and the cells it serves; `fault` is why it can't be measured.

    Cells that differ only in load share the process. `started_s` and `stopped_s` are on the
    monotonic clock. `pids` are those that existed when it was ready, `worker_pids` those of them
    that accepted connections; `cpu` follows later arrivals and departures, and `note_late_cpu`
    adds what those have used after a slice to its trial.
    """

    def __init__(
        self, cells: Sequence[PlannedCell], scenario: Scenario, process: ServerProcess
    ) -> None:
        self.cells = cells
        self.scenario = scenario
        self.process = process
        self.fault: str | None = None
        self.probes_sent = 0
        self.probe_errors = ErrorCounts()
        self.startup_s: float | None = None
        self.pids: tuple[int, ...] = ()
        self.worker_pids: tuple[int, ...] = ()
        self.cpu = ServerCpu(self._take_census)
        self.note_late_cpu: Callable[[float], None] | None = None
        self.cpus: tuple[int, ...] = ()
        self._wanted_cpus: frozenset[int] = frozenset()
        self._census = NOBODY
        self.started_s = time.perf_counter()
        self.stopped_s: float | None = None
        self.stop_s: float | None = None
        self.stop_forced = False
        self.memory = MemoryWatch()
        self.pss_idle_bytes: int | None = None
        self.pss_after_bytes: int | None = None
        self.descriptors_idle: Counter[tuple[int, str]] | None = None
        self.leftovers: Leftovers | None = None

    @property
    def holds_streams(self) -> bool:
        """Whether its responses are streams that clients hold open and leave."""
        stream = self.scenario.stream
        return stream is not None and stream.is_held

    @property
    def is_ready(self) -> bool:
        """Whether it responded correctly and can be loaded."""
        return self.fault is None

    def fail(self, reason: str) -> None:
        """Give the server up."""
        self.fault = reason

    def settle(self, readiness: Readiness, cpus: Iterable[int]) -> None:
        """Move a server that is ready to its CPUs."""
        self.startup_s = readiness.startup_s if self.process.is_ours else None
        self.probes_sent = readiness.probes_sent
        self.probe_errors = readiness.errors
        self.pids = self.process.pids
        self.worker_pids = readiness.worker_pids
        self.cpus = move(self.pids, cpus)
        self._wanted_cpus = frozenset(cpus)
        self.pss_idle_bytes = self.memory.read(self.pids)
        if self.holds_streams:
            self.descriptors_idle = descriptors(self.pids)

    @property
    def latest_pids(self) -> tuple[int, ...]:
        """Its processes when they were last read."""
        return self.cpu.pids or self.pids

    def credit_late_cpu(self) -> None:
        """Before the next slice, and after the last: add what new processes used meanwhile."""
        late_s = self.cpu.begin()
        if self.note_late_cpu is not None:
            self.note_late_cpu(late_s)

    def glance(self) -> None:
        """Under load that isn't measured: read the memory if there are more processes now."""
        pids = tuple(self.process.census().entries)
        if set(pids).difference(self.pids):
            self.memory.read(pids)

    def _take_census(self) -> Census:
        """Its processes now; those that came since and run elsewhere are moved to its CPUs.

        A process inherits them, but its program may have chosen others. They are told then.
        """
        census = self.process.census()
        if census.number != self._census.number and self._wanted_cpus:
            new = census.entries.keys() - self._census.entries.keys()
            strays = {pid: cpus for pid in new if (cpus := cpus_of(pid)) - self._wanted_cpus}
            if strays:
                self.cpus = tuple(sorted({*self.cpus, *chain.from_iterable(strays.values())}))
                move(strays, self._wanted_cpus)
        self._census = census
        return census

    def life_s(self, epoch_s: float) -> tuple[float, float] | None:
        """When it was started and had stopped, in seconds since `epoch_s`."""
        if self.stopped_s is None:
            return None
        return round(self.started_s - epoch_s, 6), round(self.stopped_s - epoch_s, 6)

    @property
    def pids_gone(self) -> int:
        """How many processes that existed when it was ready are gone."""
        return len(set(self.pids) - set(self.process.pids))


def with_shared_chance(planned: PlannedCell, seed: int, round: int, block: int) -> PlannedCell:
    """A cell of a setup with the hash seed of its block: a common random number.

    A process's hash seed decides how its dicts collide, and so part of its speed. The setups of a
    block share it, and each block draws another, so that no single seed decides.
    """
    if planned.cell.setup is None or HASH_SEED in planned.env:
        return planned
    drawn = random.Random(f"{seed}/hash/{round}/{block}").randrange(2**32)
    env = {**planned.env, HASH_SEED: f"{drawn:010}"}
    return msgspec.structs.replace(planned, env=env)


def with_what_it_lacks(fault: ServerFault, planned: PlannedCell) -> str:
    """The reason of a fault, and what the server lacks if that may be the cause.

    The shipped apps need no start-up, so that is never the cause of a fault with them.
    """
    is_shipped = planned.app_dir == str(shipped_apps())
    if planned.has_lifespan or is_shipped or not fault.probes_sent:
        return fault.reason
    return f"{fault.reason} ({lifespan_words(planned)})"


def lifespan_words(planned: PlannedCell) -> str:
    """That a server lacks something an app may need."""
    return f"{planned.cell.server} has no lifespan: it never runs the app's start-up"


class RunningServers:
    """All servers of a block, up inside the `with` block and gone after it."""

    def __init__(
        self,
        plan: Plan,
        cells: Sequence[PlannedCell],
        log_path: LogPath,
        *,
        round: int,
        block: int,
    ) -> None:
        self._plan = plan
        self._cells = cells
        self._log_path = log_path
        self._round, self._block = round, block
        self._stack = ExitStack()
        self.servers: list[RunningServer] = []

    def __enter__(self) -> Self:
        """Start every server, then wait until each is ready or has failed."""
        with self._stack as stack:
            self._start(stack, stack.enter_context(Places(self._plan.server_host)))
            self._await()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, fault, trace)

    def stop(self) -> None:
        """Stop all servers side by side; what goes wrong becomes the server's fault."""
        reports = stop_all([server.process for server in self.servers], STOP_TIMEOUT_S)
        for server, report in zip(self.servers, reports, strict=True):
            if server.is_ready and server.process.is_ours:
                # One that had failed was ended by force already, or never stood.
                server.stop_forced = report.was_killed
                server.stop_s = None if report.was_killed else report.duration_s
            server.stopped_s = time.perf_counter()
            if report.fault is not None and server.is_ready:
                server.fail(report.fault)

    def _start(self, stack: ExitStack, places: Places) -> None:
        scenarios = {scenario.name: scenario for scenario in self._plan.scenarios}
        groups: dict[str, list[PlannedCell]] = {}
        for planned in self._cells:
            groups.setdefault(planned.cell.process_key, []).append(planned)
        place = (self._plan.seed, self._round, self._block)
        chance = random.Random("/".join(map(str, (place[0], "ports", *place[1:]))))
        firsts = [groups[key][0].cell for key in sorted(groups)]
        for first in start_order(firsts, *place):
            cells = groups[first.process_key]
            log_path = self._log_path(first.key, self._round, self._block)
            process = server_process(with_shared_chance(cells[0], *place), places, chance, log_path)
            server = RunningServer(cells, scenarios[cells[0].cell.scenario], process)
            self.servers.append(server)
            with uninterrupted():
                stack.callback(process.kill)
                try:
                    process.start()
                except ServerFault as fault:
                    server.fail(fault.reason)

    def _await(self) -> None:
        starting = [server for server in self.servers if server.is_ready]
        outcomes = wait_for_all(
            [(server.process, server.scenario, server.process.workers) for server in starting],
            self._plan.startup_timeout_s,
            self._plan.request_timeout_s,
        )
        for server, outcome in zip(starting, outcomes, strict=True):
            if isinstance(outcome, Readiness):
                server.settle(outcome, self._plan.server_cpus)
            else:
                server.probes_sent, server.probe_errors = outcome.probes_sent, outcome.errors
                server.fail(with_what_it_lacks(outcome, server.cells[0]))
                server.process.kill()
