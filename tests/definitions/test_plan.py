import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.definitions.availability import Home
from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.loads import parse_rates
from asgi_bench.definitions.own_app import OwnApp
from asgi_bench.definitions.plan import build_plan, load_plan, requirements_of, unable
from asgi_bench.definitions.scenarios import load_scenarios
from asgi_bench.definitions.selection import Selection, settled
from asgi_bench.definitions.servers import Server, Variant
from asgi_bench.errors import UsageError
from asgi_bench.model import (
    SWITCHED,
    WEBSOCKET_METHOD,
    Cell,
    Client,
    ClosedLoop,
    Goal,
    Message,
    Plan,
    PlannedCell,
    Scenario,
    ServerEnvironment,
)
from asgi_bench.model.endpoint import HttpVersion

SCENARIOS = {
    "hello": Scenario(name="hello", app="hello:app"),
    "socket": Scenario(name="socket", app="probe:app", needs=("asgi3", "websocket")),
}


class Machine:
    """A machine on which everything is installed but what is named."""

    python = "/py"

    def __init__(self, absent: Iterable[str] = (), programs: Iterable[str] = ("/py",)) -> None:
        self._absent = frozenset(absent)
        self._programs = frozenset(programs)

    def missing(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """Return what was named as absent."""
        return tuple(line for line in requirements if line in self._absent)

    def version(self, server: Server) -> str | None:
        """Return the same for all."""
        return f"{server.name} 1.0"

    def has_program(self, program: str, working_dir: str, env: Mapping[str, str]) -> bool:
        """Tell whether it was named."""
        return program in self._programs


def _server(name: str, *variants: Variant, **facts: object) -> Server:
    values: dict[str, object] = {
        "command": ("{python}", "{here}", "{app}", "{host}:{port}", "-w", "{workers}"),
        "workers": "native",
        "requires": (name,),
        "variants": {variant.name: variant for variant in variants or (Variant("default"),)},
        **facts,
    }
    return Server(name=name, here=f"/runners/{name}", **values)  # type: ignore[arg-type]


SERVERS = {
    server.name: server
    for server in (
        _server(
            "daphne", workers="shared-socket", command=("{python}", "--fd", "{fd}", "{app_dir}")
        ),
        _server("nginx", workers="single", command=("nginx", "{port}"), supports=("asgi3", "tls")),
        _server(
            "uvicorn",
            Variant("default"),
            Variant("h11", args=("--http", "h11"), requires=("h11",), env={"B": "v", "C": "v"}),
            supports=("asgi3", "websocket"),
            env={"A": "s", "B": "s"},
            unset=("UVICORN_*",),
            reference=1,
        ),
    )
}
MACHINE = Machine(programs=("/py", "nginx"))


def _plan(
    selection: Selection | None = None,
    *,
    machine: Machine = MACHINE,
    servers: Mapping[str, Server] = SERVERS,
    environ: Mapping[str, str] | None = None,
    scenarios: Mapping[str, Scenario] = SCENARIOS,
) -> Plan:
    return build_plan(
        selection or Selection(),
        servers=servers,
        scenarios=scenarios,
        app_dir=Path("/apps"),
        packages=machine,
        environ=environ or {},
    )


def _find(plan: Plan, key: str) -> PlannedCell:
    (found,) = [planned for planned in plan.cells if planned.cell.key == key]
    return found


def _blocks(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {planned.cell.key: planned.blocks for planned in plan.cells}


def test_the_default_plan() -> None:
    """Every variant with 1 worker, then each server's `default` with 2, in a block of its own."""
    assert _blocks(_plan()) == {
        "daphne/default/w1/hello/c64": (0,),
        "nginx/default/w1/hello/c64": (0,),
        "uvicorn/default/w1/hello/c64": (0, 1),
        "uvicorn/h11/w1/hello/c64": (0,),
        "daphne/default/w2/hello/c64": (1,),
        "nginx/default/w2/hello/c64": (1,),
        "uvicorn/default/w2/hello/c64": (1,),
    }


def test_worker_counts_that_are_asked_for_apply_to_every_variant() -> None:
    """With counts given each variant has each of them, the blocks in ascending order."""
    plan = _plan(Selection(servers=("uvicorn",), workers=(4, 1)))
    assert list(_blocks(plan).items()) == [
        ("uvicorn/default/w1/hello/c64", (0, 1)),
        ("uvicorn/h11/w1/hello/c64", (0,)),
        ("uvicorn/default/w4/hello/c64", (1,)),
        ("uvicorn/h11/w4/hello/c64", (1,)),
    ]


def test_a_block_holds_so_many_servers_and_the_reference() -> None:
    """With a size given, servers are parted evenly, and what they are compared with is in all."""
    assert _blocks(_plan(Selection(workers=(1,), block_size=2))) == {
        "daphne/default/w1/hello/c64": (0,),
        "nginx/default/w1/hello/c64": (1,),
        "uvicorn/default/w1/hello/c64": (0, 1, 2),
        "uvicorn/h11/w1/hello/c64": (2,),
    }
    assert _blocks(_plan(Selection(workers=(1, 2), block_size=3))) == {
        "daphne/default/w1/hello/c64": (0,),
        "nginx/default/w1/hello/c64": (0,),
        "uvicorn/default/w1/hello/c64": (0, 1, 2, 3),
        "uvicorn/h11/w1/hello/c64": (1,),
        "daphne/default/w2/hello/c64": (2,),
        "nginx/default/w2/hello/c64": (2,),
        "uvicorn/default/w2/hello/c64": (2,),
        "uvicorn/h11/w2/hello/c64": (3,),
    }


def test_a_block_that_is_large_enough_is_one() -> None:
    """A size that all servers fit into parts nothing."""
    whole = _blocks(_plan())
    assert _blocks(_plan(Selection(block_size=4))) == whole


@given(st.integers(1, 30), st.integers(2, 12))
def test_no_block_holds_more_servers_than_asked(count: int, size: int) -> None:
    """Each block has the reference and at most so many servers in all; all are about as full."""
    names = ("uvicorn", *(f"server-{number:02}" for number in range(count)))
    servers = {name: _server(name) for name in names}
    blocks = _blocks(_plan(Selection(workers=(1,), block_size=size), servers=servers))
    everywhere = blocks["uvicorn/default/w1/hello/c64"]
    held = [sum(number in of for of in blocks.values()) for number in everywhere]
    assert len(held) == math.ceil(count / (size - 1))
    assert max(held) <= size


def test_loads_of_one_process_share_it_and_its_block() -> None:
    """Cells that differ in connections alone have one process key, one command, one block."""
    plan = _plan(Selection(servers=("daphne",), workers=(1,), connections=(8, 64)))
    few, many = plan.cells
    assert (few.cell.load.key, many.cell.load.key) == ("c8", "c64")
    assert few.cell.process_key == many.cell.process_key
    assert (few.command, few.blocks) == (many.command, many.blocks)


def test_a_scenario_has_its_own_connections_unless_some_are_asked_for() -> None:
    """A closed loop takes the scenario's number; `-c` and the cap of an open loop go before it."""
    scenarios = {"wait": Scenario(name="wait", app="a:b", connections=512)}
    for selection, key in (
        (Selection(), "c512"),
        (Selection(connections=(8,)), "c8"),
        (Selection(rates=parse_rates("500")), "r500"),
    ):
        selection = msgspec.structs.replace(selection, scenarios=("wait",), workers=(1,))
        cell = _plan(selection, scenarios=scenarios).cells[0].cell
        assert cell.load.key == key
        assert cell.load.connections == {"c512": 512, "c8": 8, "r500": 256}[key]


def test_what_is_beyond_a_scenario_s_bounds_is_skipped() -> None:
    """More connections or more time than a stanza allows is a row with its reason."""
    bound = Scenario(name="wait", app="a:b", most_connections=64, most_duration_s=10)
    for facts, reason in (
        ({"connections": (64,), "duration_s": 10.0}, None),
        ({"connections": (65,)}, "takes at most 64 connections in this scenario"),
        ({"duration_s": 10.5}, "is loaded for at most 10 s a round in this scenario"),
    ):
        selection = Selection(servers=("daphne",), scenarios=("wait",), **facts)
        assert _plan(selection, scenarios={"wait": bound}).cells[0].skip_reason == reason


def test_scenarios_are_in_blocks_of_their_own() -> None:
    """All servers of a block are up at once: those of another scenario would only be in the way."""
    plan = _plan(Selection(servers=("uvicorn",), variants=("default",), scenarios=("*",)))
    assert _blocks(plan) == {
        "uvicorn/default/w1/hello/c64": (0, 1),
        "uvicorn/default/w2/hello/c64": (1,),
        "uvicorn/default/w1/socket/c64": (2, 3),
        "uvicorn/default/w2/socket/c64": (3,),
    }


def test_what_never_idles_is_in_a_block_of_its_own() -> None:
    """Nobody is beside it, the reference neither; without others it is as any server."""
    servers = {**SERVERS, "polling": _server("polling", idles=False)}
    chosen = Selection(
        servers=("uvicorn", "daphne", "polling"), variants=("default",), workers=(1,)
    )
    assert _blocks(_plan(chosen, servers=servers)) == {
        "uvicorn/default/w1/hello/c64": (0,),
        "daphne/default/w1/hello/c64": (0,),
        "polling/default/w1/hello/c64": (1,),
    }
    alone = msgspec.structs.replace(chosen, servers=("polling",), workers=(1, 2))
    assert set(_blocks(_plan(alone, servers=servers)).values()) == {(0,), (1,)}
    beside = msgspec.structs.replace(chosen, servers=("uvicorn", "polling"))
    assert _blocks(_plan(beside, servers=servers)) == {
        "uvicorn/default/w1/hello/c64": (0,),
        "polling/default/w1/hello/c64": (1,),
    }


def test_what_any_runner_keeps_away_no_server_inherits() -> None:
    """A server may be started by another's wrapper: all patterns hold for all cells."""
    assert {planned.unset for planned in _plan().cells} == {("UVICORN_*",)}


def test_the_reference_is_uvicorn_where_it_is_measured() -> None:
    """The server whose file says so, default with 1 worker, in all blocks and under every load."""
    plan = _plan(Selection(workers=(2, 1, 4), connections=(8, 64)))
    assert plan.reference == "uvicorn/default/w1"
    everywhere = {key for key, blocks in _blocks(plan).items() if len(blocks) > 1}
    assert everywhere == {"uvicorn/default/w1/hello/c8", "uvicorn/default/w1/hello/c64"}
    assert _blocks(plan)["uvicorn/default/w1/hello/c8"] == (0, 1, 2)


@pytest.mark.parametrize(
    ("selection", "absent", "reference"),
    [
        (Selection(workers=(2, 4)), (), "daphne/default/w2"),
        (Selection(), ("uvicorn",), "daphne/default/w1"),
        (Selection(), ("uvicorn", "daphne"), "nginx/default/w1"),
        (Selection(variants=("h11",)), (), "uvicorn/h11/w1"),
        (Selection(), ("uvicorn", "daphne", "nginx"), None),
    ],
)
def test_else_the_first_that_is_measured(
    selection: Selection, absent: tuple[str, ...], reference: str | None
) -> None:
    """Where uvicorn's cell isn't planned or is skipped, the first cell that is measured serves."""
    plan = _plan(selection, machine=Machine(absent, programs=("/py", "nginx")))
    assert plan.reference == reference


def test_the_reference_joins_no_block_without_its_scenario_and_load() -> None:
    """A common rate for single workers alone has nothing to be compared with beside two."""
    plan = _plan(Selection(workers=(), common_rate_rps=500))
    assert _blocks(plan)["uvicorn/default/w1/hello/c64"] == (0, 1)
    rated = {key: blocks for key, blocks in _blocks(plan).items() if key.endswith("/r500")}
    assert rated["uvicorn/default/w1/hello/r500"] == (0,)
    assert set(rated.values()) == {(0,)}


def test_a_second_level_is_for_the_plain_settings_alone() -> None:
    """Each server's `default` is measured over those connections too, with the fewest workers."""
    plan = _plan(Selection(also_connections=(256,)))
    levels = [planned.cell.key for planned in plan.cells if planned.cell.load.key == "c256"]
    assert levels == [
        "daphne/default/w1/hello/c256",
        "nginx/default/w1/hello/c256",
        "uvicorn/default/w1/hello/c256",
    ]
    assert _blocks(plan)["uvicorn/default/w1/hello/c256"] == (0,)
    few, many = (_find(plan, f"daphne/default/w1/hello/c{count}") for count in (64, 256))
    assert few.cell.process_key == many.cell.process_key


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (
            Selection(servers=("uvicorn",), variants=("h11",), workers=(4, 2)),
            {"uvicorn/h11/w2/hello/c64", "uvicorn/h11/w2/hello/c8", "uvicorn/h11/w4/hello/c64"},
        ),
        (
            Selection(servers=("daphne",), workers=(1,), connections=(8, 16)),
            {"daphne/default/w1/hello/c8", "daphne/default/w1/hello/c16"},
        ),
        (
            Selection(servers=("daphne",), workers=(1,), rates=parse_rates("500")),
            {"daphne/default/w1/hello/r500", "daphne/default/w1/hello/c8"},
        ),
    ],
)
def test_a_second_level_is_never_left_out_nor_measured_twice(
    selection: Selection, keys: set[str]
) -> None:
    """Of other variants the first has it; beside rates it is a closed loop; it is there once."""
    plan = _plan(msgspec.structs.replace(selection, also_connections=(8,)))
    assert [planned.cell.key for planned in plan.cells if planned.cell.key not in keys] == []
    assert len(plan.cells) == len(keys)


