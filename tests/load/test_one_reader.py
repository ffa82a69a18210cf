"""Whoever asks, an answer is the same: the client for single requests against the engine."""

import socket
import threading
import time
from contextlib import closing
from typing import NamedTuple

import pytest

from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.model import HOST, Endpoint
from asgi_bench.wire.client import Connection, NoAnswer
from tests.load.loading import go_on, opened, target_at

TIMEOUT_S = 0.2
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"content-length: 2\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"

# Each answer, and what it is to both: its status, or the kind of error it counts as.
ANSWERS: dict[str, tuple[bytes, int | str]] = {
    "204 that says chunked": (b"HTTP/1.1 204 \r\n" + CHUNKED + b"\r\n", 204),
    "204 with a last chunk": (b"HTTP/1.1 204 No\r\n" + CHUNKED + b"\r\n0\r\n\r\n", "body"),
    "304 that says chunked": (b"HTTP/1.1 304 Not Modified\r\n" + CHUNKED + b"\r\n", 304),
    "103 before": (b"HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n" + OK + LENGTH + b"\r\nok", 200),
    "102 before": (b"HTTP/1.1 102 Processing\r\n\r\n" + OK + LENGTH + b"\r\nok", 200),
    "100 before": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\nok", 200),
    "103 alone": (b"HTTP/1.1 103 Early Hints\r\n\r\n", "timeout"),
    "102 headers": (OK + LENGTH + b"set-cookie: a=b\r\n" * 101 + b"\r\nok", 200),
    "a header of 65,540": (OK + LENGTH + b"x: " + b"y" * 65_540 + b"\r\n\r\nok", 200),
    "heads of 66,000": (
        OK + LENGTH + b"".join(b"x%d: %s\r\n" % (i, b"y" * 16_500) for i in range(4)) + b"\r\nok",
        200,
    ),
    "a header over the limit": (OK + LENGTH + b"x: " + b"y" * 270_000 + b"\r\n\r\nok", "body"),
    "a length twice": (OK + LENGTH * 2 + b"\r\nok", 200),
    "a length twice in a line": (OK + b"content-length: 2, 2\r\n\r\nok", 200),
    "lengths that differ": (OK + LENGTH + b"content-length: 3\r\n\r\nok", "body"),
    "length and chunked": (OK + LENGTH + CHUNKED + b"\r\n2\r\nok\r\n0\r\n\r\n", 200),
    "gzip, chunked": (
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "body",
    ),
    "bare line feeds": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", "body"),
    "a folded header": (OK + b"x: a\r\n b\r\n" + LENGTH + b"\r\nok", 200),
    "a space before the colon": (OK + b"x : a\r\n" + LENGTH + b"\r\nok", "body"),
    "bytes beyond the length": (OK + LENGTH + b"\r\nokay", "body"),
    "status 600": (b"HTTP/1.1 600 Odd\r\n" + LENGTH + b"\r\nok", 600),
    "status 999": (b"HTTP/1.1 999 Odd\r\n" + LENGTH + b"\r\nok", 999),
    "a header in latin-1": (OK + b"x: \xe9\r\n" + LENGTH + b"\r\nok", 200),
    "an extension and a trailer": (
        OK + CHUNKED + b"\r\n2;a=b\r\nok\r\n0\r\nx: y\r\n\r\n",
        200,
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\nok", 200),
    "too few bytes": (OK + b"content-length: 3\r\n\r\nok", "timeout"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", "body"),
    "a body over the limit": (OK + b"content-length: 67108865\r\n\r\nok", "body"),
}


def serve(listener: socket.socket, answer: bytes) -> None:
    """Answer the first request of each connection, and keep them all open."""
    peers = []
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            break
        peers.append(peer)
        peer.settimeout(TIMEOUT_S)
        try:
            if peer.recv(4096):
                peer.sendall(answer)
        except OSError:
            continue
    for peer in peers:
        peer.close()


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_the_same_to_all(name: str) -> None:
    """The client takes what the engine takes; what is wrong is the same kind, in the same words."""
    answer, expected = ANSWERS[name]
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve, args=(listener, answer), daemon=True)
        thread.start()
        client, engine = by_client(port), by_engine(port)
        assert client == engine
        assert client.what == expected
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


class Seen(NamedTuple):
    """An answer's status, or the kind of its fault and what is said of it."""

    what: int | str
    text: str = ""


def by_client(port: int) -> Seen:
    """What a single request finds."""
    with Connection(Endpoint.local(port)) as connection:
        connection.open(TIMEOUT_S)
        try:
            response = connection.ask(target_at(port).exchanges[0], TIMEOUT_S)
        except NoAnswer as fault:
            return Seen(fault.kind, str(fault))
    assert response.body == (b"" if response.status in (204, 304) else b"ok")
    return Seen(response.status)


def by_engine(port: int) -> Seen:
    """What load finds: a status is known by its being expected."""
    for status in (200, 204, 304, 600, 999):
        target = target_at(
            port, connections=1, timeout_s=TIMEOUT_S, expect_body=None, expect_status=status
        )
        with closing(opened(target)) as connections:
            connections.send(connections.idle.popleft(), time.perf_counter_ns())
            run_closed_loop(connections, 0.0, go_on)
            if connections.correct:
                return Seen(status)
            (wrong,) = connections.wrong.kept
            if wrong.kind != "status":
                return Seen(wrong.kind, wrong.text)
    raise AssertionError("a status that is not among those expected")
