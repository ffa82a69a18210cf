"""The order of a load process's commands, told by a stand-in for one; real ones: test_small_run."""

import builtins
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from asgi_bench.load.generator import LoadFault, LoadProcess, LoadSession
from asgi_bench.load.messages import Close, Closed, Load, Loaded, Open, Opened
from asgi_bench.measurement import slice_loader
from asgi_bench.measurement.block import LoadedCell
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.slice_loader import (
    AT_ONCE,
    LED_IN_WARMUP_S,
    SHARE_WARMUP_S,
    WARMUP_S,
    SliceLoader,
    out_of_step,
)
from asgi_bench.model import (
    ROLES,
    ClosedLoop,
    ErrorCounts,
    Gate,
    HostSlice,
    Link,
    LoadHost,
    OpenLoop,
    Role,
)
from tests.measurement.stand_ins import DURATION_S, loaded_cell
from tests.synthetic_run import plan_of

# Requests per second in the warm-up: slices of 20 ms, of 38 ms and of 1 s.
SPEEDS = {"quick": 100_000.0, "medium": 5_000.0, "slow": 100.0}
CONNECTIONS = 64


class StandIn:
    """Answers every command at once; where `fails_at` is a number, that many slices."""

    cpus = (1,)

    def __init__(self, fails_at: int | None = None, speeds: Mapping[str, float] = SPEEDS) -> None:
        self.speeds = speeds
        self.hosts: tuple[LoadHost, ...] = ()
        self.late_in: Container[int] = ()
        self.commands: list[Open | Load | Close] = []
        self.discarded = 0
        self._fails_at = fails_at

    @contextmanager
    def in_use(self) -> Iterator["StandIn"]:
        """It is its own stand, and counts what fails."""
        try:
            yield self
        except LoadFault:
            self.discarded += 1
            raise

    def survey(self) -> tuple[LoadHost, ...]:
        """It has the load hosts that it was given, as they are now."""
        return self.hosts

    def session(self, name: str) -> LoadSession:
        """Sessions talk to it."""
        return LoadSession(cast(LoadProcess, self), name, 5.0)

    def send(self, command: Open) -> None:
        """Take it."""
        self._sent = command

    def has_reply(self, wait_s: float) -> bool:
        """There is one at once."""
        return True

    def reply(self, expected: type, timeout_s: float) -> Any:
        """Answer what was sent."""
        return self.ask(self._sent, expected, timeout_s)

    def ask(self, command: Open | Load | Close, expected: type, timeout_s: float) -> Any:
        """Answer as a server of that speed would have it."""
        self.commands.append(command)
        match command:
            case Open(target=target):
                name = target.name
                speed = self.speeds.get(name) or self.speeds[name.partition("/")[0]]
                return Opened(speed, ())
            case Load(duration_s=duration_s):
                if len(self.loads) == self._fails_at:
                    raise LoadFault("the load process died")
                late_s = duration_s if len(self.loads) in self.late_in else 0.0
                return Loaded(
                    begin_s=0.0,
                    end_s=duration_s,
                    requests=10,
                    sent=10,
                    errors=ErrorCounts(),
                    load_cpu_s=0.0,
                    by_host=tuple(HostSlice(late_s, 0.5, 0.0) for _ in self.hosts),
                )
        return Closed({}, 0, 0, 20, ErrorCounts(), None)

    @property
    def loads(self) -> list[Load]:
        """The slices, in order."""
        return [one for one in self.commands if isinstance(one, Load) and not one.is_lead_in]

    @property
    def visits(self) -> Counter[str]:
        """How often each server was visited: each visit of a closed loop begins with a lead-in."""
        led_in = [one for one in self.commands if isinstance(one, Load) and one.is_lead_in]
        return Counter(command.name.partition("/")[0] for command in led_in)

    @property
    def order(self) -> list[str]:
        """The servers of the slices, in order."""
        return [command.name.partition("/")[0] for command in self.loads]


