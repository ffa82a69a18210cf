"""A user's own locustfile under the harness's commands: counted exactly, whenever a slice ends."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import msgspec
import pytest

from asgi_bench.analysis.percentiles import merge_histograms
from asgi_bench.load.generator import LoadFault, LoadProcess, Refusal, stock_arguments
from asgi_bench.load.messages import Close, Closed, Load, Loaded
from asgi_bench.load.user import STRETCH_S
from asgi_bench.model import RESPONSE_TIME, Endpoint
from tests.analysis.validity.test_answers import why_not_credited
from tests.known_answers import Behaviour, KnownAnswers, expected_errors
from tests.situation import Said, situation

pytestmark = pytest.mark.slow

TIMEOUT_S = 30.0
DELAY_S = 0.02
CONNECTIONS = 4
VISITOR = """
from asgi_bench.load import FastUser


class Visitor(FastUser):
    connections = 4
    expect_body = b"Hello, world!"
"""
SHAPE = """
from locust import LoadTestShape


class Steps(LoadTestShape):
    def tick(self):
        return (1, 10) if self.get_run_time() < 0.5 else {rest}
"""


ELSEWHERE = """
    def __init__(self, environment):
        super().__init__(environment)
        self.host = "http://127.0.0.1:{port}"


from locust import events


@events.quitting.add_listener
def judge(environment, **_):
    environment.process_exit_code = 3
"""


class HasPort(Protocol):
    """Where users are sent."""

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""


@contextmanager
def recorded(
    folder: Path, server: HasPort, locustfile: str, connections: int = CONNECTIONS
) -> Iterator[LoadProcess]:
    """A load process with users of a locustfile, which has greeted."""
    file = folder / "users.py"
    file.write_text(locustfile)
    arguments = stock_arguments(Endpoint.local(server.port), connections, str(file))
    with LoadProcess(arguments, log=folder / "load.log", is_users_own=True) as process:
        process.greet()
        yield process


class Slice(msgspec.Struct, frozen=True):
    """A slice, and what the server received from just before until just after it."""

    loaded: Loaded
    received: int
    outside_s: float

    @property
    def missed(self) -> int:
        """What the server received and the slice doesn't hold."""
        return self.received - self.loaded.sent


def sliced(process: LoadProcess, server: KnownAnswers, duration_s: float) -> Slice:
    """Have one slice recorded."""
    began_s, before = time.perf_counter(), server.counts_now().requests
    loaded = process.ask(Load("/", duration_s), Loaded, TIMEOUT_S)
    received = server.counts_now().requests - before
    outside_s = time.perf_counter() - began_s - (loaded.end_s - loaded.begin_s)
    return Slice(loaded, received, outside_s)


@pytest.mark.parametrize("stretches", [0.3, 0.6, 1.5])
def test_a_slice_holds_what_a_fast_user_did_in_it(
    known: KnownAnswers, tmp_path: Path, stretches: float
) -> None:
    """Counts and errors are the server's for slices of any length, not of whole stretches."""
    # Each delayed: nobody, however fast, gets more answers out of the time beside a slice.
    server = known.behave(Behaviour(script=("plain",) * 4 + ("status",), delay_s=DELAY_S))
    with recorded(tmp_path, server, VISITOR) as process:
        process.ask(Load("/", 0.2, is_step=True), Loaded, TIMEOUT_S)
        slices = [sliced(process, server, stretches * STRETCH_S) for _ in range(3)]
        closed = process.ask(Close("/"), Closed, TIMEOUT_S)
    for piece in slices:
        at_edges = CONNECTIONS * (piece.outside_s / DELAY_S + 2)
        assert -CONNECTIONS <= piece.missed <= at_edges
        share = piece.loaded.errors.status / piece.loaded.sent
        # Which of a script's turns are in a slice is chance for one round of them and an edge.
        assert abs(share - 1 / 5) * piece.loaded.sent <= 5
    counts = server.counts()
    assert closed.sent_total == counts.requests
    assert closed.errors_total.status == expected_errors(counts)["status"]


