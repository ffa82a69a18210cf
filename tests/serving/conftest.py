"""Servers to start, well-behaved and others."""

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import (
    Cell,
    ClosedLoop,
    Endpoint,
    PlannedCell,
    Scenario,
)
from asgi_bench.serving.process import ServerProcess

FAKE = str(Path(__file__).with_name("fake_server.py"))

MakeServer = Callable[..., ServerProcess]


@pytest.fixture
def scenario() -> Scenario:
    """What every good server here answers."""
    return Scenario(name="hello", app="hello:app", expect_body="Hello, world!")


@pytest.fixture
def port() -> int:
    """A free port, never the same."""
    return free_endpoint(random.Random()).port


@pytest.fixture
def make_server(tmp_path: Path, port: int) -> Iterator[MakeServer]:
    """Makes servers of any command, or of a mode of the fake one; ended after the test."""
    made: list[ServerProcess] = []

    def make(
        mode: str = "good",
        *,
        command: tuple[str, ...] | None = None,
        workers: int = 1,
        sharing: Literal["own", "inherited"] = "own",
        at_port: int | None = None,
        **planned: str | dict[str, str] | tuple[str, ...],
    ) -> ServerProcess:
        target = "{port}" if sharing == "own" else "{fd}"
        cell = Cell("fake", mode, workers, "hello", ClosedLoop(64))
        server = ServerProcess(
            PlannedCell(
                cell,
                command=command or (sys.executable, "-I", "-S", FAKE, mode, target),
                socket_sharing=sharing,
                **planned,  # type: ignore[arg-type]
            ),
            endpoint=Endpoint.local(at_port or port)
            if at_port or not made
            else free_endpoint(random.Random()),
            log_path=tmp_path / "logs" / f"{mode}-{len(made)}.log",
        )
        made.append(server)
        return server

    yield make
    for server in made:
        server.kill()