def test_each_way_is_a_dimension() -> None:
    """Every transport that is asked for is a cell of its own, skipped where a file has no word."""
    bind = {"tcp": ("-p", "{port}"), "unix": ("-u", "{socket}")}
    shared = {**bind, "tcp": ("--fd", "{fd}")}
    servers = {
        "both": _server("both", command=("{python}", "{bind}", "{app}", "{workers}"), bind=bind),
        "daphne": _server(
            "daphne", workers="shared-socket", command=("{python}", "{bind}"), bind=shared
        ),
    }
    plan = _plan(Selection(transports=("tcp", "tls", "unix"), workers=(1, 2)), servers=servers)
    told = {one.cell.key: one.skip_reason or " ".join(one.command) for one in plan.cells}
    assert told == {
        "both/default/w1/hello/c64": "/py -p {port} hello:app 1",
        "both/default/w1/hello+tls/c64": "its runner file gives no way to bind to TLS",
        "both/default/w1/hello+unix/c64": "/py -u {socket} hello:app 1",
        "daphne/default/w1/hello/c64": "/py --fd {fd}",
        "daphne/default/w1/hello+tls/c64": "its runner file gives no way to bind to TLS",
        "daphne/default/w1/hello+unix/c64": "/py -u {socket}",
        "both/default/w2/hello/c64": "/py -p {port} hello:app 2",
        "both/default/w2/hello+tls/c64": "its runner file gives no way to bind to TLS",
        "both/default/w2/hello+unix/c64": "/py -u {socket} hello:app 2",
        "daphne/default/w2/hello/c64": "/py --fd {fd}",
        "daphne/default/w2/hello+tls/c64": "its runner file gives no way to bind to TLS",
        "daphne/default/w2/hello+unix/c64": "takes no worker count over a Unix socket",
    }
    sharing = {one.cell.key: one.socket_sharing for one in plan.cells}
    assert sharing["daphne/default/w1/hello/c64"] == "inherited"
    assert sharing["daphne/default/w1/hello+unix/c64"] == "own"


