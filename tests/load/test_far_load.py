"""Load processes of other hosts under their master, as real processes on loopback."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest

from asgi_bench.load.generator import (
    FAR_MASTER,
    FAR_WORKER,
    LoadFault,
    LoadProcess,
    far_arguments,
)
from asgi_bench.load.messages import (
    Close,
    Closed,
    Load,
    Loaded,
    Open,
    Opened,
    Survey,
    Surveyed,
)
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import HOST, NEARBY_TIME
from asgi_bench.model.endpoint import TOKEN_VARIABLE
from tests.known_answers import Behaviour, KnownAnswers, expected_errors
from tests.load.loading import target_at

pytestmark = pytest.mark.slow

TOKEN = "the token of a test"
TIMEOUT_S = 60.0
DELAY_S = 0.1


def start_worker(port: int, token: str = TOKEN) -> subprocess.Popen[str]:
    """A load process as another host would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", FAR_WORKER, HOST, str(port)],
        env={**os.environ, TOKEN_VARIABLE: token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def two_hosts(folder: Path) -> Iterator[tuple[LoadProcess, list[subprocess.Popen[str]]]]:
    """A master with two load processes, which have been let in."""
    port = free_endpoint(random.Random()).port
    with ExitStack() as stack:
        workers = []
        for _ in range(2):
            worker = stack.enter_context(start_worker(port))
            stack.callback(worker.kill)
            workers.append(worker)
        master = LoadProcess(
            far_arguments(HOST, port, 2),
            log=folder / "load.log",
            env={TOKEN_VARIABLE: TOKEN},
            module=FAR_MASTER,
        )
        with master as process:
            process.greet(TIMEOUT_S)
            yield process, workers


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadProcess]:
    """Such a master."""
    with two_hosts(tmp_path_factory.mktemp("far")) as (process, _):
        yield process


def test_they_know_their_hosts_and_clocks(two: LoadProcess, known: KnownAnswers) -> None:
    """On one machine both clocks are ours, and the network has a round trip and a bandwidth."""
    server = known.behave(Behaviour())
    surveyed = two.ask(Survey(), Surveyed, TIMEOUT_S)
    opened = two.ask(Open(target_at(server.port, connections=4), 0.0), Opened, TIMEOUT_S)
    closed = two.ask(Close("/"), Closed, TIMEOUT_S)
    assert [host.name for host in surveyed.hosts] == [socket.gethostname()] * 2
    for host in surveyed.hosts:
        assert host.address == HOST
        # To the length of a message, which may wait for a CPU.
        assert abs(host.clock_offset_s) < 1.0
        assert host.before is not None
        assert host.before.round_trip_s == host.round_trip_s > 0
        assert (host.before.to_host_bytes_per_s or 0) > 0
        assert (host.before.from_host_bytes_per_s or 0) > 0
    assert len(opened.client_ports) == 4
    # No slice was loaded, so there is no time.
    assert NEARBY_TIME not in closed.times_hdr


@pytest.mark.timed
def test_their_slices_are_in_step(two: LoadProcess, known: KnownAnswers) -> None:
    """Both send at one moment, and how late the later one was is told."""
    server = known.behave(Behaviour(delay_s=DELAY_S))
    two.ask(Open(target_at(server.port, connections=2), 0.0), Opened, TIMEOUT_S)
    loads = [two.ask(Load("/", 0.01), Loaded, TIMEOUT_S) for _ in range(4)]
    two.ask(Close("/"), Closed, TIMEOUT_S)
    assert [load.sent for load in loads] == [2] * 4
    # Out of step by a message's way and back, the best of four would take half a delay more.
    assert DELAY_S < min(load.end_s - load.begin_s for load in loads) < 1.3 * DELAY_S
    assert [len(load.by_host) for load in loads] == [2] * 4
    assert min(max(host.late_s for host in load.by_host) for load in loads) < 0.3 * DELAY_S
    assert all(host.cpu_share >= 0 for load in loads for host in load.by_host)


