"""The shipped runner files, started for real: the same footing for all, and names that hold."""

import http.client
import itertools
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from asgi_bench.definitions.plan import load_plan
from asgi_bench.definitions.selection import Selection
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import Plan
from asgi_bench.serving.process import ServerProcess, stop_all
from asgi_bench.serving.readiness import Readiness, wait_for_all

VARIANTS = (
    "daphne/default",
    "granian/default",
    "granian/uvloop",
    "granian/asyncio",
    "gunicorn-asgi/default",
    "gunicorn-uvicorn/default",
    "hypercorn/default",
    "hypercorn/uvloop",
    "hypercorn/trio",
    "uvicorn/default",
    "uvicorn/h11-asyncio",
)
# What each loads into its processes, of the parts that a variant's name promises or denies.
# Granian imports every loop it finds, so its memory says nothing: its command does.
PARTS = ("uvloop/loop.", "httptools/parser/", "gunicorn_h1c")
LOADED = {
    "gunicorn-asgi/default": {"uvloop/loop.", "gunicorn_h1c"},
    "gunicorn-uvicorn/default": {"uvloop/loop.", "httptools/parser/"},
    "hypercorn/uvloop": {"uvloop/loop."},
    "uvicorn/default": {"uvloop/loop.", "httptools/parser/"},
}
# The shortest limits by default: gunicorn closes an idle connection after 2 s, uvicorn and
# hypercorn after 5 s; hypercorn closes any connection after 1000 requests.
IDLE_S = 5.5
REQUESTS = 1005


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Every shipped variant with one worker."""
    return load_plan(Selection(workers=(1,)))


@pytest.fixture(scope="module")
def servers(
    plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, ServerProcess]]:
    """All of them up at once, keyed by server and variant."""
    chance, folder, started = random.Random(), tmp_path_factory.mktemp("logs"), {}
    with ExitStack() as stack:
        for planned in plan.cells:
            name = f"{planned.cell.server}/{planned.cell.variant}"
            log_path = folder / f"{name.replace('/', '-')}.log"
            server = ServerProcess(planned, endpoint=free_endpoint(chance), log_path=log_path)
            started[name] = stack.enter_context(server)
        awaited = [(server, plan.scenarios[0], 1) for server in started.values()]
        for name, outcome in zip(started, wait_for_all(awaited, 60), strict=True):
            assert isinstance(outcome, Readiness), f"{name}: {outcome}"
        yield started
        assert not any(report.was_killed for report in stop_all(tuple(started.values()), 30))


def _ask(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Send one request and check its answer; a closed connection raises."""
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"Hello, world!")
    return response


@pytest.fixture(scope="module")
def idle(servers: dict[str, ServerProcess]) -> dict[str, tuple[http.client.HTTPConnection, float]]:
    """A connection to each that had one answer, and when: opened before anything else."""
    opened = {}
    for name, server in servers.items():
        connection = http.client.HTTPConnection("127.0.0.1", server.endpoint.port, timeout=10)
        connection.auto_open = False
        connection.connect()
        _ask(connection)
        opened[name] = (connection, time.monotonic())
    return opened


def test_every_shipped_variant_is_planned(plan: Plan) -> None:
    """None is skipped: the extra `servers` installs what every variant requires."""
    names = [f"{planned.cell.server}/{planned.cell.variant}" for planned in plan.cells]
    assert tuple(names) == VARIANTS
    assert [planned.skip_reason for planned in plan.cells] == [None] * len(VARIANTS)
    assert all(planned.server_version for planned in plan.cells)


def test_every_shipped_variant_states_what_must_run(plan: Plan) -> None:
    """Its loop, and its parser or the protocol that is its own parser: proofs are held to them."""
    for planned in plan.cells:
        assert planned.proof_command, planned.cell.key
        assert "loop" in planned.proves, planned.cell.key
        assert {"parser", "protocol"} & planned.proves.keys(), planned.cell.key


@pytest.mark.parametrize("name", VARIANTS)
def test_a_connection_carries_any_number_of_requests(
    servers: dict[str, ServerProcess],
    idle: dict[str, tuple[http.client.HTTPConnection, float]],
    name: str,
) -> None:
    """No server closes a connection for its count of requests; each answer states its length."""
    connection = http.client.HTTPConnection("127.0.0.1", servers[name].endpoint.port, timeout=10)
    connection.auto_open = False
    connection.connect()
    try:
        for _ in range(REQUESTS):
            response = _ask(connection)
    finally:
        connection.close()
    assert response.headers["content-length"] == "13"
    assert "transfer-encoding" not in response.headers


@pytest.mark.parametrize("name", VARIANTS)
def test_a_connection_may_idle(
    idle: dict[str, tuple[http.client.HTTPConnection, float]], name: str
) -> None:
    """A connection that idled for longer than the defaults allow still serves."""
    connection, since_s = idle[name]
    time.sleep(max(0.0, since_s + IDLE_S - time.monotonic()))
    try:
        _ask(connection)
    finally:
        connection.close()


@pytest.mark.parametrize("name", VARIANTS)
def test_nothing_is_logged(servers: dict[str, ServerProcess], name: str) -> None:
    """No access log, and no word on the application's refusal of lifespan."""
    assert servers[name].log.path.read_text() == ""


@pytest.mark.parametrize("name", [name for name in VARIANTS if not name.startswith("granian/")])
def test_a_variant_loads_what_its_name_says(servers: dict[str, ServerProcess], name: str) -> None:
    """Loop and parser are those of the name, whatever else is installed beside the server."""
    mapped = "".join(Path(f"/proc/{pid}/maps").read_text() for pid in servers[name].pids)
    assert {part for part in PARTS if part in mapped} == LOADED.get(name, set())


@pytest.mark.parametrize(
    ("name", "loop"),
    [("granian/default", "asyncio"), ("granian/uvloop", "uvloop"), ("granian/asyncio", "asyncio")],
)
def test_granian_is_told_its_loop(servers: dict[str, ServerProcess], name: str, loop: str) -> None:
    """`--loop auto` would mean whatever is installed beside it."""
    command = servers[name].planned.command
    assert command[command.index("--loop") + 1] == loop


def test_uvicorn_makes_no_access_lines(plan: Plan) -> None:
    """An access line that the log level drops would cost time all the same, unseen in the log."""
    for planned in plan.cells:
        if planned.cell.server == "uvicorn":
            assert "--no-access-log" in planned.command


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("runners/*.toml")))
def test_every_setting_has_its_reason(path: Path) -> None:
    """In a shipped file each flag that is set stands under a comment, but for app and address."""
    plain = ("-m", "--host", "--port", "--bind", "--fd", "--worker-class")
    lines = [line.strip() for line in path.read_text().splitlines()]
    for above, line in itertools.pairwise(lines):
        if line.startswith('"--') and not line.startswith(tuple(f'"{flag}"' for flag in plain)):
            assert above.startswith("#"), f"{path.name}: {line}"