def test_a_scenario_says_by_which_interface_its_app_is_called() -> None:
    """The command switches it on; the app of another interface proves nothing from inside."""
    interface = {"asgi": ("-i", "asgi"), "wsgi": ("-i", "wsgi")}
    command = ("{python}", "{interface}", "{app}")
    servers = {
        "both": _server("both", command=command, workers="single", interface=interface),
        "plain": _server("plain"),
    }
    scenarios = {
        **SCENARIOS,
        "hello-wsgi": Scenario(name="hello-wsgi", app="other:app", needs=("wsgi",)),
    }
    selection = Selection(workers=(1,), scenarios=("hello", "hello-wsgi"))
    plan = _plan(selection, servers=servers, scenarios=scenarios)
    mine, other = (_find(plan, f"both/default/w1/{name}/c64") for name in selection.scenarios)
    assert mine.command == ("/py", "-i", "asgi", "hello:app")
    assert other.command == ("/py", "-i", "wsgi", "other:app")
    assert mine.proof_command
    assert not other.proof_command
    lacking = _find(plan, "plain/default/w1/hello-wsgi/c64")
    assert lacking.skip_reason == "does not support: wsgi"


def test_streams_are_those_of_http2() -> None:
    """The keys of HTTP/2's cells tell the streams of a connection; others have none."""
    server = _server("granian", command=("{python}", "{app}"), http={"1": (), "2": ()})
    selection = Selection(
        http=("1", "2"),
        workers=(1,),
        connections=(8,),
        streams=4,
        rates=parse_rates("500"),
        closed=True,
        common_rate_rps=700,
    )
    plan = _plan(selection, servers={"granian": server})
    keys = [planned.cell.key.removeprefix("granian/default/w1/") for planned in plan.cells]
    assert keys == [
        *("hello/c8", "hello/r500", "hello/r700"),
        *("hello+h2/c8x4", "hello+h2/r500x4", "hello+h2/r700x4"),
    ]
    assert [planned.cell.load.in_flight for planned in plan.cells][::3] == [8, 32]


