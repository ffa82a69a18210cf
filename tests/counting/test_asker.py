"""The client that a counted server is asked by: one request at a time."""

import contextlib
import select
from collections.abc import Iterator

import pytest

from asgi_bench.counting.asker import Asker
from asgi_bench.model import Endpoint, Request
from asgi_bench.serving.faults import ServerFault
from tests.known_answers import BODY, Behaviour, KnownAnswers, unused_port

TIMEOUT_S = 10.0
ASKED = Request("hello", expect_body=BODY.decode())


@contextlib.contextmanager
def asking(port: int, connections: int = 1) -> Iterator[Asker]:
    """A client of a server, closed at the end."""
    asker = Asker(Endpoint.local(port), ASKED, connections, TIMEOUT_S)
    try:
        yield asker
    finally:
        asker.close()


def ask(asker: Asker, times: int = 1) -> None:
    """Request so many answers, each awaited by its descriptor as when several servers are asked."""
    for _ in range(times):
        asker.send()
        while not asker.take():
            assert select.select([asker], [], [], TIMEOUT_S)[0]


def test_connections_take_turns() -> None:
    """Requests are spread over all of them evenly, and each is kept."""
    with KnownAnswers(Behaviour(script=("plain", "segments", "chunked-bytewise"))) as server:
        with asking(server.port, connections=3) as asker:
            ask(asker, 7)
            assert asker.answered == 7
        counts = server.counts()
        assert (counts.requests, counts.connections) == (7, 3)


def test_a_connection_that_the_server_closes_is_opened_again() -> None:
    """In its place: the next ones are asked as ever."""
    with KnownAnswers(Behaviour(script=("announced-close",), per_connection=True)) as server:
        with asking(server.port, connections=2) as asker:
            ask(asker, 5)
            assert asker.answered == 5
        assert server.counts().connections == 5


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("status", "after 2 answers: status 500 instead of 200"),
        ("body", "after 2 answers: a body other than the expected one of"),
        ("reset", "after 2 answers: "),
    ],
)
def test_what_is_wrong_ends_the_count(kind: str, told: str) -> None:
    """No count is made of answers that aren't right; how many were right before is told."""
    with (
        KnownAnswers(Behaviour(opening=("plain", "plain"), script=(kind,))) as server,
        asking(server.port) as asker,
    ):
        ask(asker, 2)
        with pytest.raises(ServerFault, match=f"^{told}"):
            ask(asker)
        assert asker.answered == 2


def test_a_server_that_is_not_there_is_a_fault() -> None:
    """As when it ended between two requests."""
    with asking(unused_port()) as asker, pytest.raises(ServerFault, match="no connection: "):
        asker.send()