def test_all_that_was_sent_is_counted(two: LoadProcess, known: KnownAnswers) -> None:
    """By both together, as the server has it: right answers, and wrong ones by kind."""
    server = known.behave(Behaviour(script=(*["plain"] * 9, "status", "body")))
    target = msgspec.structs.replace(target_at(server.port, connections=9), name="all")
    two.ask(Open(target, 0.1), Opened, TIMEOUT_S)
    loads = [two.ask(Load("all", 0.1), Loaded, TIMEOUT_S) for _ in range(2)]
    closed = two.ask(Close("all"), Closed, TIMEOUT_S)
    counts = server.counts()
    assert closed.sent_total == counts.requests
    assert closed.errors_total.total == sum(expected_errors(counts).values()) > 0
    assert all(load.sent == load.requests + load.errors.total > 0 for load in loads)


def test_no_other_address_is_loaded(two: LoadProcess) -> None:
    """Whatever the master says: a load process loads the master's own address."""
    target = target_at(80)
    elsewhere = msgspec.structs.replace(target.endpoint, address=("127.0.0.2", 80))
    target = msgspec.structs.replace(target, endpoint=elsewhere)
    with pytest.raises(LoadFault, match=r"told to load 127\.0\.0\.2, which isn't its master"):
        two.ask(Open(target, 0.0), Opened, TIMEOUT_S)


def test_who_does_not_know_the_token_is_turned_away(tmp_path: Path) -> None:
    """It ends with one line, and the run waits on for those that do."""
    port = free_endpoint(random.Random()).port
    master = LoadProcess(
        far_arguments(HOST, port, 1),
        log=tmp_path / "load.log",
        env={TOKEN_VARIABLE: TOKEN},
        module=FAR_MASTER,
    )
    with master as process, start_worker(port, "another token than that") as stranger:
        told, _ = stranger.communicate(timeout=TIMEOUT_S)
        assert stranger.returncode == 1
        assert "turned this load process away: it needs the run's token" in told
        assert not process.has_reply(0.0)
        with start_worker(port) as worker:
            process.greet(TIMEOUT_S)
            process.quit()
            assert worker.wait(TIMEOUT_S) == 0


@pytest.mark.parametrize(("how", "is_amid_load"), [(signal.SIGKILL, False), (signal.SIGSTOP, True)])
def test_a_load_host_that_dies_or_hangs_is_told_within_seconds(
    tmp_path: Path, known: KnownAnswers, how: signal.Signals, is_amid_load: bool
) -> None:
    """The next reply names it; the other one ends with the master."""
    server = known.behave(Behaviour())
    with two_hosts(tmp_path) as (process, workers):
        process.ask(Open(target_at(server.port, connections=4), 0.0), Opened, TIMEOUT_S)
        if is_amid_load:
            process.send(Load("/", 3.0))
        workers[0].send_signal(how)
        if not is_amid_load:
            process.send(Load("/", 0.1))
        with pytest.raises(LoadFault, match=f"load host {socket.gethostname()} is gone"):
            process.reply(Loaded, TIMEOUT_S)
        process.quit()
        workers[1].wait(TIMEOUT_S)


def test_a_killed_master_ends_its_load_hosts_within_seconds(
    tmp_path: Path, known: KnownAnswers
) -> None:
    """Amid load, too: nobody is to go on loading for nobody."""
    server = known.behave(Behaviour())
    with two_hosts(tmp_path) as (process, workers):
        process.ask(Open(target_at(server.port, connections=4), 0.0), Opened, TIMEOUT_S)
        process.send(Load("/", 50.0))
        (pid,) = process.group_pids
        os.kill(pid, signal.SIGKILL)
        began_s = time.monotonic()
        for worker in workers:
            told, _ = worker.communicate(timeout=TIMEOUT_S)
            assert worker.returncode == 1
            assert "the master gave no sign for 6 s" in told
        # Six seconds, and room for a machine that is busy elsewhere; the load alone takes 50.
        assert time.monotonic() - began_s < 40