def test_streams_without_http2_are_refused() -> None:
    """A number of streams that nothing would use is a fault of the user's."""
    with pytest.raises(UsageError, match="--streams needs HTTP/2: add"):
        settled(Selection(streams=4))
    assert settled(Selection(streams=4, http=("2",))).streams == 4


def test_http2_has_parsers_of_its_own() -> None:
    """Of what a variant states only the loop is held against it over HTTP/2."""
    stated = {"loop": "uvloop.*", "parser": "h11.*"}
    server = _server(
        "hypercorn",
        Variant("default", proves=stated),
        command=("{python}", "{http}", "{app}", "{workers}"),
        http={"1": (), "2": ("--h2",)},
    )
    selection = Selection(http=("1", "2"), workers=(1,))
    one, two = _plan(selection, servers={"hypercorn": server}).cells
    assert (one.proves, two.proves) == (stated, {"loop": "uvloop.*"})
    assert two.command == ("/py", "--h2", "hello:app", "1")


@pytest.mark.parametrize(
    ("scenario", "skipped"),
    [
        (Scenario(name="plain", app="a:b"), False),
        (Scenario(name="chunks", app="a:b", chunked=True), True),
        (Scenario(name="piped", app="a:b", pipeline=16), True),
        (Scenario(name="socket", app="a:b", method=WEBSOCKET_METHOD, expect_status=SWITCHED), True),
    ],
)
def test_what_http1_alone_has_is_no_cell_of_http2(scenario: Scenario, skipped: bool) -> None:
    """A WebSocket that was opened over HTTP/1.1 must not stand in a row of HTTP/2."""
    assert (scenario.refusal(64, 2.0, "2", "tcp") is not None) is skipped
    assert scenario.refusal(64, 2.0, "1", "tcp") is None


