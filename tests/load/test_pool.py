import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from asgi_bench.load.answers import Taken
from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.pool import Pool
from asgi_bench.load.unpatched import EPOLLIN, EPOLLRDHUP
from tests.known_answers import BODY, Behaviour, KnownAnswers
from tests.load.loading import go_on, opened, target_at

DEADLINE_S = 10.0
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n" + BODY


def await_that(connections: Pool, is_so: Callable[[], bool]) -> None:
    """Handle events until something is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        connections.refresh(0.01)


def ask_once(connections: Pool) -> int:
    """Send one request and await its answer; return the connection, idle again."""
    fd = connections.idle.popleft()
    answered = connections.correct
    assert connections.send(fd, time.perf_counter_ns())
    await_that(connections, lambda: connections.correct > answered)
    return fd


@pytest.mark.parametrize("kind", ["idle-close", "idle-reset"])
def test_a_close_while_idle_is_a_reconnect_and_no_error(known: KnownAnswers, kind: str) -> None:
    """A server may close what nothing was asked on: it is opened anew and nothing went wrong."""
    server = known.behave(Behaviour(script=(kind,)))
    with closing(opened(target_at(server.port, connections=2))) as connections:
        ask_once(connections)
        await_that(connections, lambda: connections.reconnects == 1 and connections.is_settled)
        assert len(connections.idle) == 2
        assert connections.error_counts.total == 0
        assert connections.unasked == 0
        assert connections.sent == connections.correct == 1
    assert server.counts().connections == 3


def test_a_close_between_stretches_is_seen_before_the_next(known: KnownAnswers) -> None:
    """What a server closed between slices is opened anew by refresh: no request meets the end."""
    server = known.behave(Behaviour(script=("plain", "idle-close"), per_connection=True))
    with closing(opened(target_at(server.port, connections=4))) as connections:
        for _ in range(4):
            ask_once(connections)
        for _ in range(4):
            ask_once(connections)
        await_that(connections, lambda: connections.reconnects == 4 and connections.is_settled)
        assert len(connections.idle) == 4
        assert connections.error_counts.total == 0


@pytest.mark.parametrize("kind", ["afterthought", "again"])
def test_bytes_that_nobody_asked_for_are_seen(known: KnownAnswers, kind: str) -> None:
    """Bytes on an idle connection are a wrong answer, even those of the right one once more."""
    server = known.behave(Behaviour(opening=("plain", kind)))
    with closing(opened(target_at(server.port, connections=1))) as connections:
        # The answer is known by now, byte for byte: the second one is equal to it.
        ask_once(connections)
        ask_once(connections)
        await_that(connections, lambda: connections.unasked == 1 and connections.is_settled)
        assert connections.errors["body"] == connections.error_counts.total == 1
        assert connections.sent == connections.correct == 2
        assert connections.reconnects == 1
    assert server.counts().connections == 2


@pytest.mark.parametrize("kind", ["afterthought", "again"])
def test_unasked_bytes_are_seen_within_a_stretch(known: KnownAnswers, kind: str) -> None:
    """A loop does not take unasked bytes for an answer, though they equal the one it knows."""
    server = known.behave(Behaviour(opening=("plain", kind), script=("slow",)))
    with closing(opened(target_at(server.port, connections=2))) as connections:
        ask_once(connections)
        ask_once(connections)
        # One is asked again and slow to answer; the other is idle and speaks up meanwhile.
        assert connections.send(connections.idle.popleft(), time.perf_counter_ns())
        stretch = run_closed_loop(connections, 0.0, go_on)
        assert connections.unasked == connections.error_counts.total == 1
        assert stretch.requests == 1
        assert connections.sent == connections.correct == 3


def test_unasked_bytes_are_seen_at_last_when_closing(known: KnownAnswers) -> None:
    """What an idle connection says after its last slice is still counted."""
    server = known.behave(Behaviour(script=("afterthought",)))
    connections = opened(target_at(server.port, connections=1))
    ask_once(connections)
    assert connections.unasked == 0
    deadline = time.monotonic() + DEADLINE_S
    while not connections.epoll.poll(0.1):
        assert time.monotonic() < deadline
    connections.close()
    assert connections.unasked == connections.errors["body"] == 1
    assert server.counts().connections == 1


@pytest.fixture
def wire() -> "Wire":
    """One connection between a server held by the test and the engine."""
    return Wire()


class Wire:
    """A server's end of one connection, and the engine's."""

    def __init__(self, body: bytes = b"") -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.connections = opened(target_at(port, connections=1, body=body))
        self.server_end, _ = self.listener.accept()
        self.server_end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> int:
        """Send a request and take it on the server's end."""
        fd = self.connections.idle.popleft()
        self.connections.send(fd, time.perf_counter_ns())
        assert self.server_end.recv(4096) == self.connections.request
        return fd

    def event_of(self, fd: int, *, wanted: int) -> int:
        """Await an event of the connection that has these bits."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            for ready, event in self.connections.epoll.poll(0.1):
                if ready == fd and event & wanted == wanted:
                    return int(event)
            assert time.monotonic() < deadline

    def close(self) -> None:
        """Close both ends."""
        self.connections.close()
        self.server_end.close()
        self.listener.close()


def test_a_close_that_comes_with_the_answer_is_seen_at_once(wire: Wire) -> None:
    """An answer and its close in one event: the answer counts, and nothing is sent into the end."""
    with closing(wire):
        fd = wire.ask()
        wire.server_end.sendall(ANSWER)
        wire.server_end.close()
        event = wire.event_of(fd, wanted=EPOLLIN | EPOLLRDHUP)
        connections = wire.connections
        assert connections.receive(fd, event) is Taken.CORRECT
        assert connections.reconnects == 1
        assert not connections.idle
        connections.refresh()
        assert len(connections.idle) == 1
        assert connections.error_counts.total == 0


def test_a_wrong_answer_with_a_close_is_replaced_once(wire: Wire) -> None:
    """An announced close that is there already, after a wrong status, makes one reconnect."""
    with closing(wire):
        fd = wire.ask()
        wire.server_end.sendall(
            b"HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        wire.server_end.close()
        event = wire.event_of(fd, wanted=EPOLLIN | EPOLLRDHUP)
        connections = wire.connections
        assert connections.receive(fd, event) is Taken.WRONG
        connections.refresh()
        assert (connections.reconnects, connections.errors["status"]) == (1, 1)
        assert connections.error_counts.total == 1


def test_an_answer_to_half_a_request_costs_the_connection() -> None:
    """What is left of a request must not run into the next one."""
    with closing(Wire(body=b"x" * 50_000_000)) as wire:
        connections = wire.connections
        fd = connections.idle.popleft()
        assert connections.send(fd, time.perf_counter_ns())
        wire.server_end.sendall(ANSWER)
        event = wire.event_of(fd, wanted=EPOLLIN)
        assert connections.receive(fd, event) is Taken.CORRECT
        assert connections.reconnects == 1


def test_a_known_answer_in_pieces_is_compared_not_parsed(wire: Wire) -> None:
    """However a known answer is split it is right, and so is a new one that begins alike."""
    with closing(wire):
        connections = wire.connections
        other = ANSWER.replace(b"200 OK\r\n", b"200 OK\r\nx: y\r\n")
        answers = [ANSWER, ANSWER, other, other, ANSWER]
        for number, answer in enumerate(answers, start=1):
            fd = wire.ask()
            for start in range(0, len(answer), 7):
                assert connections.correct == number - 1
                wire.server_end.sendall(answer[start : start + 7])
                connections.receive(fd, wire.event_of(fd, wanted=EPOLLIN))
            assert connections.correct == number
            assert connections.good == answer
        assert connections.error_counts.total == 0


def test_a_different_answer_that_begins_alike_is_not_taken_for_the_known_one(wire: Wire) -> None:
    """An answer that leaves the known one's path late is judged by itself."""
    with closing(wire):
        connections = wire.connections
        for answer in (ANSWER, ANSWER[:-1] + b"?"):
            fd = wire.ask()
            for piece in (answer[:-3], answer[-3:]):
                wire.server_end.sendall(piece)
                connections.receive(fd, wire.event_of(fd, wanted=EPOLLIN))
        assert (connections.correct, connections.errors["body"]) == (1, 1)
        assert connections.good == ANSWER
        assert connections.reconnects == 0


def test_a_connection_that_is_never_accepted_times_out() -> None:
    """Opening has the time-out of a request, and counts as a failed connection."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        # Beyond what the backlog holds the kernel drops further requests to connect.
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        connections = stack.enter_context(closing(Pool(target_at(port, timeout_s=0.05))))
        connections.connect()
        await_that(connections, lambda: connections.errors["connect"] > 0)
        assert not connections.idle
        assert connections.sent == 0


def test_local_ports_are_those_of_the_open_connections(known: KnownAnswers) -> None:
    """The client ports by which the server's side of a connection can be found."""
    server = known.behave(Behaviour())
    with closing(opened(target_at(server.port, connections=3))) as connections:
        ports = connections.client_ports
        assert len(set(ports)) == 3
        assert server.port not in ports
    assert connections.client_ports == []


def test_a_pool_is_small_enough_to_be_fast() -> None:
    """CPython 3.11 calls methods of an object with 30 attributes or more some 70 ns slower."""
    with closing(Pool(target_at(1))) as connections:
        assert len(vars(connections)) < 30
