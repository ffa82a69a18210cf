"""The server that calibrates the generator, as a real process and by its functions."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from asgi_bench.model import (
    HOST,
    Scenario,
)
from asgi_bench.serving import null_server
from asgi_bench.serving.null_server import ANSWER, answer_forever, listen
from asgi_bench.serving.readiness import wait_until_ready

from .conftest import MakeServer

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Ended(Exception):
    """Leaves the loop of a server."""


class EndingListener(socket.socket):
    """A listener that ends its server: a thread can't be killed."""

    is_ending = False

    def accept(self) -> tuple[socket.socket, object]:
        """Accept, or leave the server's loop."""
        if self.is_ending:
            raise Ended
        return super().accept()


@pytest.fixture
def process_port(make_server: MakeServer, scenario: Scenario) -> Iterator[int]:
    """The port of a null server that was found ready as any server is, and ends in order."""
    command = (sys.executable, "-I", "-S", null_server.__file__, HOST, "{port}")
    with make_server(command=command) as server:
        assert wait_until_ready(server, scenario, 1, 20).errors.total == 0
        yield server.endpoint.port


@pytest.fixture
def thread_port() -> Iterator[int]:
    """The port of one that runs in a thread."""
    with EndingListener(fileno=listen(HOST, 0).detach()) as listener:
        listener.setblocking(False)
        port: int = listener.getsockname()[1]
        server = threading.Thread(target=_serve, args=(listener,), daemon=True)
        server.start()
        yield port
        listener.is_ending = True
        with connect(port):
            server.join(10)
        assert not server.is_alive()


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(Ended):
        answer_forever(listener)


@pytest.fixture(params=["process", "thread"])
def server_port(request: pytest.FixtureRequest) -> int:
    """The port of a null server, run in either way."""
    port: int = request.getfixturevalue(f"{request.param}_port")
    return port


def connect(port: int) -> socket.socket:
    """A connection that never waits long."""
    return socket.create_connection((HOST, port), timeout=10)


def receive(connection: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer where the server closed."""
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data


def test_each_request_gets_the_one_answer(server_port: int) -> None:
    """Alone, several at once, or in pieces: as many answers as requests, byte for byte."""
    with connect(server_port) as connection:
        connection.sendall(REQUEST)
        assert receive(connection, len(ANSWER)) == ANSWER
        connection.sendall(REQUEST * 3 + REQUEST[:20])
        assert receive(connection, 3 * len(ANSWER)) == ANSWER * 3
        connection.sendall(REQUEST[20:-1])
        connection.sendall(REQUEST[-1:] + REQUEST)
        assert receive(connection, 2 * len(ANSWER)) == ANSWER * 2


def test_connections_are_independent(server_port: int) -> None:
    """One that sent half a request, or was reset, holds up no other."""
    with connect(server_port) as half, connect(server_port) as whole:
        half.sendall(REQUEST[:10])
        with connect(server_port) as rude:
            # Closing with this option resets the connection.
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        whole.sendall(REQUEST)
        assert receive(whole, len(ANSWER)) == ANSWER
        half.sendall(REQUEST[10:])
        assert receive(half, len(ANSWER)) == ANSWER


def test_a_closed_connection_is_closed_back(server_port: int) -> None:
    """The end of a stream is answered by the end of the other."""
    with connect(server_port) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection, 1) == b""


def test_one_who_never_reads_is_dropped(server_port: int) -> None:
    """A client that takes no answers is cut off when there is no room for more of them."""
    with connect(server_port) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with pytest.raises(ConnectionError):
            for _ in range(100_000):
                deaf.sendall(REQUEST * 100)
    with connect(server_port) as other:
        other.sendall(REQUEST)
        assert receive(other, len(ANSWER)) == ANSWER
