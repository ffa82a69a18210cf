"""Load over TLS and over Unix sockets: what is counted is what the server counts."""

import socket
import threading
from contextlib import closing
from pathlib import Path

import pytest

from asgi_bench.load.closed_loop import run_closed_loop
from asgi_bench.model import Endpoint
from asgi_bench.serving.places import Certificate, make_certificate
from tests.known_answers import BODY, Behaviour, KnownAnswers, expected_errors
from tests.known_answers.tls_front import TlsFront, expired_certificate
from tests.load.loading import go_on, load, opened, target_at

# Each right answer, each kind of error, and each way to close.
SCRIPT = (
    *("plain", "segments", "chunked", "unique", "interim"),
    *("announced-close", "until-close", "status", "body", "garbage", "truncated", "empty"),
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One that is right."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("segment_bytes", [0, 1])
def test_counts_over_tls_equal_the_servers_own(
    known: KnownAnswers, certificate: Certificate, segment_bytes: int
) -> None:
    """Of every kind of answer, be each byte a segment of its own."""
    server = known.behave(Behaviour(script=SCRIPT))
    with TlsFront(server.port, certificate, segment_bytes=segment_bytes) as front:
        client = load(target_at(front.endpoint(), connections=4, timeout_s=10.0), 0.3)
    counts = server.counts()
    errors = expected_errors(counts)
    assert set(counts.kinds) == set(SCRIPT)
    assert client.sent == counts.requests
    assert client.faults == errors
    assert client.correct == counts.requests - sum(errors.values())


def test_an_answer_cut_in_its_record_is_a_reset(
    known: KnownAnswers, certificate: Certificate
) -> None:
    """It is counted, once for each connection that was cut, and the load goes on."""
    server = known.behave(Behaviour(script=("plain",)))
    with TlsFront(server.port, certificate, cut_in=5) as front:
        client = load(target_at(front.endpoint(), connections=2), 0.3)
    counts = server.counts()
    assert client.sent == counts.requests
    assert client.faults == {"reset": client.reconnects}
    assert client.correct == client.sent - client.reconnects


def test_large_answers_over_tls_come_whole(known: KnownAnswers, certificate: Certificate) -> None:
    """Of answers that take many records, each is compared to its last byte."""
    server = known.behave(Behaviour(script=("large",)))
    with TlsFront(server.port, certificate) as front:
        client = load(target_at(front.endpoint(), connections=2, expect_body=None), 0.3)
    assert client.faults == {}
    assert client.correct == server.counts().requests > 0


def test_a_server_that_is_not_trusted_is_sent_nothing(known: KnownAnswers, tmp_path: Path) -> None:
    """Each attempt to connect is an error that says why."""
    server = known.behave(Behaviour())
    with TlsFront(server.port, expired_certificate(tmp_path)) as front:
        with closing(opened(target_at(front.endpoint(), connections=1))) as pool:
            run_closed_loop(pool, 0.05, go_on)
            (wrong,) = pool.wrong.kept
    assert (pool.sent, wrong.text) == (0, "no connection: TLS: certificate has expired")
    assert server.counts().requests == 0


def test_load_over_a_unix_socket(tmp_path: Path) -> None:
    """What was sent was received, on as many connections as were asked for."""
    path = str(tmp_path / "s")
    received = [0, 0, 0]
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)

    def serve(number: int, peer: socket.socket) -> None:
        with peer:
            while peer.recv(1 << 16):
                received[number] += 1
                peer.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def accept() -> None:
            for number in range(3):
                peer, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(number, peer)))
                threads[-1].start()

        threads = [threading.Thread(target=accept)]
        threads[0].start()
        client = load(target_at(Endpoint(path, "unix"), connections=3), 0.1)
        for thread in threads:
            thread.join(10)
    assert client.faults == {}
    assert client.correct == client.sent == sum(received)
    assert all(received)
