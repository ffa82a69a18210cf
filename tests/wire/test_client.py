"""One request at a time: what is sent, what comes back, and what is said where nothing does."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asgi_bench.model import HOST, Endpoint
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import encode_request
from tests.known_answers import BODY, Behaviour, KnownAnswers

ASKED = Exchange("", encode_request("GET", "/", HOST, {}))
TIMEOUT_S = 10.0


@contextlib.contextmanager
def opened(port: int) -> Iterator[Connection]:
    """A connection to the port, closed at the end."""
    with Connection(Endpoint.local(port)) as connection:
        connection.open(TIMEOUT_S)
        yield connection


Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def served(serve: Serve) -> Iterator[int]:
    """A server that does this to its one connection; its port."""
    with socket.create_server((HOST, 0)) as listener:

        def accept() -> None:
            peer, _ = listener.accept()
            with peer:
                serve(peer)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(TIMEOUT_S)


def known_port(known: KnownAnswers, **behaviour: Any) -> int:
    """The port of a server that behaves so."""
    return known.behave(Behaviour(**behaviour)).port


def test_requests_follow_one_another_on_a_connection(known: KnownAnswers) -> None:
    """Answers of every shape are read whole, each by its request."""
    script = ("plain", "segments", "chunked-bytewise", "interim", "unique", "large")
    server = known.behave(Behaviour(script=script))
    with opened(server.port) as connection:
        for _ in script[:-1]:
            response = connection.ask(ASKED, TIMEOUT_S)
            assert (response.status, response.body, response.closes) == (200, BODY, False)
            assert not connection.has_hung_up()
        assert len(connection.ask(ASKED, TIMEOUT_S).body) == 1_024_000
    assert server.counts().connections == 1


@pytest.mark.parametrize("kind", ["announced-close", "old", "until-close-segments"])
def test_an_answer_that_closes_spends_its_connection(known: KnownAnswers, kind: str) -> None:
    """The answer counts, and nothing more is to be asked there."""
    with opened(known_port(known, script=(kind,))) as connection:
        assert connection.ask(ASKED, TIMEOUT_S).body == BODY
        assert connection.is_spent
        assert connection.has_hung_up()


def test_a_close_while_idle_is_seen(known: KnownAnswers) -> None:
    """Without a word in the answer before it, too."""
    with opened(known_port(known, script=("idle-close",))) as connection:
        connection.ask(ASKED, TIMEOUT_S)
        deadline = time.monotonic() + TIMEOUT_S
        while not connection.has_hung_up():
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        (("empty",), "reset", "closed the connection without a response"),
        (("reset",), "reset", "reset the connection without a response"),
        (
            ("truncated",),
            "reset",
            "closed the connection in the middle of its response: 8 of the 13 bytes of its body "
            "came",
        ),
        (
            ("reset-until-close",),
            "reset",
            "reset the connection in the middle of its response: 13 bytes of a body came that "
            "only the connection's close would end",
        ),
        (("silent",), "timeout", "no complete response within 0.05 s: nothing came"),
        (
            ("half-silent",),
            "timeout",
            "no complete response within 0.05 s: 8 of the 13 bytes of its body came",
        ),
        (
            ("malformed",),
            "body",
            "its answer breaks HTTP/1.1: malformed status line 'HTTP/1.1 fine'",
        ),
        (
            ("huge-head",),
            "body",
            "its response is larger than asgi-bench reads: head over 256 KiB, a limit of "
            "asgi-bench's own",
        ),
        (
            ("garbage",),
            "body",
            "its answer breaks HTTP/1.1: 10 bytes beyond the end of the answer "
            r"(its content-length is 13): '\x00\r\ngarbage'",
        ),
    ],
)
def test_what_is_no_answer_says_why(
    known: KnownAnswers, script: tuple[str, ...], kind: str, text: str
) -> None:
    """Each way to fail is the kind that load counts it as, and quotes what came."""
    timeout_s = 0.05 if kind == "timeout" else TIMEOUT_S
    with opened(known_port(known, script=script)) as connection:
        with pytest.raises(NoAnswer) as caught:
            connection.ask(ASKED, timeout_s)
    assert (caught.value.kind, str(caught.value)) == (kind, text)
    assert caught.value.has_begun == (script[0] not in ("empty", "reset", "silent"))


def test_nothing_that_listens_is_no_connection() -> None:
    """Refused connections have a kind of their own."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match=r"^no connection: Connection refused$") as caught:
        Connection(Endpoint.local(port)).open(TIMEOUT_S)
    assert caught.value.kind == "connect"


def test_bytes_that_come_after_an_answer_are_held_against_it() -> None:
    """They are told the same whether the next request was sent before they came or not."""
    head = b"HTTP/1.1 204 No Content\r\n\r\n"
    told = (
        "its answer breaks HTTP/1.1: 4 bytes beyond the end of the answer "
        "(a 204 has no body): 'null'"
    )
    go_on = threading.Event()

    def late(peer: socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(head)
        go_on.wait(TIMEOUT_S)
        peer.sendall(b"null")
        peer.recv(1000)
        peer.sendall(head)

    with served(late) as port, opened(port) as connection:
        assert connection.ask(ASKED, TIMEOUT_S).status == 204
        connection.send(ASKED)
        go_on.set()
        with pytest.raises(NoAnswer) as caught:
            connection.answer(TIMEOUT_S)
        assert str(caught.value) == told
    go_on.clear()
    with served(late) as port, opened(port) as connection:
        connection.ask(ASKED, TIMEOUT_S)
        go_on.set()
        deadline = time.monotonic() + TIMEOUT_S
        with pytest.raises(NoAnswer) as caught:
            while not connection.has_hung_up():
                assert time.monotonic() < deadline
        assert str(caught.value) == told


def test_an_answer_to_half_a_request_is_the_answer() -> None:
    """A refusal that lies in the socket when the sending fails is read first."""
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large"

    def refuse(peer: socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(refusal)
        # What is left unread makes a reset of the close.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    request = encode_request("POST", "/", HOST, {}, bytes(32 * 1024**2))
    exchange = Exchange("", request, "POST")
    with served(refuse) as port, opened(port) as connection:
        response = connection.ask(exchange, TIMEOUT_S)
        assert (response.status, response.body) == (413, b"too large")
        assert connection.is_spent


def test_requests_sent_at_once_are_answered_in_order(known: KnownAnswers) -> None:
    """Each answer is handed over by itself, however many come together."""
    port = known_port(known, script=("plain", "segments", "chunked", "status"))
    with opened(port) as connection:
        for _ in range(2):
            connection.send(ASKED, times=8)
            answers = [connection.answer(TIMEOUT_S) for _ in range(8)]
            assert [each.status for each in answers] == [200, 200, 200, 500] * 2
            assert not connection.has_hung_up()


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (
            {"script": ("plain", "unannounced-close")},
            "closed the connection after 2 of 4 answers to requests sent at once",
        ),
        (
            {"script": ("plain", "announced-close")},
            "announced to close the connection after 2 of 4 answers to requests sent at once",
        ),
        (
            {"opening": ("plain",), "script": ("silent",)},
            "nothing came after 1 of 4 answers to requests sent at once",
        ),
    ],
)
def test_what_is_not_answered_of_requests_sent_at_once_is_told(
    known: KnownAnswers, behaviour: dict[str, Any], told: str
) -> None:
    """A server that answers some of them is at fault, and it is said how far it came."""
    with opened(known_port(known, **behaviour)) as connection:
        connection.send(ASKED, times=4)
        with pytest.raises(NoAnswer, match=told):
            for _ in range(4):
                connection.answer(0.3)