def test_a_common_rate_that_is_asked_for_anyway_is_measured_once() -> None:
    """Every cell has a name of its own, whatever --rate and --common-rate have in common."""
    rates = parse_rates("500,1234567,1234568")
    plan = _plan(Selection(workers=(1,), rates=rates, common_rate_rps=500))
    keys = [planned.cell.key for planned in plan.cells]
    assert len(keys) == len(set(keys))
    assert "uvicorn/default/w1/hello/r500" in keys


def test_a_count_of_which_nothing_is_measured_has_no_block() -> None:
    """A block of the reference alone would cost time and compare nothing."""
    plan = _plan(Selection(servers=("nginx", "uvicorn"), variants=("default",), workers=(1, 2, 3)))
    assert _blocks(plan)["uvicorn/default/w1/hello/c64"] == (0, 1, 2)
    plan = _plan(Selection(servers=("nginx",), workers=(1, 2)))
    assert plan.reference == "nginx/default/w1"
    assert _find(plan, "nginx/default/w1/hello/c64").blocks == (0,)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("nginx/default/w1/socket/c64", "does not support: websocket"),
        ("nginx/default/w2/hello/c64", "takes no worker count"),
        ("nginx/default/w1/hello/c64", "not installed: no program 'nginx' on the PATH"),
        ("uvicorn/h11/w1/hello/c64", "not installed: pip install h11"),
        ("uvicorn/default/w1/hello/c64", None),
        ("daphne/default/w2/hello/c64", None),
    ],
)
def test_what_can_not_be_measured_is_a_row_with_its_reason(key: str, reason: str | None) -> None:
    """A skipped cell stays in the plan, says why, and has no version."""
    plan = _plan(Selection(scenarios=("*",), workers=(1, 2)), machine=Machine(absent=("h11",)))
    planned = _find(plan, key)
    assert planned.skip_reason == reason
    assert (planned.server_version is None) == (reason is not None)


ROOM = Scenario(
    name="room",
    app="room:app",
    needs=("asgi3", "websocket"),
    messages=(Message(send="a"),),
    is_broadcast=True,
)


@pytest.mark.parametrize(
    ("http", "workers", "reason"),
    [
        ("1", 1, None),
        ("1", 2, "this scenario's chat room exists within one worker only"),
        ("2", 1, "WebSocket works over HTTP/1.1 only"),
    ],
)
def test_a_chat_room_is_in_one_worker_over_http1(
    http: HttpVersion, workers: int, reason: str | None
) -> None:
    """What a server could do all the same would be no figure of that scenario."""
    server = _server("able", supports=("asgi3", "websocket"), http={"1": (), "2": ()})
    cell = Cell("able", "default", workers, "room", ClosedLoop(4), http=http)
    assert unable(server, cell, ROOM) == reason


def test_several_interpreters_are_for_run_alone() -> None:
    """One line says so, wherever else a plan is made of them."""
    with pytest.raises(UsageError, match="--python: only `run` accepts several interpreters"):
        load_plan(Selection(interpreters=("/a", "/b")))


def test_what_is_required_is_told_once(tmp_path: Path) -> None:
    """By servers, by variants and by the shipped app; apart from what has its own environment."""
    for name, more in (("one", ""), ("two", ""), ("own", 'environment = "own"')):
        (tmp_path / f"{name}.toml").write_text(
            f'command = ["s"]\ndistribution = "only-{name}"\n{more}\n'
            f'requires = ["both", "only-{name}"]\n'
            f'[variants.fast]\nrequires = ["fast-{name}"]\n'
        )
    asked = Selection(servers=("one", "two", "own"), runner_folders=(tmp_path,))
    shared = ("both", "only-one", "fast-one", "only-two", "fast-two")
    assert set(requirements_of(asked)) == {*shared, "only-own", "fast-own"}
    assert requirements_of(asked, only_shared=True) == shared
    pinned = msgspec.structs.replace(asked, servers=("one", "two==2.0"))
    assert "only-two" not in requirements_of(pinned, only_shared=True)
    shipped = msgspec.structs.replace(asked, servers=("one",), scenarios=("*",))
    assert set(requirements_of(shipped)) > {"both", "only-one", "fast-one"}
    own_app = msgspec.structs.replace(shipped, own_app=OwnApp("shop:app", tmp_path))
    assert requirements_of(own_app) == ("both", "only-one", "fast-one")


