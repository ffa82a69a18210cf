import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import (
    Cell,
    ClosedLoop,
    Endpoint,
    PlannedCell,
    Scenario,
)
from asgi_bench.serving.faults import ServerFault
from asgi_bench.serving.process import ServerProcess
from asgi_bench.serving.proof import PROBE_SCENARIO, Told, ask_workers, changes, proof_of
from asgi_bench.serving.readiness import wait_until_ready

PROOF = Path(__file__).resolve().parents[2] / "apps" / "proof"
TOLD = Told(
    pid=7,
    loop="uvloop.Loop",
    protocol="uvicorn.protocols.http.httptools_impl.HttpToolsProtocol",
    parser="httptools.parser.parser.HttpRequestParser",
    transport="uvloop.loop.TCPTransport",
    http_version="1.1",
    asgi_version="3.0",
    asgi_spec_version="2.3",
    tcp_nodelay=True,
    python="CPython 3.11.7",
    packages={"uvicorn": "0.54.0"},
)


def _but(**changes: object) -> Told:
    return msgspec.structs.replace(TOLD, **changes)


def test_what_is_stated_and_runs_is_proven() -> None:
    """Every part is passed on, and patterns that match leave no fault."""
    proof = proof_of("uvicorn/default/w2", [TOLD, _but(pid=3)], {"loop": "uvloop.*"})
    assert (proof.setting, proof.fault, proof.unproven) == ("uvicorn/default/w2", None, None)
    assert (proof.loop, proof.parser, proof.worker_pids) == (TOLD.loop, TOLD.parser, (3, 7))
    assert (proof.packages, proof.tcp_nodelay) == ({"uvicorn": "0.54.0"}, True)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ([_but(loop="asyncio.X")], "its loop is asyncio.X, but the variant states uvloop.*"),
        ([_but(parser=None)], "its parser is not to be found, but the variant states httptools.*"),
        ([TOLD, _but(pid=8, loop="x")], "its loop is x, but the variant states uvloop.*"),
        ([TOLD, TOLD], None),
    ],
)
def test_what_differs_in_any_worker_is_a_fault(told: list[Told], fault: str | None) -> None:
    """It names the part, what runs, and what the variant states, each once."""
    proves = {"loop": "uvloop.*", "parser": "httptools.*"}
    assert proof_of("a/b/w1", [*told, *told], proves).fault == fault


@pytest.mark.parametrize(
    ("options", "nodelay"),
    [((True, True), True), ((True, False), False), ((True, None), None)],
)
def test_one_socket_that_delays_is_enough(
    options: tuple[bool | None, ...], nodelay: bool | None
) -> None:
    """The option is told as set only where it is on every connection."""
    assert proof_of("a/b/w1", [_but(tcp_nodelay=on) for on in options], {}).tcp_nodelay is nodelay


def test_workers_that_got_no_connection_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until each has answered, and no more often than that is worth."""
    answers = [[_but(pid=1)], [_but(pid=2)], [_but(pid=3)], [_but(pid=4)]]
    for workers, pids in ((1, [1]), (2, [1, 2]), (8, [1, 2, 3])):
        left = iter(answers)
        monkeypatch.setattr("asgi_bench.serving.asking._ask_once", lambda *_, left=left: next(left))
        assert [one.pid for one in ask_workers(Endpoint.local(0), workers, 1.0)] == pids


def test_more_workers_than_there_should_be_are_all_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are asked again, over as many connections as such a number takes."""
    answers = iter([[_but(pid=1), _but(pid=2)], [_but(pid=3)], [_but(pid=4)]])
    asked = []

    def ask(endpoint: Endpoint, workers: int, *_: object) -> list[Told]:
        asked.append(workers)
        return next(answers)

    monkeypatch.setattr("asgi_bench.serving.asking._ask_once", ask)
    assert [one.pid for one in ask_workers(Endpoint.local(0), 1, 1.0)] == [1, 2, 3, 4]
    assert asked == [1, 2, 3]


def test_what_an_app_changes_is_named() -> None:
    """Each part that is another with it than without; what can't be told without says nothing."""
    plain = proof_of("a/b/w1", [TOLD], {})
    assert changes(plain, plain) == ()
    other = msgspec.structs.replace(plain, loop="asyncio.X", parser=None)
    assert changes(other, plain) == (
        "the app changes its loop: asyncio.X instead of uvloop.Loop",
        "the app changes its parser: none to be found instead of "
        "httptools.parser.parser.HttpRequestParser",
    )
    assert changes(plain, other) == ("the app changes its loop: uvloop.Loop instead of asyncio.X",)


def test_modes_for_debugging_are_those_of_all_workers() -> None:
    """One that any worker is in counts, once."""
    told = [_but(debugging=("a",)), _but(pid=8, debugging=("b", "a"))]
    assert proof_of("a/b/w2", told, {}).debugging == ("a", "b")


@pytest.fixture(scope="module")
def uvicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """uvicorn with two workers on h11 and asyncio, serving the probe app."""
    command = (
        *(
            sys.executable,
            "-m",
            "uvicorn",
            "asgi_bench_proof:app",
            "--port",
            "{port}",
            "--workers",
            "2",
        ),
        *("--loop", "asyncio", "--http", "h11", "--log-level", "error"),
    )
    cell = Cell("uvicorn", "h11-asyncio", 2, "probe", ClosedLoop(1))
    planned = PlannedCell(cell, command=command, working_dir=str(PROOF))
    log = tmp_path_factory.mktemp("proof") / "log"
    with ServerProcess(planned, endpoint=free_endpoint(random.Random()), log_path=log) as server:
        wait_until_ready(server, PROBE_SCENARIO, 2, 30)
        yield server


def test_the_probe_app_tells_what_runs(uvicorn: ServerProcess) -> None:
    """Loop, parser, protocol and socket of each worker, as that command line asks for them."""
    told = ask_workers(uvicorn.endpoint, 2, 10)
    proof = proof_of("uvicorn/h11-asyncio/w2", told, {"loop": "asyncio.*", "parser": "h11.*"})
    assert proof.fault is None
    assert proof.protocol == "uvicorn.protocols.http.h11_impl.H11Protocol"
    assert proof.http_version == "1.1"
    assert set(proof.worker_pids) <= set(uvicorn.pids)
    assert {"uvicorn", "h11"} <= proof.packages.keys()
    # uvicorn issue 3149: with workers asyncio is handed sockets it does not set the option on.
    assert proof.tcp_nodelay is False


def test_something_else_than_the_probe_app_is_a_fault(
    make_server: Callable[..., ServerProcess], scenario: Scenario
) -> None:
    """An answer that isn't the probe's proves nothing, nor does none at all."""
    server = make_server()
    server.start()
    wait_until_ready(server, scenario, 1, 20)
    with pytest.raises(ServerFault, match="status 200 from something other than the probe app"):
        ask_workers(server.endpoint, 1, 5)
    with pytest.raises(ServerFault, match="did not respond: no connection: Connection refused"):
        ask_workers(free_endpoint(random.Random()), 1, 5)
