"""The usual load: all cells of a block in short slices, in seeded random order."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from asgi_bench.analysis.samples import reference_key
from asgi_bench.analysis.sweeps import bracket, next_rate_rps
from asgi_bench.load.generator import LoadSession, Look
from asgi_bench.load.messages import Load, Loaded
from asgi_bench.machine.sockets import connection_owners
from asgi_bench.measurement.block import LoadedCell
from asgi_bench.measurement.held_streams import look_at_open
from asgi_bench.measurement.lead_ins import LeadIns
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.meters.edges import SliceMeters, settle
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.running_servers import RunningServer
from asgi_bench.measurement.schedule import (
    SERVERS,
    SliceLength,
    Visits,
    even_lengths_s,
    even_visits,
    schedule,
    slice_duration_s,
    times_as_often,
)
from asgi_bench.model import Cell, LoadHost, Plan

# Beside the ramp, which is load already; Python servers have nothing more to warm up. Where each
# slice has a lead-in, half of it will do to learn how fast the server is.
WARMUP_S = 0.1
LED_IN_WARMUP_S = 0.05
WARMUP_LOOKS = 6
LOOK_EVERY_S = 0.015
# What a share of the rate is a share of is measured in the warm-up, so that has to be longer.
SHARE_WARMUP_S = 1.0
# Several workers share a listener, and an idle one gives a burst to whoever wakes first: there
# connections come one by one. A single worker gets them all anyway.
AT_ONCE = 8
# The first request may hold a worker up (imports, schemas). Until as many connections of each were
# answered one by one, the next would queue, and go to whoever wakes first: 62 of 64 were seen to.
# Taken at random, four workers have all had one by then but in 1 of 2500 cases.
COLD_PER_WORKER = 8
# A server that gave no right answer for this long has no more load in its round: each slice on a
# dead one waits a second for its connections, on a silent one for the time-out of its requests.
PATIENCE_S = 2.0
# A load host that begins later than by this part of a slice has the others load it alone meanwhile.
MOST_LATE_SHARE = 0.05
# One that waits for a CPU for longer than by this part of it sends less than it should.
MOST_STARVED_SHARE = 0.2


class SliceLoader:
    """Loads the cells of a block through the run's load process."""

    def __init__(
        self,
        plan: Plan,
        processes: LoadProcesses,
        progress: Progress,
        slice_length: SliceLength = SERVERS,
        ceilings_rps: Mapping[str, float] | None = None,
    ) -> None:
        self._plan = plan
        self._processes = processes
        self._progress = progress
        self._slice_length = slice_length
        self._meters = SliceMeters(plan)
        self._lead_ins = LeadIns()
        self._servers: Sequence[RunningServer] = ()
        self._sessions: dict[str, LoadSession] = {}
        self._ceilings_rps = dict(ceilings_rps or {})
        self._rates_rps: dict[str, float] = {}
        self._fruitless_s: dict[str, float] = {}

    def load(self, cells: Sequence[LoadedCell], *, round: int, block: int) -> None:
        """Open every cell's connections, interleave the slices, close; raises LoadFault."""
        chance = random.Random(f"{self._plan.seed}/slices/{round}/{block}")
        with self._processes.in_use():
            before = self._processes.survey()
            for item in cells:
                item.trial.note(load_hosts=before)
            self._sessions = {
                item.cell.key: self._processes.session(item.cell.key) for item in cells
            }
            self._fruitless_s.clear()
            self._servers = tuple({id(item.server): item.server for item in cells}.values())
            self._progress.enter(round, block, "open")
            warm: set[str] = set()
            lengths_s = even_lengths_s(
                {item.cell: self._open(item, warm) for item in self._in_order(cells)}
            )
            self._progress.enter(round, block, "load")
            able = [item for item in cells if not item.trial.has_failed]
            for item in able:
                item.trial.begin_load()
            self._follow(able, lengths_s, chance)
            self._search(able, chance)
            # Connections go before servers do: a server waits for the ones that are open.
            self._progress.enter(round, block, "stop")
            for item in cells:
                item.end()
                item.trial.close(self._sessions[item.cell.key].close())
            hosts = _surveyed(before, self._processes.survey())
            for item in cells:
                item.trial.note(load_hosts=hosts)

    def _follow(
        self, cells: Sequence[LoadedCell], lengths_s: Mapping[str, float], chance: random.Random
    ) -> None:
        """Load all cells in the order of a schedule drawn for them."""
        by_key = {item.cell.key: item for item in cells}
        shares = {
            key: chance.sample(load.shares, len(load.shares))
            for key, item in by_key.items()
            if (load := item.cell.load).is_sweep
        }
        for piece in schedule(self._visits(cells, lengths_s), chance):
            item = by_key[piece.cell]
            rate_rps = self._rates_rps.get(piece.cell)
            if piece.cell in shares:
                rate_rps = (
                    self._ceilings_rps[self._ceiling_key(item.cell)] * shares[piece.cell].pop()
                )
            self._load(item, piece.duration_s, rate_rps, chance)

    def _visits(
        self, cells: Sequence[LoadedCell], lengths_s: Mapping[str, float]
    ) -> dict[str, Visits]:
        """The slices of each cell; what a search adds comes after them.

        Closed loops of one load come by equally often, for they are compared: with the time that
        they have together, so that long slices at 256 connections take none from those at 64.
        """
        visits: dict[str, Visits] = {}
        levels: dict[str, dict[str, float]] = {}
        for item in cells:
            if item.cell.load.is_closed:
                levels.setdefault(item.cell.load.key, {})[item.cell.key] = item.duration_s
            else:
                visits[item.cell.key] = Visits(item.cell.load.steps, item.duration_s)
        references = self._references(cells)
        for durations_s in levels.values():
            visits |= even_visits(
                {key: lengths_s[key] for key in durations_s},
                durations_s,
                {key: times for key, times in references.items() if key in durations_s},
            )
        return visits

    def _references(self, cells: Sequence[LoadedCell]) -> dict[str, int]:
        """The closed loops that others are compared with, and how many times as often they come.

        The sides of an A/B come by equally often: neither is more of a reference.
        """
        led_in = [item.cell for item in cells if self._is_led_in(item)]
        compared = Counter(reference_key(cell, self._plan.reference) for cell in led_in)
        return {
            cell.key: times_as_often(compared[cell.key] - 1)
            for cell in led_in
            if compared[cell.key] > 1
        }

    def _search(self, cells: Sequence[LoadedCell], chance: random.Random) -> None:
        """Bisect for the highest rate that keeps the objective, all cells in turn."""
        searching = [
            (item, load, load.objective)
            for item in cells
            if (load := item.cell.load).objective is not None
        ]
        for step in range(max((load.search_steps for _, load, _ in searching), default=0)):
            for item, load, objective in chance.sample(searching, len(searching)):
                rate_rps = next_rate_rps(bracket(item.trial.slices, objective))
                if step < load.search_steps and rate_rps is not None:
                    self._load(item, item.duration_s, rate_rps, chance)

    def _open(self, item: LoadedCell, warm: set[str]) -> float:
        """Open a cell's connections and return how long its slices have to be, in seconds.

        `warm` are the servers that other cells of theirs have warmed up already.
        """
        connections = item.cell.load.connections
        endpoint = item.server.process.endpoint
        load = item.cell.load
        warmup_s = self._warmup_s(item, is_warm=item.cell.process_key in warm)
        warm.add(item.cell.process_key)
        several = item.cell.workers > 1
        at_once, alone = (1, COLD_PER_WORKER * item.cell.workers) if several else (AT_ONCE, 0)
        session = self._sessions[item.cell.key]
        opened = session.open(
            item.server.scenario,
            endpoint,
            connections,
            streams=load.streams,
            warmup_s=warmup_s,
            at_once=at_once,
            alone=alone,
            # Nothing is measured yet: a look costs 20 us where no process is new.
            look=Look(item.server.glance, LOOK_EVERY_S, WARMUP_LOOKS),
        )
        self._settle_rate(item, opened.throughput_rps)
        # Of a server elsewhere nobody can tell: on this machine all would be strangers.
        ports = opened.client_ports if item.server.process.is_ours else ()
        owners = connection_owners(endpoint, ports, item.server.process.pids)
        item.trial.note_workers(len(owners.by_pid))
        item.trial.know_owners(owners.pid_by_port)
        item.trial.note(
            connections_by_process={str(pid): n for pid, n in owners.by_pid.items()},
            strangers=owners.strangers,
            load_cpus=session.cpus,
            streams=opened.streams if load.streams > 1 else None,
            messages_per_request=self._messages_held(item),
        )
        if load.is_closed:
            scenario = item.server.scenario
            loaded = min(connections, scenario.active or connections)
            loaded *= scenario.pipeline or load.streams
            return slice_duration_s(loaded, opened.throughput_rps, self._slice_length)
        # A schedule is followed whole: cut into slices it would never meet a long stall.
        return item.duration_s

    def _warmup_s(self, item: LoadedCell, *, is_warm: bool) -> float:
        """How long a cell is warmed up, of a server that is warm already or not."""
        if item.cell.load.is_relative:
            return SHARE_WARMUP_S
        if self._is_led_in(item):
            return LED_IN_WARMUP_S
        # An open loop's would tell nothing: the rate is given, a schedule has no slices.
        return 0.0 if is_warm and not item.cell.load.is_closed else WARMUP_S

    def _messages_held(self, item: LoadedCell) -> float | None:
        """Messages an answer holds; of a broadcast those that all in a room receive."""
        scenario = item.server.scenario
        held = None if scenario.requests else scenario.messages_held
        if held is None or not scenario.is_broadcast:
            return held
        # Each load process has a room of its own.
        return held * item.cell.load.connections / self._plan.load_processes

    def _in_order(self, cells: Sequence[LoadedCell]) -> list[LoadedCell]:
        """The order of opening: who settles a rate for other setups comes before them."""
        return _cold_first(sorted(cells, key=self._follows))

    def _follows(self, item: LoadedCell) -> bool:
        """Whether a cell's rate has to be settled by another setup first."""
        is_settled = self._ceiling_key(item.cell) in self._ceilings_rps
        return item.cell.load.is_relative and not self._settles(item.cell) and not is_settled

    def _settle_rate(self, item: LoadedCell, throughput_rps: float) -> None:
        """Fix what a cell's rates come to: shares are of what it reached when first warmed up.

        In an A/B they are of what the baseline reached: the sides have to be offered the same.
        """
        key, ceiling_key, load = item.cell.key, self._ceiling_key(item.cell), item.cell.load
        if throughput_rps > 0 and self._settles(item.cell):
            self._ceilings_rps.setdefault(ceiling_key, throughput_rps)
        ceiling_rps = self._ceilings_rps.get(ceiling_key, 0.0)
        if load.is_relative and not ceiling_rps:
            whose = "" if self._settles(item.cell) else " of the baseline"
            item.trial.fail(
                f"no correct response came in the warm-up{whose}, so shares of its throughput "
                "are not known"
            )
        elif (rate_rps := load.rate_of(ceiling_rps)) is not None:
            self._rates_rps[key] = rate_rps
            item.trial.note(offered_rps=rate_rps)

    def _ceiling_key(self, cell: Cell) -> str:
        """Whose throughput shares of a rate are of: a cell's own, one for the sides of an A/B."""
        return cell.key if self._plan.gate is None else cell.without_setup.key

    def _settles(self, cell: Cell) -> bool:
        """Whether a cell's throughput is what shares of a rate are of: all but a candidate's."""
        return self._plan.gate is None or cell.setup != "candidate"

    def _load(
        self,
        item: LoadedCell,
        duration_s: float,
        rate_rps: float | None,
        chance: random.Random,
    ) -> None:
        load = item.cell.load
        if self._fruitless_s.get(item.cell.key, 0.0) > PATIENCE_S:
            self._progress.loaded(item.cell.key, duration_s, 0.0, 0.0)
            return
        led_in = self._lead_in(item, chance) if self._is_led_in(item) else None
        if led_in is not None and not led_in.requests:
            self._progress.loaded(item.cell.key, duration_s, 0.0, 0.0)
            return
        is_led_in = led_in is not None and _is_clean(led_in)
        self._meters.begin(item.server, self._servers, is_led_in=is_led_in)
        command = Load(
            item.cell.key,
            duration_s,
            rate_rps=rate_rps,
            arrivals=load.arrivals,
            seed=chance.getrandbits(32),
            is_step=load.is_sweep,
            # A drain is cheaper to some servers than load, and a slice has one in some ten answers.
            stays_full=led_in is not None,
            is_held_back=self._may_be_left_out(item),
        )
        began_s = time.perf_counter()
        loaded = self._sessions[item.cell.key].load(command)
        self._note_fruit(item, loaded, time.perf_counter() - began_s)
        fault = out_of_step(loaded)
        # What goes wrong counts, whatever else is wrong.
        is_aside = fault is not None and command.is_held_back and not loaded.errors.total
        offered_rps = rate_rps if command.is_step else None
        self._meters.end(loaded, item.trial, offered_rps=offered_rps, is_aside=is_aside)
        if fault is not None:
            item.trial.note_out_of_step(fault)
        if is_aside:
            self._sessions[item.cell.key].put_aside()
        if led_in is not None:
            self._lead_ins.note(item.cell.key, led_in, loaded)
        unknown = item.trial.without_owner(loaded.wrong_ports)
        if unknown:
            endpoint, pids = item.server.process.endpoint, item.server.process.pids
            item.trial.know_owners(connection_owners(endpoint, unknown, pids).pid_by_port)
        self._progress.loaded(item.cell.key, duration_s, loaded.throughput_rps, loaded.duration_s)

    def _may_be_left_out(self, item: LoadedCell) -> bool:
        """Whether a slice may be left out: one of many, and of load hosts that keep step."""
        return self._plan.load_hosts > 0 and item.cell.load.is_closed

    def _is_led_in(self, item: LoadedCell) -> bool:
        """Whether slices have a lead-in: sides of an A/B begin alike, a schedule is long."""
        return self._plan.gate is None and item.cell.load.is_closed

    def _lead_in(self, item: LoadedCell, chance: random.Random) -> Loaded:
        """Warm the server up for its next slice.

        A lead-in in which anything went wrong is a slice as well: what goes wrong counts. Without
        a right answer it is the only one of this visit.
        """
        key = item.cell.key
        duration_s = self._lead_ins.duration_s(key)
        item.trial.note(lead_in_s=duration_s)
        self._meters.begin(item.server, self._servers)
        command = Load(key, duration_s, seed=chance.getrandbits(32), is_lead_in=True)
        began_s = time.perf_counter()
        led_in = self._sessions[key].load(command, look_at_open(item.server, item.trial))
        self._note_fruit(item, led_in, time.perf_counter() - began_s)
        self._progress.led_in(led_in.duration_s)
        if _is_clean(led_in):
            item.server.memory.count(led_in.requests)
            settle(led_in)
        else:
            self._meters.end(led_in, item.trial)
        return led_in

    def _note_fruit(self, item: LoadedCell, loaded: Loaded, took_s: float) -> None:
        """Add up how long there was no right answer: it may be all that is left of a server."""
        before_s = self._fruitless_s.get(item.cell.key, 0.0)
        self._fruitless_s[item.cell.key] = 0.0 if loaded.requests else before_s + took_s


def out_of_step(loaded: Loaded) -> Literal["late", "starved"] | None:
    """What a load host was in a slice, so that the server had less load than it should have."""
    if any(host.late_s > MOST_LATE_SHARE * loaded.duration_s for host in loaded.by_host):
        return "late"
    if any(host.wait_share > MOST_STARVED_SHARE for host in loaded.by_host):
        return "starved"
    return None


def _surveyed(before: Sequence[LoadHost], after: Sequence[LoadHost]) -> tuple[LoadHost, ...]:
    """The load hosts as they were before the load, with the network after it."""
    return tuple(
        msgspec.structs.replace(host, after=again.before)
        for host, again in zip(before, after, strict=True)
    )


def _is_clean(led_in: Loaded) -> bool:
    """Whether nothing went wrong in a lead-in: then it is no slice."""
    return led_in.requests > 0 and not led_in.errors.total


def _cold_first(cells: Sequence[LoadedCell]) -> list[LoadedCell]:
    """Closed loops before open ones: they have to warm their server up, who has not may follow."""
    return sorted(cells, key=lambda item: not item.cell.load.is_closed)