def test_the_response_times_are_those_of_the_slices(known: KnownAnswers, tmp_path: Path) -> None:
    """All right answers within slices, but the first on each connection in each stretch."""
    server = known.behave(Behaviour(delay_s=DELAY_S))
    with recorded(tmp_path, server, VISITOR) as process:
        process.ask(Load("/", 0.3, is_step=True), Loaded, TIMEOUT_S)
        slices = [sliced(process, server, 0.7 * STRETCH_S) for _ in range(4)]
        closed = process.ask(Close("/"), Closed, TIMEOUT_S)
    histogram = merge_histograms([closed.times_hdr.get(RESPONSE_TIME)])
    assert histogram is not None
    requests = sum(piece.loaded.requests for piece in slices)
    # A slice that is shorter than a stretch has part in two of them at most, one that lasts longer
    # on a busy machine in more.
    begun = sum(2 + (each.loaded.end_s - each.loaded.begin_s) // STRETCH_S for each in slices)
    assert requests - CONNECTIONS * begun <= histogram.total <= requests
    assert min(histogram.values_ns) > 0.99 * DELAY_S * 1e9


def test_as_many_fast_users_start_as_have_the_connections(
    known: KnownAnswers, tmp_path: Path
) -> None:
    """Two users of four connections each for eight of them, not eight users."""
    server = known.behave(Behaviour())
    with recorded(tmp_path, server, VISITOR, connections=8) as process:
        process.ask(Load("/", 0.3), Loaded, TIMEOUT_S)
        process.ask(Close("/"), Closed, TIMEOUT_S)
    assert server.counts().connections == 8


def test_no_user_starts_where_their_number_can_not_be(known: KnownAnswers, tmp_path: Path) -> None:
    """The process says which numbers there are, and nothing was sent."""
    server = known.behave(Behaviour())
    told = "no number of the locustfile's users has 6 connections together: 1 has 4, 2 have 8"
    with pytest.raises(Refusal, match=told):
        with recorded(tmp_path, server, VISITOR, connections=6):
            pass
    assert server.counts().connections == 0


def test_no_user_starts_before_it_is_asked_for(known: KnownAnswers, tmp_path: Path) -> None:
    """A process that greets and has nothing to do ends at once, without a request."""
    server = known.behave(Behaviour())
    with recorded(tmp_path, server, VISITOR):
        pass
    assert server.counts().connections == 0
    assert "Traceback" not in (tmp_path / "load.log").read_text()


def test_the_steps_of_a_shape_are_one_load(known: KnownAnswers, tmp_path: Path) -> None:
    """Locust says after each step that users are up; the harness gets its answers in turn."""
    server = known.behave(Behaviour(delay_s=0.005))
    with recorded(tmp_path, server, VISITOR + SHAPE.format(rest="(3, 10)")) as process:
        loads = [process.ask(Load("/", 0.8), Loaded, TIMEOUT_S) for _ in range(3)]
        closed = process.ask(Close("/"), Closed, TIMEOUT_S)
    counts = server.counts()
    assert all(load.requests > 0 for load in loads)
    assert all(load.users is not None and load.users.has_shape for load in loads)
    assert loads[-1].users is not None and loads[-1].users.users == pytest.approx(3)
    assert closed.sent_total == counts.requests
    # Whatever connections were asked for: a shape has users of its own.
    assert counts.connections == 3 * CONNECTIONS
    assert "Traceback" not in (tmp_path / "load.log").read_text()


def test_a_shape_that_ends_within_a_slice_is_a_fault(known: KnownAnswers, tmp_path: Path) -> None:
    """Half a slice without load is no measurement: the line says what ended."""
    server = known.behave(Behaviour(delay_s=0.005))
    told = re.escape("its users stopped before the slice ended (a LoadTestShape must last longer")
    with recorded(tmp_path, server, VISITOR + SHAPE.format(rest="None")) as process:
        with pytest.raises(LoadFault, match=told):
            process.ask(Load("/", 20.0), Loaded, TIMEOUT_S)


@situation(
    "credit",
    "A FastUser of your locustfile sets a host of its own when it is made",
    says="… of … requests went to 127.0.0.1:…, which isn't the server under test",
)
def test_fast_users_of_another_host_are_told(
    said: Said, known: KnownAnswers, tmp_path: Path
) -> None:
    """All they sent went elsewhere; and the exit code that the file sets is known at the end."""
    server = known.behave(Behaviour(delay_s=0.005))
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        file = VISITOR + ELSEWHERE.format(port=server.port)
        with recorded(tmp_path, SimpleNamespace(port=nobody.getsockname()[1]), file) as process:
            loaded = process.ask(Load("/", 0.5), Loaded, TIMEOUT_S)
            process.ask(Close("/"), Closed, TIMEOUT_S)
    assert loaded.users is not None
    said(why_not_credited(loaded.users, requests=loaded.requests))
    assert loaded.users.elsewhere == loaded.requests > 0
    assert process.exit_code == 3
