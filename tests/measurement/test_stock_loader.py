"""Locust's own clients, one cell after another, told by stand-ins; real ones: test_run_clients."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from asgi_bench.load.generator import LoadFault
from asgi_bench.load.messages import TIMEOUT_VARIABLE, Close, Closed, Load, Loaded
from asgi_bench.measurement import load_processes, stock_loader
from asgi_bench.measurement.progress import Progress
from asgi_bench.measurement.stock_loader import StockLoader
from asgi_bench.model import ErrorCounts, Trial
from asgi_bench.store.runs import RunWriter
from tests.measurement.stand_ins import loaded_cell
from tests.synthetic_run import plan_of

NAMES = ("one", "two", "three", "four")


class StandIn:
    """A load process of one cell; the process of `two` dies."""

    order: list[str]
    envs: list[dict[str, str]]

    def __init__(self, arguments: list[str], *, log: Path, env: dict[str, str], **_: Any) -> None:
        self.pids: tuple[int, ...] = ()
        self.group_pids: tuple[int, ...] = ()
        self.cpus: tuple[int, ...] = ()
        self.exit_code: int | None = None
        self.envs.append(env)

    def __enter__(self) -> "StandIn":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def greet(self, timeout_s: float) -> None:
        """All users are up."""

    def ask(self, command: Load | Close, expected: type, timeout_s: float) -> Loaded | Closed:
        """Answer at once."""
        name = command.name.partition("/")[0]
        if isinstance(command, Close):
            return Closed({}, 0, 0, 30, ErrorCounts(), None)
        if command.is_step:
            self.order.append(name)
        if name == "two":
            raise LoadFault("the load process died")
        return Loaded(
            begin_s=0.0,
            end_s=command.duration_s,
            requests=10,
            sent=10,
            errors=ErrorCounts(),
            load_cpu_s=0.0,
        )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """What every cell gets for a load process."""
    StandIn.order, StandIn.envs = [], []
    monkeypatch.setattr(stock_loader, "LoadProcess", StandIn)
    monkeypatch.setattr(load_processes, "move", lambda pids, cpus: tuple(cpus))
    return StandIn


def trials_of(folder: Path, *, seed: int = 7) -> dict[str, Trial]:
    """Load a block."""
    plan = msgspec.structs.replace(plan_of((), seed=seed), client="http", request_timeout_s=0.75)
    writer = SimpleNamespace(folder=folder, log_path=lambda key, round: folder / "0.log")
    loader = StockLoader(plan, cast(RunWriter, writer), Progress(lambda event: None, 1.0))
    cells = {name: loaded_cell(name) for name in NAMES}
    loader.load(list(cells.values()), round=0, block=0)
    return {name: item.trial.finish() for name, item in cells.items()}


def test_each_trial_is_one_slice_and_not_interleaved(
    stand_in: type[StandIn], tmp_path: Path
) -> None:
    """As long as the plan says, whatever was loaded before."""
    trials = trials_of(tmp_path)
    assert all(not trial.interleaved for trial in trials.values())
    for name in ("one", "three", "four"):
        (piece,) = trials[name].slices
        assert piece.duration_s == 2.0
        assert trials[name].sent_total == 30
        assert trials[name].load_cpus == (1,)


def test_a_load_process_that_dies_fails_its_own_cell_alone(
    stand_in: type[StandIn], tmp_path: Path
) -> None:
    """Each cell has a process to itself: those before and after are measured."""
    trials = trials_of(tmp_path)
    outcomes = {name: (trial.outcome, trial.reason) for name, trial in trials.items()}
    assert outcomes == {
        "one": ("ok", None),
        "two": ("failed", "the load process died"),
        "three": ("ok", None),
        "four": ("ok", None),
    }


def test_the_order_of_cells_hangs_on_the_seed(stand_in: type[StandIn], tmp_path: Path) -> None:
    """The same seed gives the same order, and orders differ."""
    orders = set()
    for seed in (1, 1, 2, 3, 4):
        stand_in.order = []
        trials_of(tmp_path, seed=seed)
        assert sorted(stand_in.order) == sorted(NAMES)
        orders.add((seed, tuple(stand_in.order)))
    assert len(orders) == 4
    assert len({order for _, order in orders}) > 1


def test_the_client_is_told_how_long_to_wait(stand_in: type[StandIn], tmp_path: Path) -> None:
    """--timeout is for Locust's own clients too."""
    trials_of(tmp_path)
    assert {env[TIMEOUT_VARIABLE] for env in stand_in.envs} == {"0.75"}
