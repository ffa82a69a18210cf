import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from asgi_bench.load.generator import (
    QUIT_TIMEOUT_S,
    LoadFault,
    LoadProcess,
    load_environment,
    slice_arguments,
    stock_arguments,
    stock_environment,
)
from asgi_bench.load.messages import Close, Closed, Load, Loaded, Open, Opened
from asgi_bench.model import (
    RESPONSE_TIME,
    Client,
    Endpoint,
    ErrorCounts,
    Scenario,
)
from tests.known_answers import Behaviour, KnownAnswers, expected_errors
from tests.load.loading import target_at
from tests.load.locust_runs import read_table

TIMEOUT_S = 30.0
SCENARIO = Scenario(name="hello", app="", expect_body="Hello, world!")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a load process writes."""
    return tmp_path / "load.log"


@pytest.fixture
def slices(log: Path) -> Iterator[LoadProcess]:
    """A slice server that has greeted; its table goes beside its log."""
    with LoadProcess(slice_arguments(), log=log, table=log.with_suffix(".csv")) as process:
        process.greet()
        yield process


def test_slices_count_what_the_server_counts(
    known: KnownAnswers, slices: LoadProcess, log: Path
) -> None:
    """From ramp to close, what the load process, Locust's table and the server say is one."""
    script = (*["plain"] * 9, "status", "body", "announced-close", "segments", "truncated")
    server = known.behave(Behaviour(script=script))
    target = target_at(server.port, connections=8)
    opened = slices.ask(Open(target, 0.2), Opened, TIMEOUT_S)
    loads = [slices.ask(Load("/", 0.1), Loaded, TIMEOUT_S) for _ in range(3)]
    closed = slices.ask(Close("/"), Closed, TIMEOUT_S)
    counts = server.counts()
    slices.quit()

    errors = expected_errors(counts)
    assert closed.sent_total == counts.requests
    assert msgspec.to_builtins(closed.errors_total) == {
        kind: errors.get(kind, 0) for kind in ErrorCounts.__struct_fields__
    }
    assert counts.connections == 8 + closed.reconnects
    assert closed.clamped == 0
    assert opened.throughput_rps > 0
    # Of those the server had just closed the new ones may still be on their way.
    assert 4 <= len(set(opened.client_ports)) == len(opened.client_ports) <= 8

    for load in loads:
        assert load.sent == load.requests + load.errors.total > 20
        assert load.load_cpu_s > 0
    assert [load.begin_s for load in loads] == sorted(load.begin_s for load in loads)
    assert all(one.end_s < other.begin_s for one, other in itertools.pairwise(loads))

    row = read_table(log.with_suffix(".csv"))["/"]
    assert (row.requests, row.failures) == (counts.requests, sum(errors.values()))
    assert not slices.is_alive
    assert not Path(f"/proc/{slices.pids[0]}").exists()
    assert "Traceback" not in log.read_text()


def test_a_command_that_can_not_be_carried_out_is_told(
    known: KnownAnswers, slices: LoadProcess, log: Path
) -> None:
    """A slice on a target that was never opened is a fault, and the process serves on."""
    with pytest.raises(LoadFault, match="the load process failed: Load: KeyError"):
        slices.ask(Load("nowhere", 0.1), Loaded, TIMEOUT_S)
    server = known.behave(Behaviour())
    slices.ask(Open(target_at(server.port, connections=2), 0.0), Opened, TIMEOUT_S)
    with pytest.raises(LoadFault, match="answered Closed out of turn"):
        slices.ask(Close("/"), Loaded, TIMEOUT_S)
    assert server.counts().connections == 2
    assert "Traceback" not in log.read_text()


def test_a_load_process_that_hangs_or_is_killed_is_a_fault(slices: LoadProcess, log: Path) -> None:
    """No answer in time says how long was waited; of a dead process the last line is told."""
    with log.open("a") as file:
        file.write("Traceback and so on\nMemoryError: out of it\n\n")
    (pid,) = slices.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(LoadFault, match=r"did not reply within 0\.2 s"):
        slices.ask(Close("/"), Closed, 0.2)
    os.kill(pid, signal.SIGKILL)
    last_word = r"died.*: MemoryError: out of it"
    with pytest.raises(LoadFault, match=last_word):
        slices.ask(Close("/"), Closed, TIMEOUT_S)
    deadline = time.monotonic() + TIMEOUT_S
    while slices.is_alive:
        assert time.monotonic() < deadline
    with pytest.raises(LoadFault, match=last_word):
        slices.ask(Close("/"), Closed, TIMEOUT_S)


