"""Several load processes as one: what they are given adds up, and so does what they report."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_bench.load import master
from asgi_bench.load.histogram import encoded
from asgi_bench.load.master import LoadMaster, merge, share_of
from asgi_bench.load.messages import (
    Close,
    Closed,
    Failed,
    Load,
    Loaded,
    Open,
    Opened,
    Quit,
    Ready,
    Reply,
    encode,
)
from asgi_bench.model import ErrorCounts, OpenFigures, WrongAnswer
from tests.load.loading import target_at


@given(connections=st.integers(0, 3000), workers=st.integers(1, 9))
def test_connections_are_dealt_out_evenly(connections: int, workers: int) -> None:
    """All of them, and to no worker more than one more than to another."""
    whole = Open(target_at(1, connections=connections), 0.5)
    shares = [share_of(whole, index, workers) for index in range(workers)]
    counts = [share.target.connections for share in shares if isinstance(share, Open)]
    assert sum(counts) == connections
    assert max(counts) - min(counts) <= 1


def test_a_rate_is_shared_by_independent_schedules() -> None:
    """Rates add up, and no two workers of any two slices draw from one seed."""
    loads = [
        share_of(Load("/", 1.0, rate_rps=300.0, seed=seed, begin_at_s=5.0), index, 3)
        for seed in (1, 2)
        for index in range(3)
    ]
    assert all(isinstance(load, Load) for load in loads)
    shares = [load for load in loads if isinstance(load, Load)]
    assert [load.rate_rps for load in shares] == [pytest.approx(100)] * 6
    assert len({load.seed for load in shares}) == 6
    assert {load.begin_at_s for load in shares} == {5.0}
    closed = Load("/", 1.0, seed=1)
    # The order in which several requests are drawn is each worker's own too.
    assert share_of(closed, 1, 3) == msgspec.structs.replace(closed, seed=4)
    assert share_of(Close("/"), 1, 3) == Close("/")


ONE = Loaded(
    begin_s=10.0,
    end_s=11.0,
    requests=90,
    sent=100,
    errors=ErrorCounts(status=10),
    load_cpu_s=0.5,
    open_loop=OpenFigures(100, 99, 0, (1, 2, 3, 4), 5, 0.25),
    accounted_share=0.97,
    load_wait_s=0.01,
    times_hdr=encoded({"response_time": [20, 30], "service_time": [10, 20]}),
)
OTHER = Loaded(
    begin_s=10.001,
    end_s=11.2,
    requests=50,
    sent=50,
    errors=ErrorCounts(),
    load_cpu_s=0.4,
    open_loop=OpenFigures(51, 50, 1, (0, 1, 0, 1), 2, 0.5),
    accounted_share=0.99,
    load_wait_s=0.02,
    times_hdr=encoded({"response_time": [40], "generator_lag": [3]}),
)


def test_a_slice_of_several_is_one_slice() -> None:
    """From the first send of any to the last answer of any; counts and CPU time add up."""
    merged = merge([ONE, OTHER])
    assert isinstance(merged, Loaded)
    assert (merged.begin_s, merged.end_s) == (10.0, 11.2)
    assert (merged.requests, merged.sent, merged.errors) == (140, 150, ErrorCounts(status=10))
    assert merged.load_cpu_s == pytest.approx(0.9)
    assert merged.load_wait_s == pytest.approx(0.03)
    assert merged.open_loop == OpenFigures(151, 149, 1, (1, 3, 3, 5), 7, 0.75)
    # One process's shortfall is not made up for by another's.
    assert merged.accounted_share == 0.97
    times_ns = {"response_time": [20, 30, 40], "service_time": [10, 20], "generator_lag": [3]}
    assert merged.times_hdr == encoded(times_ns)


def test_the_rest_adds_up_too() -> None:
    """Greetings, ramps and totals of all."""
    assert merge([Ready((1,)), Ready((2,))]) == Ready((1, 2))
    assert merge([Opened(5.0, (1,)), Opened(6.0, (2,))]) == Opened(11.0, (1, 2))
    times_hdr = encoded({"response_time": [10]})
    one = Closed(times_hdr, 1, 2, 30, ErrorCounts(reset=1), 150)
    other = Closed({}, 1, 0, 12, ErrorCounts(body=1), None)
    assert merge([one, other]) == Closed(times_hdr, 2, 2, 42, ErrorCounts(body=1, reset=1), 150)


def test_wrong_answers_of_all_are_one_list() -> None:
    """Of the same kind the first stands, with all counts."""
    late = WrongAnswer("status", "GET /", "status 500 instead of 200", 2.0, 5, status=500)
    early = msgspec.structs.replace(late, at_s=1.0, count=3, body="'pool'")
    other = msgspec.structs.replace(late, status=429, at_s=3.0)
    bare = Closed({}, 0, 0, 0, ErrorCounts(), None)
    one = msgspec.structs.replace(bare, wrong_answers=(late,), wrong_by_port={1: 5}, unanswered=2)
    two = msgspec.structs.replace(
        bare, wrong_answers=(early, other), wrong_by_port={2: 8}, unanswered=1
    )
    both = merge([one, two])
    assert isinstance(both, Closed)
    assert both.wrong_answers == (msgspec.structs.replace(early, count=8), other)
    assert (both.wrong_by_port, both.unanswered) == ({1: 5, 2: 8}, 3)


def test_one_that_failed_stands_for_all() -> None:
    """A slice that a process could not carry out is no slice."""
    assert merge([ONE, Failed("no"), OTHER]) == Failed("no")
    assert merge([ONE, Ready((1,))]) == Failed("load processes answered Loaded and Ready")


class Master:
    """Locust's master as ours sees it: its workers greet, and `acknowledging` say good-bye."""

    def __init__(self, workers: int, acknowledging: int) -> None:
        names = [SimpleNamespace(id=str(number)) for number in range(workers)]
        self.clients = SimpleNamespace(all=names)
        self.environment = SimpleNamespace(runner=self, web_ui=None)
        self.has_quit = False
        self._acknowledging = acknowledging

    def register_message(self, name: str, take: Callable[..., None]) -> None:
        """Greet by it at once."""
        self._take = take
        for client in self.clients.all:
            self._reply(Ready((int(client.id),)))

    def send_message(self, name: str, data: bytes, client: str) -> None:
        """A worker gets its share of a command, here to quit."""
        if int(client) < self._acknowledging:
            self._reply(Ready(()))

    def quit(self) -> None:
        """End all."""
        self.has_quit = True

    def _reply(self, reply: Reply) -> None:
        self._take(self.environment, SimpleNamespace(data=encode(reply)))


class Quitter:
    """The control of a harness that takes the greeting and quits."""

    def __init__(self, table: Path) -> None:
        self._table = table

    def receive(self) -> Quit:
        """End all."""
        return Quit(str(self._table))

    def send(self, reply: Reply) -> None:
        """Take it."""


@pytest.mark.parametrize("acknowledging", [0, 1, 2])
def test_a_last_report_that_is_not_acknowledged_is_told(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    acknowledging: int,
) -> None:
    """The log says that the table may lack counts, and the table is written all the same."""
    tables: list[Path] = []

    def note(environment: Any, path: Path) -> None:
        tables.append(path)

    monkeypatch.setattr(master, "FLUSH_TIMEOUT_S", 0.1)
    monkeypatch.setattr(master, "write_table", note)
    monkeypatch.setattr(master, "SocketControl", lambda: Quitter(tmp_path / "table.csv"))
    runner = Master(2, acknowledging)
    LoadMaster(runner).serve(2)
    gevent.sleep(0)
    told = [record.getMessage() for record in caplog.records]
    if acknowledging == 2:
        assert told == []
    else:
        (line,) = told
        assert "may lack the last counts: not all of 2 load processes replied" in line
    assert tables == [tmp_path / "table.csv"]
    assert runner.has_quit
