"""Real servers of known behaviour, and a real load process."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest

from asgi_bench.machine.lock import measuring_lock
from asgi_bench.measurement.behaviours.load_under_fault import WatchedLoad
from asgi_bench.measurement.load_processes import LoadProcesses
from asgi_bench.measurement.running_servers import RunningServer, RunningServers
from asgi_bench.model import Cell, ClosedLoop, PlannedCell, Scenario
from tests.command_line import LOCK_PATIENCE_S, SERVERS
from tests.synthetic_run import plan_of

TIMEOUT_S = 1.0
CPUS = tuple(sorted(os.sched_getaffinity(0)))
SCENARIO = Scenario(name="hello", app="hello:app", expect_body="Hello, world!")

UpServer: TypeAlias = Callable[..., AbstractContextManager[RunningServer]]
LoadOn: TypeAlias = Callable[[RunningServer], WatchedLoad]
CONNECTIONS = 8


@pytest.fixture(scope="package")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadProcesses]:
    """One load process for all tests of behaviour."""
    plan = msgspec.structs.replace(plan_of(()), load_cpus=CPUS, request_timeout_s=TIMEOUT_S)
    with (
        measuring_lock(LOCK_PATIENCE_S),
        LoadProcesses(tmp_path_factory.mktemp("load"), plan) as stand,
    ):
        yield stand


@pytest.fixture
def up(tmp_path: Path) -> UpServer:
    """Starts `tests/servers/server.py` with some arguments, up inside a block."""

    @contextmanager
    def server(*args: str, workers: int = 1) -> Iterator[RunningServer]:
        cell = Cell("tiny", "default", workers, "hello", ClosedLoop(8))
        script = str(SERVERS / "server.py")
        command = (sys.executable, "-I", "-S", script, "{port}", "--workers", str(workers), *args)
        plan = msgspec.structs.replace(
            plan_of(()), scenarios=(SCENARIO,), server_cpus=CPUS, seed=random.getrandbits(32)
        )
        with RunningServers(
            plan,
            [PlannedCell(cell, command=command)],
            lambda key, round, block: tmp_path / "server.log",
            round=0,
            block=0,
        ) as standing:
            (found,) = standing.servers
            assert found.fault is None
            yield found

    return server


@pytest.fixture
def load_on(stand: LoadProcesses) -> LoadOn:
    """Makes sessions on a server by the load process."""
    serial = iter(range(1000))
    return lambda server: WatchedLoad(stand.session(f"{id(server)}/{next(serial)}"), server)