def test_the_command_waits_for_port_and_socket_only() -> None:
    """All other placeholders are filled in; variant and user arguments follow, in this order."""
    plan = _plan(Selection(workers=(4,), server_args=("--more", "{app}")))
    assert _find(plan, "uvicorn/h11/w4/hello/c64").command == (
        *("/py", "/runners/uvicorn", "hello:app", "127.0.0.1:{port}", "-w", "4"),
        *("--http", "h11", "--more", "{app}"),
    )
    daphne = _find(plan, "daphne/default/w4/hello/c64")
    assert daphne.command == ("/py", "--fd", "{fd}", "/apps", "--more", "{app}")
    assert daphne.socket_sharing == "inherited"
    assert _find(plan, "uvicorn/h11/w4/hello/c64").socket_sharing == "own"


def test_the_environment_is_layered() -> None:
    """The variant's variables beat the server's, the user's beat both."""
    plan = _plan(Selection(env={"C": "u"}))
    planned = _find(plan, "uvicorn/h11/w1/hello/c64")
    assert planned.env == {"A": "s", "B": "v", "C": "u", "PYTHONPATH": "/apps"}
    assert planned.working_dir == "/apps"


def test_the_apps_come_first_on_the_module_path() -> None:
    """The app's folder stands before what the user states, or else inherits."""
    (inherited, *_) = _plan(environ={"PYTHONPATH": "/theirs"}).cells
    assert inherited.env["PYTHONPATH"] == "/apps:/theirs"
    selection = Selection(env={"PYTHONPATH": "/mine"})
    (stated, *_) = _plan(selection, environ={"PYTHONPATH": "/theirs"}).cells
    assert stated.env["PYTHONPATH"] == "/apps:/mine"


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(servers=("uvicorn", "x*")), "--server 'x*' matches nothing; available: daphne"),
        (
            Selection(variants=("trio",)),
            "--variant 'trio' matches nothing; available: default, h11",
        ),
        (
            Selection(servers=("daphne",), variants=("h11",)),
            "--variant 'h11' matches nothing; available: default",
        ),
        (Selection(scenarios=("x",)), "--scenario 'x' matches nothing; available: hello, socket"),
    ],
)
def test_a_glob_that_matches_nothing_lists_the_names(selection: Selection, words: str) -> None:
    """Each glob must match something; the error names the flag, the glob and the choice."""
    with pytest.raises(UsageError) as caught:
        _plan(selection)
    assert str(caught.value).startswith(words)


def test_globs_choose() -> None:
    """Only what a glob matches is planned."""
    plan = _plan(Selection(servers=("uvi*", "daphne"), variants=("def*",), workers=(1,)))
    assert [planned.cell.server for planned in plan.cells] == ["daphne", "uvicorn"]
    assert {planned.cell.variant for planned in plan.cells} == {"default"}


def test_the_knobs_arrive_in_the_plan() -> None:
    """What was asked for is what is stored; only the used scenarios are."""
    plan = _plan(
        Selection(
            rounds=7,
            duration_s=0.5,
            seed=42,
            request_timeout_s=1.5,
            startup_timeout_s=9.0,
            client="http",
            server_cpus=(0,),
            load_cpus=(1, 2),
        )
    )
    assert (plan.rounds, plan.duration_s, plan.seed) == (7, 0.5, 42)
    assert (plan.request_timeout_s, plan.startup_timeout_s, plan.client) == (1.5, 9.0, "http")
    assert (plan.server_cpus, plan.load_cpus) == ((0,), (1, 2))
    assert plan.scenarios == (SCENARIOS["hello"],)


@pytest.mark.parametrize(
    ("rounds", "goal", "planned"),
    [
        (None, None, 6),
        (40, None, 40),
        (None, Goal(budget_s=300), 100),
        (30, Goal(budget_s=300), 30),
        (None, Goal(budget_s=300, precision=0.02), 18),
        (9, Goal(precision=0.02), 9),
    ],
)
def test_rounds_with_a_goal_are_the_most(
    rounds: int | None, goal: Goal | None, planned: int
) -> None:
    """Six rounds can tell servers apart; a precision may take 18, a budget whatever fits."""
    plan = _plan(Selection(rounds=rounds, goal=goal))
    assert (plan.rounds, plan.goal) == (planned, goal)


def test_more_rounds_than_looks_are_refused_with_a_goal() -> None:
    """What would never be reached is no plan."""
    with pytest.raises(UsageError, match=r"--rounds: 19 .* 18 at the latest"):
        _plan(Selection(rounds=19, goal=Goal(precision=0.02)))