@pytest.mark.timed
def test_a_load_process_that_is_stopped_is_ended_at_once(log: Path) -> None:
    """It would not hear of a quit, nor of SIGTERM: neither is waited for."""
    with LoadProcess(slice_arguments(), log=log, table=log.with_suffix(".csv")) as process:
        process.greet()
        os.kill(process.pids[0], signal.SIGSTOP)
        with pytest.raises(LoadFault, match="it is stopped, as by SIGSTOP"):
            process.ask(Close("/"), Closed, 1.0)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < QUIT_TIMEOUT_S
    assert not process.is_alive


def test_a_locustfile_that_fails_is_a_fault_with_its_last_word(tmp_path: Path, log: Path) -> None:
    """What Locust says when it can't load a file reaches the user."""
    bad = tmp_path / "bad.py"
    bad.write_text("import no_such_module\n")
    arguments = stock_arguments(Endpoint.local(1), 1, str(bad))
    with LoadProcess(arguments, log=log) as process:
        with pytest.raises(LoadFault, match="no_such_module"):
            process.greet()


@pytest.mark.parametrize(
    "client", [pytest.param("fasthttp"), pytest.param("http", marks=pytest.mark.slow)]
)
def test_stock_users_are_counted_as_the_server_counts(
    known: KnownAnswers, log: Path, client: Client
) -> None:
    """Locust's own clients get wrong statuses and wrong bodies told by kind, to the last."""
    # The delay keeps a request of each user under way when they are stopped.
    script = ("plain", "plain", "status", "plain", "body")
    server = known.behave(Behaviour(script=script, delay_s=0.15))
    arguments = stock_arguments(Endpoint.local(server.port), 4)
    environment = stock_environment(client, SCENARIO, 5.0)
    with LoadProcess(arguments, log=log, env=environment) as process:
        process.greet()
        load = process.ask(Load("/", 0.4), Loaded, TIMEOUT_S)
        closed = process.ask(Close("/"), Closed, TIMEOUT_S)
    counts = server.counts()
    errors = expected_errors(counts)
    assert closed.sent_total == counts.requests
    assert msgspec.to_builtins(closed.errors_total) == {
        kind: errors.get(kind, 0) for kind in ErrorCounts.__struct_fields__
    }
    assert load.sent == load.requests + load.errors.total >= 4
    assert 0.4 <= load.end_s - load.begin_s < 5
    assert closed.times_hdr.get(RESPONSE_TIME) is not None


@pytest.mark.timed
def test_stock_users_are_not_waited_for_when_nobody_wants_their_stretch(
    known: KnownAnswers, log: Path
) -> None:
    """An interruption in the middle of a long stretch ends its process before the quit's limit."""
    server = known.behave(Behaviour(delay_s=0.05))
    arguments = stock_arguments(Endpoint.local(server.port), 4)
    environment = stock_environment("fasthttp", SCENARIO, 5.0)
    with LoadProcess(arguments, log=log, env=environment) as process:
        process.greet()
        process.send(Load("/", 600.0))
        assert not process.has_reply(0.3)
        began_s = time.monotonic()
    assert not process.is_alive
    assert time.monotonic() - began_s < QUIT_TIMEOUT_S


@pytest.mark.slow
@pytest.mark.parametrize("client", ["fasthttp", "http"])
@pytest.mark.parametrize("kind", ["reset", "truncated", "silent"])
def test_stock_users_name_a_broken_connection(
    known: KnownAnswers, log: Path, client: Client, kind: str
) -> None:
    """What Locust's clients raise on a broken answer is told as what it was."""
    server = known.behave(Behaviour(opening=("plain",) * 4, script=(kind,)))
    arguments = stock_arguments(Endpoint.local(server.port), 4)
    environment = stock_environment(client, SCENARIO, 0.3)
    with LoadProcess(arguments, log=log, env=environment) as process:
        process.greet()
        process.ask(Load("/", 0.5), Loaded, TIMEOUT_S)
        closed = process.ask(Close("/"), Closed, TIMEOUT_S)
    told = {k: n for k, n in msgspec.to_builtins(closed.errors_total).items() if n}
    assert set(told) == {"timeout" if kind == "silent" else "reset"}, log.read_text()


def test_what_sets_up_load_is_left_out(tmp_path: Path) -> None:
    """Settings of Locust, gevent, Python and proxies don't reach our load; paths do."""
    paths = {"PATH": "/bin", "PYTHONPATH": "/src", "PYTHONUSERBASE": "/base"}
    settings = (
        *("LOCUST_TAGS", "GEVENT_LOOP", "GEVENTARES_SERVERS", "COVERAGE_PROCESS_START", "NETRC"),
        *("PYTHONWARNINGS", "PYTHONTRACEMALLOC", "PYTHONDEVMODE", "http_proxy", "ALL_PROXY"),
    )
    given = {**paths, **dict.fromkeys(settings, "1"), "HOME": "/somewhere"}
    assert load_environment(given, home=tmp_path) == {**paths, "HOME": str(tmp_path)}
