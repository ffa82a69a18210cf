"""The same bytes over TCP, TLS and Unix sockets, and what TLS refuses."""

import contextlib
import random
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from asgi_bench.model import HOST, Endpoint
from asgi_bench.serving.places import Certificate, make_certificate
from asgi_bench.wire.channel import READABLE, WRITABLE, Channel, dial
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import encode_request
from tests.known_answers import BODY, Behaviour, KnownAnswers
from tests.known_answers.tls_front import TlsFront, expired_certificate

REQUEST = encode_request("GET", "/", HOST, {})
ASKED = Exchange("", REQUEST)
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One that is right."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def refusal(endpoint: Endpoint) -> str:
    """Why no connection comes about."""
    with Connection(endpoint) as connection:
        with pytest.raises(NoAnswer) as caught:
            connection.open(TIMEOUT_S)
    assert caught.value.kind == "connect"
    return str(caught.value)


@contextlib.contextmanager
def connected(endpoint: Endpoint) -> Iterator[Channel]:
    """A channel that is open."""
    channel = dial(endpoint)
    try:
        for awaited in channel.open():
            wait(channel, awaited)
        yield channel
    finally:
        channel.close()


def wait(channel: Channel, events: int = READABLE) -> None:
    """Wait for what a channel waits for, by its descriptor alone."""
    reads, writes = ([channel.fd] if events & way else [] for way in (READABLE, WRITABLE))
    assert any(select.select(reads, writes, [], TIMEOUT_S))


@pytest.mark.parametrize("segment_bytes", [0, 1])
def test_answers_over_tls_are_those_over_tcp(
    known: KnownAnswers, certificate: Certificate, segment_bytes: int
) -> None:
    """Of every shape, on one connection, be each byte a segment of its own."""
    script = ("plain", "segments", "chunked", "interim", "unique")
    known.behave(Behaviour(script=script))
    with TlsFront(known.port, certificate, segment_bytes=segment_bytes) as front:
        with Connection(front.endpoint()) as connection:
            connection.open(TIMEOUT_S)
            for _ in script:
                assert connection.ask(ASKED, TIMEOUT_S).body == BODY
                assert not connection.has_hung_up()
    assert known.counts().connections == 1


def test_a_large_answer_over_tls_is_read_whole(
    known: KnownAnswers, certificate: Certificate
) -> None:
    """It comes in many records, and what OpenSSL holds back is not forgotten."""
    known.behave(Behaviour(script=("large",)))
    with TlsFront(known.port, certificate) as front:
        with Connection(front.endpoint()) as connection:
            connection.open(TIMEOUT_S)
            assert len(connection.ask(ASKED, TIMEOUT_S).body) == 1_024_000


def test_no_byte_waits_for_another_event(certificate: Certificate) -> None:
    """However little a read asks for, what it leaves is signalled by the descriptor."""
    chance = random.Random(5)
    records = [chance.randbytes(chance.randint(1, 60_000)) for _ in range(30)]
    with socket.create_server((HOST, 0)) as back:
        port = int(back.getsockname()[1])

        def send() -> None:
            peer, _ = back.accept()
            with peer:
                for record in records:
                    peer.sendall(record)

        sender = threading.Thread(target=send)
        sender.start()
        with TlsFront(port, certificate) as front, connected(front.endpoint()) as channel:
            came = b""
            while True:
                wait(channel)
                try:
                    data = channel.read(chance.randint(1, 20_000))
                except BlockingIOError:
                    continue
                if not data:
                    break
                came += data
        sender.join(TIMEOUT_S)
    assert came == b"".join(records)


def test_an_end_within_a_record_is_a_broken_connection(
    known: KnownAnswers, certificate: Certificate
) -> None:
    """It is no end of a stream: whoever cuts a connection could cut an answer short."""
    known.behave(Behaviour(script=("plain",)))
    with TlsFront(known.port, certificate, cut_in=2) as front:
        with Connection(front.endpoint()) as connection:
            connection.open(TIMEOUT_S)
            assert connection.ask(ASKED, TIMEOUT_S).body == BODY
            with pytest.raises(NoAnswer) as caught:
                connection.ask(ASKED, TIMEOUT_S)
    assert caught.value.kind == "reset"


