"""The main road of load: all cells of a block in short slices, in seeded random order."""

import random
from collections.abc import Sequence

from asgi_bench.load.generator import LoadFault, LoadProcess
from asgi_bench.load.messages import Close, Closed, Load, Loaded, Open, Opened
from asgi_bench.load.target import scenario_target
from asgi_bench.machine.ports import HOST
from asgi_bench.machine.sockets import connection_owners
from asgi_bench.measurement.block import LoadedCell
from asgi_bench.measurement.load_stand import LoadStand
from asgi_bench.measurement.schedule import ScheduledSlice, schedule, slice_duration_s
from asgi_bench.measurement.watch import Watch
from asgi_bench.model import OpenLoop, Plan

WARMUP_S = 0.2
# What a share of the rate is a share of is measured in the warm-up, so that has to be longer.
SHARE_WARMUP_S = 1.0
# Beyond its own length a command may take the time-out of its last request, and this.
GRACE_S = 20.0


class SliceLoader:
    """Loads the cells of a block through the run's load process."""

    def __init__(self, plan: Plan, stand: LoadStand, watch: Watch) -> None:
        self._plan = plan
        self._stand = stand
        self._watch = watch
        self._rates_rps: dict[str, float] = {}

    def load(self, cells: Sequence[LoadedCell], *, round: int, block: int) -> None:
        """Open every cell's connections, interleave the slices, close; raises LoadFault."""
        chance = random.Random(f"{self._plan.seed}/slices/{round}/{block}")
        try:
            process = self._stand.current()
            self._watch.enter(round, block, "open")
            lengths_s = {item.cell.key: self._open(item, process) for item in cells}
            self._watch.enter(round, block, "load")
            by_key = {item.cell.key: item for item in cells}
            for piece in schedule(lengths_s, self._plan.duration_s, chance):
                item = by_key[piece.cell]
                self._load(item, self._command(item, piece, chance), process)
            # Connections go before servers do: a server waits for the ones that are open.
            self._watch.enter(round, block, "stop")
            for item in cells:
                self._close(item, process)
        except LoadFault:
            self._stand.discard()
            raise

    def _open(self, item: LoadedCell, process: LoadProcess) -> float:
        """Open a cell's connections and return how long its slices have to be, in seconds."""
        connections = item.cell.load.connections
        port = item.server.process.port
        target = scenario_target(
            item.server.scenario,
            name=item.cell.key,
            host=HOST,
            port=port,
            connections=connections,
            timeout_s=self._plan.request_timeout_s,
        )
        load = item.cell.load
        is_share = isinstance(load, OpenLoop) and load.rate_share is not None
        warmup_s = SHARE_WARMUP_S if is_share else WARMUP_S
        timeout_s = self._plan.request_timeout_s * 2 + GRACE_S
        opened = process.ask(Open(target, warmup_s), Opened, timeout_s)
        self._settle_rate(item, opened.throughput_rps)
        owners = connection_owners(port, opened.client_ports, item.server.process.pids)
        item.draft.note(
            connections_by_process={str(pid): n for pid, n in owners.by_pid.items()},
            strangers=owners.strangers,
        )
        item.begin(process.cpus)
        if isinstance(item.cell.load, OpenLoop):
            # A schedule is followed whole: cut into slices it would never meet a long stall.
            return self._plan.duration_s
        return slice_duration_s(connections, opened.throughput_rps)

    def _settle_rate(self, item: LoadedCell, throughput_rps: float) -> None:
        """Fix an open-loop cell's rate: a share is of what it reached when first warmed up."""
        load = item.cell.load
        if not isinstance(load, OpenLoop):
            return
        if load.rate_share is not None and item.cell.key not in self._rates_rps:
            self._rates_rps[item.cell.key] = load.rate_share * throughput_rps
        item.draft.note(offered_rps=load.rate_rps or self._rates_rps[item.cell.key])

    def _command(self, item: LoadedCell, piece: ScheduledSlice, chance: random.Random) -> Load:
        load, pids = item.cell.load, item.server.pids
        if not isinstance(load, OpenLoop):
            return Load(item.cell.key, piece.duration_s, pids)
        return Load(
            item.cell.key,
            piece.duration_s,
            pids,
            rate_rps=load.rate_rps or self._rates_rps[item.cell.key],
            arrivals=load.arrivals,
            seed=chance.getrandbits(32),
        )

    def _load(self, item: LoadedCell, command: Load, process: LoadProcess) -> None:
        timeout_s = command.duration_s + self._plan.request_timeout_s * 2 + GRACE_S
        loaded = process.ask(command, Loaded, timeout_s)
        item.draft.add(loaded)
        elapsed_s = max(loaded.end_s - loaded.begin_s, 1e-9)
        self._watch.loaded(item.cell.key, command.duration_s, loaded.requests / elapsed_s)

    def _close(self, item: LoadedCell, process: LoadProcess) -> None:
        item.end()
        item.draft.close(process.ask(Close(item.cell.key), Closed, GRACE_S))
