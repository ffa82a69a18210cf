"""Load on rooms: what one connection sends, all have to receive."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import numpy as np
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.load.open_loop import run_open_loop
from asgi_bench.load.target import Target
from asgi_bench.model import RESPONSE_TIME, Message
from tests.load.loading import conversation_at, go_on, opened, tally

TEXT = "Hello?"


class Member:
    """One connection of a client, and the room it is in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.peer = WSConnection(ConnectionType.SERVER)
        self.room = ""

    @property
    def is_open(self) -> bool:
        """Whether it may be sent messages."""
        return self.peer.state is ConnectionState.OPEN

    def say(self, *events: Event) -> None:
        """Send what some events come to; who is gone hears nothing."""
        with suppress(OSError, LocalProtocolError):
            self.sock.sendall(b"".join(map(self.peer.send, events)))


class Rooms:
    """A server of rooms by wsproto; every nth message goes wrong on the last of its room."""

    def __init__(self, wrong: str | None, every: int) -> None:
        self._wrong = wrong
        self._every = every
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._members: list[Member] = []
        self.rooms: set[str] = set()
        self.is_over = False
        self.received = self.went_wrong = self.opened = 0

    def serve(self) -> None:
        """Serve until it is over."""
        while not self.is_over:
            socks = [self._listener, *(member.sock for member in self._members)]
            readable = select.select(socks, [], [], 0.02)[0]
            if self._listener in readable:
                self._members.append(Member(self._listener.accept()[0]))
            for member in list(self._members):
                if member.sock in readable:
                    self._hear(member)
        for member in self._members:
            member.sock.close()
        self._listener.close()

    def _hear(self, member: Member) -> None:
        try:
            data = member.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._members.remove(member)
            member.sock.close()
            return
        member.peer.receive_data(data)
        for event in member.peer.events():
            if isinstance(event, Request):
                member.room = event.target
                self.rooms.add(event.target)
                self.opened += 1
                member.say(AcceptConnection())
            elif isinstance(event, TextMessage):
                self._pass_on(member.room, event)

    def _pass_on(self, room: str, message: TextMessage) -> None:
        self.received += 1
        is_wrong = self._wrong is not None and self.received % self._every == 0
        self.went_wrong += is_wrong
        # Who has closed may still be on the way out.
        present = [one for one in self._members if one.room == room and one.is_open]
        for member in present[: -1 if is_wrong else None]:
            member.say(message)
        if not is_wrong:
            return
        last = present[-1]
        if self._wrong == "other":
            last.say(TextMessage(data=message.data + "!"))
        elif self._wrong == "twice":
            last.say(message, message)
        elif self._wrong == "close":
            last.say(CloseConnection(code=1011))
        elif self._wrong == "ping":
            last.say(Ping(payload=b"?"), message)


@contextmanager
def rooms(wrong: str | None = None, every: int = 3) -> Iterator[tuple[int, Rooms]]:
    """Serve rooms in a thread; its port, and what was counted."""
    served = Rooms(wrong, every)
    thread = threading.Thread(target=served.serve)
    thread.start()
    try:
        yield served.port, served
    finally:
        served.is_over = True
        thread.join()


def room_at(port: int, *, connections: int = 5, timeout_s: float = 5.0) -> Target:
    """A room of some connections."""
    return conversation_at(
        port,
        Message(send=TEXT),
        Message(expect=TEXT),
        connections=connections,
        timeout_s=timeout_s,
        is_broadcast=True,
    )


def test_a_request_is_right_when_all_have_it() -> None:
    """One message out, five in, one request; its time is that of the last."""
    with rooms() as (port, served), closing(opened(room_at(port))) as pool:
        assert len(pool.idle) == 1
        client = tally(pool, run_closed_loop(pool, 0.1, go_on))
    assert client.faults == {}
    assert client.correct == client.sent == served.received > 3
    assert len(served.rooms) == 1
    assert served.opened == 5


def test_an_open_loop_sends_on_its_schedule() -> None:
    """Broadcasts that are due are sent one after the other, and timed from when they were due."""
    with rooms() as (port, served), closing(opened(room_at(port))) as pool:
        due = np.arange(20, dtype=np.int64) * 2_000_000
        client = tally(pool, run_open_loop(pool, due, 0.05, go_on))
    assert client.correct == client.sent == served.received == 20
    assert len(client.stretch.times_ns[RESPONSE_TIME]) == 20


@pytest.mark.parametrize(
    ("wrong", "kind"), [("other", "body"), ("twice", "body"), ("close", "reset"), ("ping", None)]
)
def test_one_wrong_copy_makes_a_request_wrong(wrong: str, kind: str | None) -> None:
    """It is counted once, and the room is entered anew; a ping in one copy is no fault."""
    with rooms(wrong) as (port, served), closing(opened(room_at(port))) as pool:
        client = tally(pool, run_closed_loop(pool, 0.15, go_on))
    assert client.sent == served.received > served.went_wrong > 0
    assert client.faults == ({kind: served.went_wrong} if kind else {})
    assert client.correct == client.sent - (served.went_wrong if kind else 0)


def test_a_copy_that_never_comes_is_a_time_out() -> None:
    """A room is left when one of its connections waits too long."""
    with rooms("nothing") as (port, served):
        target = room_at(port, timeout_s=0.2)
        with closing(opened(target)) as pool:
            client = tally(pool, run_closed_loop(pool, 0.1, go_on))
    assert client.sent == served.received
    assert client.faults == {"timeout": served.went_wrong}