@pytest.mark.parametrize(
    ("asked", "reference"),
    [
        (None, "uvicorn/default/w1"),
        ("daphne/default", "daphne/default/w1"),
        ("daphne/default/w2", "daphne/default/w2"),
    ],
)
def test_reference_is_in_every_block(asked: str | None, reference: str) -> None:
    """Without workers the fewest; it takes part in all blocks, so that all have a ratio to it."""
    plan = _plan(Selection(reference=asked, workers=(1, 2)))
    assert plan.reference == reference
    for planned in plan.cells:
        if planned.skip_reason is None:
            assert (len(planned.blocks) == 2) == planned.cell.key.startswith(f"{reference}/")


def test_unknown_reference_lists_what_is_measured() -> None:
    """A reference that isn't measured is refused, with the names there are."""
    with pytest.raises(UsageError, match=r"--reference 'x' is not measured; .*uvicorn/default/w1"):
        _plan(Selection(reference="x"))


def test_a_seed_is_drawn_where_none_is_given() -> None:
    """Two plans without a seed differ in it (by chance alike once in 2**32)."""
    assert _plan().seed != _plan().seed


@given(
    counts=st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True).map(tuple),
    absent=st.sets(st.sampled_from(["uvicorn", "daphne", "nginx", "h11"])),
)
def test_each_block_holds_one_worker_count_and_the_reference(
    counts: tuple[int, ...], absent: set[str]
) -> None:
    """Whatever is asked for and missing: blocks count from 0, each its own count + reference."""
    plan = _plan(Selection(workers=counts), machine=Machine(absent, programs=("/py", "nginx")))
    measured = [planned for planned in plan.cells if planned.skip_reason is None]
    numbers = {block for planned in measured for block in planned.blocks}
    assert numbers == set(range(len({planned.cell.workers for planned in measured})))
    assert len({(planned.cell.workers, planned.blocks[0]) for planned in measured}) == len(numbers)
    for block in numbers:
        members = [planned.cell.key for planned in measured if block in planned.blocks]
        assert any(key.startswith(f"{plan.reference}/") for key in members)


def test_a_proof_is_the_same_command_with_another_app() -> None:
    """But for where that is found; a server that takes no app can't prove anything."""
    plan = _plan(Selection(workers=(4,), server_args=("--more",)))
    planned = _find(plan, "uvicorn/h11/w4/hello/c64")
    assert planned.proof_command == tuple(
        "asgi_bench_proof:app" if word == "hello:app" else word for word in planned.command
    )
    assert planned.proof_env == {
        "PYTHONPATH": os.pathsep.join([planned.env["PYTHONPATH"], str(shipped_apps() / "proof")])
    }
    assert _find(plan, "daphne/default/w4/hello/c64").proof_command == ()


def test_a_proof_of_the_users_app_has_it_in_the_process() -> None:
    """The variable names what is served; the app's folders, a factory's too, stay first."""
    for is_factory in (False, True):
        own = OwnApp(target="shop:app", app_dir=Path("/shop"), is_factory=is_factory)
        planned = _find(_plan(Selection(workers=(4,), own_app=own)), "uvicorn/h11/w4/hello/c64")
        path = planned.proof_env["PYTHONPATH"].split(os.pathsep)
        # The scenarios are these tests' own here, whatever the app.
        assert planned.proof_env["ASGI_BENCH_PROVEN"] == "hello:app"
        assert path[: len(own.folders)] == list(own.folders)
        assert path[-1] == str(shipped_apps() / "proof")


def test_what_a_variant_states_is_held_against_it_unless_flags_are_added() -> None:
    """Flags of the user's own may mean another loop: then nothing is stated."""
    stated = Variant("fast", proves={"loop": "uvloop.*"})
    servers = {"uvicorn": _server("uvicorn", stated)}
    (planned,) = _plan(Selection(workers=(1,)), servers=servers).cells
    assert planned.proves == {"loop": "uvloop.*"}
    (planned,) = _plan(Selection(workers=(1,), server_args=("-x",)), servers=servers).cells
    assert planned.proves == {}


def test_another_interpreter_is_told() -> None:
    """The plan names it only where it isn't the one that runs asgi-bench."""
    assert _plan().python is None
    assert _plan(Selection(interpreters=("/py",))).python == "/py"


def test_an_app_of_the_users_comes_from_its_own_folder() -> None:
    """A factory's module is found behind it, and told which factory to call."""
    own = OwnApp("shop:make", Path("/shop"), is_factory=True)
    plan = _plan(Selection(own_app=own, env={"PYTHONPATH": "/mine"}))
    env = _find(plan, "uvicorn/default/w1/hello/c64").env
    assert env["PYTHONPATH"] == f"/shop:{shipped_apps()}/factory:/mine"
    assert env["ASGI_BENCH_FACTORY"] == "shop:make"


