"""Connections that live for some requests, on a server that counts them itself."""

import errno
from pathlib import Path

import msgspec
import pytest

from asgi_bench.load.openings import Openings
from asgi_bench.load.target import Target
from asgi_bench.load.wrong_answers import WrongAnswers
from asgi_bench.model import HANDSHAKE_TIME
from asgi_bench.serving.places import make_certificate
from asgi_bench.wire.conversation import converse
from tests.known_answers import Behaviour, KnownAnswers, expected_errors
from tests.known_answers.tls_front import TlsFront
from tests.load.loading import Tally, load, target_at


def _short(target: Target, requests: int) -> Target:
    return msgspec.structs.replace(target, conversations=requests)


def _opened(client: Tally) -> int:
    return len(client.stretch.times_ns.get(HANDSHAKE_TIME, []))


@pytest.mark.parametrize("script", [("plain",), ("unique", "chunked-bytewise", "segments")])
def test_each_connection_carries_its_requests_and_no_more(
    known: KnownAnswers, script: tuple[str, ...]
) -> None:
    """Three of them; what was opened is timed, and counts equal the server's own."""
    server = known.behave(Behaviour(script=script))
    client = load(_short(target_at(server.port, connections=2), 3), 0.3)
    counts = server.counts()
    assert client.faults == {}
    assert client.correct == client.sent == counts.requests
    assert 3 * client.reconnects <= counts.requests <= 3 * counts.connections
    # The last ones may not be open when the stretch ends.
    assert counts.connections - 2 <= client.reconnects <= counts.connections
    assert counts.connections - 2 <= _opened(client) <= counts.connections
    assert client.reconnects > 0


def test_wrong_answers_are_answers_too(known: KnownAnswers) -> None:
    """A refused answer is one of a connection's; a reset ends it before."""
    server = known.behave(Behaviour(script=("plain", "status", "plain", "truncated", "body")))
    client = load(_short(target_at(server.port, connections=2), 2), 0.3)
    counts = server.counts()
    errors = expected_errors(counts)
    assert client.faults == errors
    assert client.correct == counts.requests - sum(errors.values())


@pytest.mark.parametrize("resumes", [False, True])
def test_a_session_is_resumed_where_that_is_asked_for(
    known: KnownAnswers, tmp_path: Path, resumes: bool
) -> None:
    """Of one connection at a time all but the first resume the session of the one before."""
    server = known.behave(Behaviour())
    with TlsFront(server.port, make_certificate(tmp_path)) as front:
        endpoint = msgspec.structs.replace(front.endpoint(), resumes=resumes)
        client = load(_short(target_at(endpoint, connections=1), 1), 0.3)
    assert client.faults == {}
    assert client.reconnects > 1
    assert front.resumed[0] is False
    assert set(front.resumed[1:]) == {resumes}


def test_ports_that_run_out_are_our_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that finds no free port here is an error that says whose limit it was."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr("asgi_bench.load.openings.dial", refuse)
    target, wrong, errors = target_at(1), WrongAnswers(), {"connect": 0}
    openings = Openings(target, converse(target.endpoint), None, errors, wrong)
    openings.begin()
    (first,) = wrong.kept
    assert errors == {"connect": 1}
    assert "this machine has no free client port left" in first.text
