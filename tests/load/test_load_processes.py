"""Locust's own master and workers as one load process, on servers that count what they receive."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.generator import LoadFault, LoadProcess, slice_arguments
from asgi_bench.load.messages import Close, Closed, Load, Loaded, Open, Opened
from asgi_bench.model import GENERATOR_LAG, RESPONSE_TIME, SERVICE_TIME, ErrorCounts
from tests.known_answers import Behaviour, KnownAnswers, expected_errors
from tests.load.loading import target_at
from tests.load.locust_runs import read_table

pytestmark = pytest.mark.slow

TIMEOUT_S = 30.0
DELAY_S = 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where log and table go."""
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(folder: Path) -> Iterator[LoadProcess]:
    """Two workers under a master, which have greeted."""
    arguments = slice_arguments(2)
    with LoadProcess(arguments, log=folder / "load.log", table=folder / "table.csv") as process:
        process.greet()
        yield process


def test_they_are_two_processes_that_can_be_pinned_apart(two: LoadProcess) -> None:
    """Each greets with a pid of its own, by which it is put on a CPU."""
    assert len(set(two.pids)) == 2
    for pid in two.pids:
        cmdline = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"locust" in cmdline
        assert os.sched_getaffinity(pid)


@pytest.mark.timed
def test_their_slices_are_in_step(two: LoadProcess, known: KnownAnswers) -> None:
    """Both send at one moment: a slice of one request each lasts as long as the slower answer."""
    server = known.behave(Behaviour(delay_s=DELAY_S))
    two.ask(Open(target_at(server.port, connections=2), 0.0), Opened, TIMEOUT_S)
    loads = [two.ask(Load("/", 0.01), Loaded, TIMEOUT_S) for _ in range(4)]
    two.ask(Close("/"), Closed, TIMEOUT_S)
    assert [load.sent for load in loads] == [2] * 4
    # Out of step by a message's way and back, the best of four would take half a delay more.
    assert DELAY_S < min(load.end_s - load.begin_s for load in loads) < 1.3 * DELAY_S


def test_their_open_loops_are_one_schedule(two: LoadProcess, known: KnownAnswers) -> None:
    """What is due at both is all sent, answered and counted, each latency in one histogram."""
    server = known.behave(Behaviour())
    two.ask(Open(target_at(server.port, connections=8), 0.0), Opened, TIMEOUT_S)
    before = server.counts_now().requests
    command = Load("/", 0.5, rate_rps=600.0, seed=3)
    load = two.ask(command, Loaded, TIMEOUT_S)
    closed = two.ask(Close("/"), Closed, TIMEOUT_S)
    assert load.open_loop is not None
    assert load.open_loop.due == load.sent == load.requests
    assert load.sent == server.counts().requests - before
    # 300 are due: five standard deviations to either side.
    assert 213 < load.sent < 387
    for blob in (
        closed.times_hdr.get(RESPONSE_TIME),
        closed.times_hdr.get(SERVICE_TIME),
        closed.times_hdr.get(GENERATOR_LAG),
    ):
        histogram = merge_histograms([blob])
        assert histogram is not None and histogram.total == load.sent


def test_a_closed_target_is_gone_at_both(two: LoadProcess) -> None:
    """What one can't carry out is told, and both serve on."""
    with pytest.raises(LoadFault, match="Load: KeyError"):
        two.ask(Load("/", 0.1), Loaded, TIMEOUT_S)


def test_the_last_report_is_acknowledged(
    two: LoadProcess, known: KnownAnswers, folder: Path
) -> None:
    """Counts of both, Locust's table and the server's are one, up to the last request."""
    table = folder / "table.csv"
    script = (*["plain"] * 9, "status", "body", "announced-close", "segments", "truncated")
    server = known.behave(Behaviour(script=script))
    target = msgspec.structs.replace(target_at(server.port, connections=9), name="last")
    two.ask(Open(target, 0.1), Opened, TIMEOUT_S)
    loads = [two.ask(Load("last", 0.1), Loaded, TIMEOUT_S) for _ in range(2)]
    closed = two.ask(Close("last"), Closed, TIMEOUT_S)
    counts = server.counts()
    two.quit()

    errors = expected_errors(counts)
    assert closed.sent_total == counts.requests
    assert msgspec.to_builtins(closed.errors_total) == {
        kind: errors.get(kind, 0) for kind in ErrorCounts.__struct_fields__
    }
    assert counts.connections == 9 + closed.reconnects
    assert all(load.sent == load.requests + load.errors.total > 0 for load in loads)
    row = read_table(table)["last"]
    assert (row.requests, row.failures) == (counts.requests, sum(errors.values()))
    assert not any(Path(f"/proc/{pid}").exists() for pid in two.pids)
    assert "Traceback" not in (folder / "load.log").read_text()


@pytest.mark.parametrize("victim", ["master", pytest.param("worker", marks=pytest.mark.slow)])
def test_nothing_is_left_where_one_was_killed(tmp_path: Path, victim: str) -> None:
    """The next command is a fault, and all the others end with the block."""
    with LoadProcess(slice_arguments(2), log=tmp_path / "load.log") as process:
        process.greet()
        pids = process.pids
        pid = pids[0] if victim == "worker" else parent_of(pids[0])
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(LoadFault):
            process.ask(Close("/"), Closed, 2.0)
    assert not process.is_alive
    deadline = time.monotonic() + TIMEOUT_S
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def parent_of(pid: int) -> int:
    """The process that started another."""
    return int(psutil.Process(pid).ppid())


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it doesn't merely await that someone notes its end."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