def test_an_authority_may_come_as_text(known: KnownAnswers, certificate: Certificate) -> None:
    """As to a load process of another machine, which doesn't have its file."""
    known.behave(Behaviour(script=("plain",)))
    text = certificate.authority.read_text()
    with TlsFront(known.port, certificate) as front:
        endpoint = msgspec.structs.replace(front.endpoint(), ca_file="", ca_pem=text)
        with Connection(endpoint) as connection:
            connection.open(TIMEOUT_S)
            assert connection.ask(ASKED, TIMEOUT_S).body == BODY


def test_a_certificate_that_expired_is_refused(known: KnownAnswers, tmp_path: Path) -> None:
    """The reason says so."""
    with TlsFront(known.port, expired_certificate(tmp_path)) as front:
        assert refusal(front.endpoint()) == "no connection: TLS: certificate has expired"


def test_a_certificate_of_another_authority_or_name_is_refused(
    known: KnownAnswers, certificate: Certificate, tmp_path: Path
) -> None:
    """Who answers on the port must be the server that was started."""
    other = make_certificate(tmp_path)
    with TlsFront(known.port, certificate) as front:
        told = refusal(msgspec.structs.replace(front.endpoint(), ca_file=str(other.authority)))
        assert told == "no connection: TLS: unable to get local issuer certificate"
        told = refusal(msgspec.structs.replace(front.endpoint(), name="example.org"))
        assert "example.org" in told


@pytest.mark.parametrize(
    ("alpn", "told"), [(("http/1.1",), "chose none"), ((), "chose none"), (("h2",), None)]
)
def test_http2_over_tls_needs_the_servers_word(
    known: KnownAnswers, certificate: Certificate, alpn: tuple[str, ...], told: str | None
) -> None:
    """Without `h2` by ALPN there is no connection, instead of one that speaks something else."""
    with TlsFront(known.port, certificate, alpn=alpn) as front:
        if told is None:
            with connected(front.endpoint("http2")):
                return
        with pytest.raises(OSError, match=rf"ALPN offered h2, but the server {told}"):
            with connected(front.endpoint("http2")):
                pass


def test_http1_needs_no_word_of_alpn(known: KnownAnswers, certificate: Certificate) -> None:
    """A server that knows no ALPN is asked over HTTP/1.1 as ever."""
    with TlsFront(known.port, certificate, alpn=()) as front, connected(front.endpoint()):
        pass


def test_who_speaks_no_tls_is_refused(certificate: Certificate) -> None:
    """A plain server on the port is a refusal with a reason, no wait."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                peer.recv(1 << 16)

        thread = threading.Thread(target=answer)
        thread.start()
        address = (HOST, int(listener.getsockname()[1]))
        told = refusal(Endpoint(address, "tls", ca_file=str(certificate.authority)))
        thread.join(TIMEOUT_S)
    assert told.startswith("no connection: TLS: ")


def test_a_unix_socket_carries_the_same(tmp_path: Path) -> None:
    """Requests and answers go by a path; a path without a listener is refused."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                assert peer.recv(1 << 16) == REQUEST
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

        thread = threading.Thread(target=answer)
        thread.start()
        with Connection(Endpoint(path, "unix")) as connection:
            connection.open(TIMEOUT_S)
            assert connection.ask(ASKED, TIMEOUT_S).body == b"ok"
            assert connection.client_port is None
        thread.join(TIMEOUT_S)
    assert refusal(Endpoint(str(tmp_path / "none"), "unix")) == (
        "no connection: No such file or directory"
    )


def test_a_full_queue_of_a_unix_socket_is_waited_for(tmp_path: Path) -> None:
    """It refuses at once where TCP would wait; the connection comes about when there is room."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        with connected(Endpoint(path, "unix")):
            waiting = dial(Endpoint(path, "unix"))
            steps = waiting.open()
            assert next(steps) == WRITABLE
            assert next(steps) == WRITABLE
            listener.accept()[0].close()
            assert next(steps, None) is None
            waiting.close()