@pytest.mark.parametrize("client", ["http", "fasthttp"])
@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("websocket-echo", "websocket-echo uses WebSocket"),
        ("pipelined", "pipelined pipelines requests"),
        ("events", "events times a response part by part"),
        ("ten-requests", "ten-requests closes connections after a number of responses"),
        ("upload-1m-chunked", "upload-1m-chunked sends a body in chunks"),
    ],
)
def test_locusts_own_clients_refuse_what_they_cannot_send(
    client: Client, scenario: str, told: str
) -> None:
    """One line names the scenario and what it takes; nothing else is measured in its place."""
    selection = Selection(scenarios=(scenario,), client=client)
    shipped = load_scenarios(shipped_apps() / "scenarios.toml")
    with pytest.raises(
        UsageError, match=f"--client {client}: {told}, and only the client `fast` can do that"
    ):
        _plan(selection, scenarios=shipped)
    assert _plan(Selection(scenarios=("headers",), client=client), scenarios=shipped).cells


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (
            Selection(own_app=OwnApp("a:b", Path("/x"), websocket="/ws"), client="http"),
            "--websocket needs the client `fast`",
        ),
        (Selection(http=("2",), client="http"), "--http and --transport need the client `fast`"),
        (Selection(transports=("tls",), client="fasthttp"), "--http and --transport need the"),
    ],
)
def test_locusts_own_clients_speak_http1_over_tcp(selection: Selection, told: str) -> None:
    """What they would leave out without a word is refused."""
    with pytest.raises(UsageError, match=told):
        settled(selection)


def test_random_masks_are_for_what_talks_over_websocket() -> None:
    """They reach its scenarios alone; where there are none the flag would change nothing."""
    shipped = load_scenarios(shipped_apps() / "scenarios.toml")
    both = Selection(scenarios=("hello", "websocket-echo"), random_masks=True)
    plan = _plan(both, scenarios=shipped)
    assert [one.random_masks for one in plan.scenarios] == [False, True]
    with pytest.raises(UsageError, match="--random-masks needs a WebSocket scenario"):
        _plan(Selection(random_masks=True), scenarios=shipped)


def _apart(home: Home | None, absent: Iterable[str] = ("own",)) -> Plan:
    """The plan of a server that isn't installed for all, beside uvicorn."""
    own = _server("own", environment="own")
    return build_plan(
        Selection(servers=("own", "uvicorn"), variants=("default",), workers=(1,)),
        servers={**SERVERS, "own": own},
        scenarios=SCENARIOS,
        app_dir=Path("/apps"),
        packages=Machine(absent=absent, programs=("/py",)),
        apart=lambda server: home if server.name == "own" else None,
        environ={},
    )


def test_a_server_runs_in_its_own_environment_where_it_must() -> None:
    """What isn't installed for all is started by its own interpreter, and the cell tells."""
    environment = ServerEnvironment("/own/py", {"own": "1.0"})
    theirs = Machine(programs=("/own/py",))
    theirs.python = "/own/py"
    cells = {one.cell.server: one for one in _apart(Home(theirs, environment)).cells}
    assert (cells["own"].command[0], cells["own"].environment) == ("/own/py", environment)
    assert cells["own"].skip_reason is None
    assert (cells["uvicorn"].command[0], cells["uvicorn"].environment) == ("/py", None)
    (here,) = [
        one for one in _apart(Home(theirs, environment), ()).cells if one.cell.server == "own"
    ]
    assert (here.command[0], here.environment) == ("/py", None)


@pytest.mark.parametrize(
    ("home", "reason"),
    [
        (None, "not installed: asgi-bench install own"),
        (Home(None, None, "can't be installed: no"), "can't be installed: no"),
        (Home(Machine(), ServerEnvironment("/own/py"), "can't be imported"), "can't be imported"),
    ],
)
def test_an_environment_that_can_not_be_used_is_a_reason(home: Home | None, reason: str) -> None:
    """The cell is skipped with it; no pip command for all is advised."""
    cells = {one.cell.server: one for one in _apart(home).cells}
    assert (cells["own"].skip_reason, cells["own"].missing) == (reason, ())


def test_a_server_with_an_environment_of_its_own_is_measured_where_it_is_named() -> None:
    """A plain run is of those that are installed together."""
    own = _server("own", environment="own")
    plan = build_plan(
        Selection(workers=(1,)),
        servers={**SERVERS, "own": own},
        scenarios=SCENARIOS,
        app_dir=Path("/apps"),
        packages=MACHINE,
        environ={},
    )
    assert {one.cell.server for one in plan.cells} == {"daphne", "nginx", "uvicorn"}