def loaded_by(stand: StandIn, *, seed: int = 7, round: int = 0, block: int = 0) -> list[LoadedCell]:
    """Load one block with a stand-in."""
    cells = [loaded_cell(name, round=round, block=block) for name in SPEEDS]
    plan = plan_of((), seed=seed)
    assert plan.duration_s == DURATION_S
    loader = SliceLoader(plan, cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    loader.load(cells, round=round, block=block)
    return cells


def order_of(**place: int) -> list[str]:
    """The order of slices in a block."""
    stand = StandIn()
    loaded_by(stand, **place)
    return stand.order


def test_a_server_is_warmed_up_once() -> None:
    """Its closed loops open first, in a warm-up that its open ones at a given rate then spare."""
    cells = [
        loaded_cell("quick", load=OpenLoop(500)),
        loaded_cell("quick", load=OpenLoop(None, rate_share=0.5)),
        loaded_cell("quick", load=ClosedLoop(8)),
        loaded_cell("slow", load=OpenLoop(500)),
    ]
    stand = StandIn()
    loader = SliceLoader(plan_of(()), cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    loader.load(cells, round=0, block=0)
    opened = [command for command in stand.commands if isinstance(command, Open)]
    warmups_s = {command.target.name: command.warmup_s for command in opened}
    assert opened[0].target.name == "quick/default/w1/hello/c8"
    assert warmups_s == {
        "quick/default/w1/hello/c8": LED_IN_WARMUP_S,
        "quick/default/w1/hello/r500": 0.0,
        "quick/default/w1/hello/r50%": SHARE_WARMUP_S,
        "slow/default/w1/hello/r500": WARMUP_S,
    }


@pytest.mark.parametrize(("workers", "at_once"), [(1, AT_ONCE), (2, 1)])
def test_connections_come_one_by_one_where_workers_share_them(workers: int, at_once: int) -> None:
    """A burst goes to the worker that wakes first; a single one gets them all anyway."""
    stand = StandIn()
    loader = SliceLoader(plan_of(()), cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    loader.load([loaded_cell("quick", workers=workers)], round=0, block=0)
    assert [command.at_once for command in stand.commands if isinstance(command, Open)] == [at_once]


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ((), None),
        ((HostSlice(0.004, 1.0, 0.19), HostSlice(0.0, 1.0, 0.0)), None),
        ((HostSlice(0.0, 1.0, 0.0), HostSlice(0.006, 1.0, 0.3)), "late"),
        ((HostSlice(0.0, 0.6, 0.0), HostSlice(0.004, 0.6, 0.21)), "starved"),
    ],
)
def test_one_host_is_enough_to_be_out_of_step(
    hosts: tuple[HostSlice, ...], told: str | None
) -> None:
    """One that began late by a twentieth of the slice, or waited for a CPU for a fifth of it."""
    loaded = Loaded(
        begin_s=0.0,
        end_s=0.1,
        requests=10,
        sent=10,
        errors=ErrorCounts(),
        load_cpu_s=0.0,
        by_host=hosts,
    )
    assert out_of_step(loaded) == told


def test_a_late_slice_is_left_out_and_counted() -> None:
    """The load hosts learn by their next command that its times don't count."""
    stand = StandIn(speeds={"quick": SPEEDS["quick"]})
    stand.hosts = (LoadHost("far", 0.001, 0.0, "10.0.0.2", Link(0.001)),)
    stand.late_in = {2}
    plan = msgspec.structs.replace(plan_of(()), load_hosts=1)
    loader = SliceLoader(plan, cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    cell = loaded_cell("quick")
    loader.load([cell], round=0, block=0)
    trial = cell.trial.finish()
    assert (trial.late_slices, trial.left_out_slices) == (1, 1)
    assert len(trial.slices) == len(stand.loads) - 1
    assert trial.requests == 10 * len(trial.slices)
    assert all(load.is_held_back for load in stand.loads)
    flags = [each.is_last_aside for each in stand.commands if isinstance(each, Load | Close)]
    assert sum(flags) == 1
    assert trial.load_hosts[0].after == Link(0.001)


def test_the_reference_comes_by_more_often() -> None:
    """Of ten cells in all three times in each turn, and an A/B has no reference."""
    names = ["quick", *(f"other-{number}" for number in range(9))]
    plan = msgspec.structs.replace(plan_of(()), reference="quick/default/w1")
    for gate, times in ((None, 3), (Gate(), 1)):
        stand = StandIn(speeds=dict.fromkeys(names, SPEEDS["quick"]))
        asked = msgspec.structs.replace(plan, gate=gate)
        loader = SliceLoader(asked, cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
        loader.load([loaded_cell(name) for name in names], round=0, block=0)
        counts = Counter(stand.order)
        assert {counts[name] for name in names[1:]} == {counts["quick"] // times}
        assert counts["quick"] % times == 0


def test_long_slices_at_another_load_take_no_time_from_a_cell() -> None:
    """Cells of one load come by equally often: as often as if the others weren't there."""
    at_64 = [loaded_cell("quick"), loaded_cell("medium")]
    at_256 = [loaded_cell(name, load=ClosedLoop(256)) for name in ("quick", "slow")]
    visits = []
    for cells in (at_64, at_256, [*at_64, *at_256]):
        stand = StandIn()
        loader = SliceLoader(
            plan_of(()), cast(LoadProcesses, stand), Progress(lambda event: None, 1.0)
        )
        loader.load(cells, round=0, block=0)
        visits.append(Counter(load.name for load in stand.loads))
    alone, slower, together = visits
    assert together == alone + slower
    (count,), (slower_count,) = set(alone.values()), set(slower.values())
    assert count > 5 * slower_count


def test_all_connections_open_before_any_slice_and_close_after_all() -> None:
    """Every cell is open while any of them is loaded."""
    stand = StandIn()
    loaded_by(stand)
    kinds = [type(command) for command in stand.commands]
    assert kinds[:3] == [Open] * 3
    assert kinds[-3:] == [Close] * 3
    assert set(kinds[3:-3]) == {Load}
    opened = [command.target for command in stand.commands if isinstance(command, Open)]
    assert [target.connections for target in opened] == [CONNECTIONS] * 3


def test_all_cells_share_the_time_of_the_plan_in_as_many_slices() -> None:
    """The slow one's last a second; half of their own time is kept for the others."""
    stand = StandIn()
    cells = loaded_by(stand)
    for name, length_s in (("quick", 0.25), ("medium", 0.25), ("slow", 1.0)):
        own = [load.duration_s for load in stand.loads if load.name.startswith(f"{name}/")]
        assert own == pytest.approx([length_s] * 4)
    assert sum(load.duration_s for load in stand.loads) == pytest.approx(3 * DURATION_S)
    trials = [cell.trial.finish() for cell in cells]
    assert [len(trial.slices) for trial in trials] == [4] * 3
    assert [trial.sent_total for trial in trials] == [20] * 3


def test_the_order_of_slices_hangs_on_seed_round_and_block() -> None:
    """The same three give the same order again; any other one gives another."""
    here = {"seed": 7, "round": 1, "block": 1}
    order = order_of(**here)
    assert order_of(**here) == order
    for other in ({"seed": 8}, {"round": 2}, {"block": 0}):
        again = order_of(**{**here, **other})
        assert sorted(again) == sorted(order)
        assert again != order


def test_a_load_process_that_fails_is_given_up() -> None:
    """It is discarded at once, so that the next block gets a fresh one, and the fault is told."""
    stand = StandIn(fails_at=5)
    with pytest.raises(LoadFault, match="the load process died"):
        loaded_by(stand)
    assert stand.discarded == 1
    assert len(stand.loads) == 5
    assert not isinstance(stand.commands[-1], Close)


def test_a_share_of_an_unknown_rate_fails_its_own_cell_alone() -> None:
    """A server that answers nothing has no throughput to offer a half of; others go on."""
    stand = StandIn(speeds={"quick": 1000.0, "dead": 0.0})
    loader = SliceLoader(plan_of(()), cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))

    def loaded(round: int) -> list[LoadedCell]:
        stand.commands.clear()
        half = OpenLoop(None, rate_share=0.5)
        cells = [loaded_cell(name, load=half, round=round) for name in ("quick", "dead")]
        loader.load(cells, round=round, block=0)
        return cells

    quick, dead = (item.trial.finish() for item in loaded(0))
    assert [load.rate_rps for load in stand.loads] == [500.0]
    assert (quick.outcome, quick.offered_rps) == ("ok", 500.0)
    assert (dead.outcome, dead.slices) == ("failed", ())
    assert dead.reason is not None
    assert dead.reason.startswith("no correct response came in the warm-up")
    assert sum(isinstance(command, Close) for command in stand.commands) == 2
    # Once it answers it has one, and keeps it; the other keeps that of its first round.
    stand.speeds = {"quick": 2000.0, "dead": 100.0}
    loaded(1)
    assert sorted(load.rate_rps or 0 for load in stand.loads) == [50.0, 500.0]


@pytest.mark.parametrize("order", list(permutations(ROLES)))
def test_the_baseline_settles_the_rate_of_all_sides(order: tuple[Role, ...]) -> None:
    """Half of a rate is half of what the first baseline reached, whoever is started first."""
    half = OpenLoop(None, rate_share=0.5)
    speeds_of: dict[Role, float] = {"baseline": 1000.0, "control": 900.0, "candidate": 600.0}
    cells = {role: loaded_cell("quick", load=half, setup=role) for role in order}
    stand = StandIn(speeds={cells[role].cell.key: speeds_of[role] for role in order})
    plan = msgspec.structs.replace(plan_of(()), gate=Gate())
    loader = SliceLoader(plan, cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    loader.load([cells[role] for role in order], round=0, block=0)
    rates = {load.rate_rps for load in stand.loads}
    assert len(rates) == 1
    assert rates <= {500.0, 450.0}
    assert len({item.trial.finish().offered_rps for item in cells.values()}) == 1
    opened = [command.target.name for command in stand.commands if isinstance(command, Open)]
    # Once it is settled the sides open in the order of their start again.
    stand.commands.clear()
    loader.load([cells[role] for role in order], round=1, block=0)
    assert [c.target.name for c in stand.commands if isinstance(c, Open)] == [
        cells[role].cell.key for role in order
    ]
    assert opened[-1] == cells["candidate"].cell.key


def test_without_a_gate_each_setup_settles_a_rate_of_its_own() -> None:
    """Where setups aren't sides of an A/B, half of a rate is half of a cell's own."""
    half = OpenLoop(None, rate_share=0.5)
    cells = [loaded_cell("quick", load=half, setup=name) for name in ("py3.12", "py3.13")]
    stand = StandIn(speeds=dict(zip([one.cell.key for one in cells], (1000.0, 600.0), strict=True)))
    loader = SliceLoader(plan_of(()), cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    loader.load(cells, round=0, block=0)
    assert [one.trial.finish().offered_rps for one in cells] == [500.0, 300.0]


def test_a_server_that_answers_nothing_is_given_up_for_its_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After two seconds without a right answer: what is left of its slices would take minutes."""
    clock = SimpleNamespace(now_s=0.0, silent_until=0)
    monkeypatch.setattr(slice_loader, "time", SimpleNamespace(perf_counter=lambda: clock.now_s))
    stand = StandIn()

    def ask(command: Open | Load | Close, expected: type, timeout_s: float) -> Any:
        """As the stand-in, but that the quick server falls silent in its eleventh visit."""
        reply = StandIn.ask(stand, command, expected, timeout_s)
        if isinstance(command, Load) and command.name.startswith("quick/"):
            clock.now_s += 0.7
            if 10 < stand.visits["quick"] <= clock.silent_until:
                return msgspec.structs.replace(reply, requests=0)
        return reply

    monkeypatch.setattr(stand, "ask", ask)
    loader = SliceLoader(plan_of(()), cast(LoadProcesses, stand), Progress(lambda event: None, 1.0))
    # 2 s of each in slices of 20 and 38.4 ms; two fruitless visits take 1.4 s, three more than 2 s.
    visits = builtins.round(4 / (0.02 + 3 * CONNECTIONS / SPEEDS["medium"]))
    for round, (silent_until, quick_visits) in enumerate([(20, 13), (12, visits)]):
        clock.silent_until = silent_until
        stand.commands.clear()
        loader.load([loaded_cell("quick"), loaded_cell("medium")], round=round, block=0)
        assert stand.visits == {"quick": quick_visits, "medium": visits}
        assert sum(isinstance(command, Close) for command in stand.commands) == 2
