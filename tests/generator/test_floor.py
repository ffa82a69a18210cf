"""The floor that WebSocket clients are compared with, and what the page says of it."""

import hashlib
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from asgi_bench.model import HOST, Endpoint
from generator import websocket
from generator.websocket import ANSWER_BYTES, TEXT, compiled_floor, floor_words, peer
from peers.null_echo import GUID, KEY, SWITCHING

CONNECTIONS = 3
TIMEOUT_S = 10.0
MASK = slice(2, 6)


class Echo:
    """A server that keeps what each connection sends as messages, and answers them."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.texts: list[bytes] = []
        self.threads: list[Thread] = []

    def serve(self) -> None:
        """Serve as many connections as the client opens."""
        for _ in range(CONNECTIONS):
            connection, _ = self.listener.accept()
            connection.settimeout(TIMEOUT_S)
            thread = Thread(target=self.answer, args=(connection,))
            thread.start()
            self.threads.append(thread)

    def answer(self, connection: socket.socket) -> None:
        """Switch to WebSocket, then answer each message with its text."""
        with connection:
            key = KEY.search(connection.recv(4096))
            assert key
            accept = hashlib.sha1(key[1] + GUID, usedforsecurity=False).digest()
            connection.sendall(SWITCHING % b64encode(accept))
            while frame := connection.recv(4096):
                text = bytes(byte ^ frame[MASK][at % 4] for at, byte in enumerate(frame[6:]))
                self.texts.append(text)
                connection.sendall(bytes((frame[0], frame[1] & 0x7F)) + text)


@contextmanager
def echo() -> Iterator[Echo]:
    """Run it until its clients have gone."""
    server = Echo()
    accepting = Thread(target=server.serve)
    accepting.start()
    yield server
    for thread in (accepting, *server.threads):
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    server.listener.close()


def test_the_floor_counts_the_messages_that_came_back(tmp_path: Path) -> None:
    """All that it sends is the text, and it counts all but those that a slice's end left out."""
    program = compiled_floor(tmp_path)
    if program is None:
        pytest.skip("no C compiler")
    with echo() as server:
        endpoint = Endpoint.local(server.listener.getsockname()[1])
        with peer([program], endpoint, CONNECTIONS) as load:
            slices = [load(), load()]
    assert set(server.texts) == {TEXT.encode()}
    assert len(TEXT) == ANSWER_BYTES - 2
    counted = sum(came for came, _, _ in slices)
    assert counted == len(server.texts) - CONNECTIONS * len(slices)
    assert all(cpu_s > 0 for _, _, cpu_s in slices)


@pytest.mark.parametrize(("floor", "reach"), [(1.49, "No client"), (1.5, "So a client can")])
def test_the_floor_tells_whether_the_target_can_be_reached(floor: float, reach: str) -> None:
    """Below the target no client can reach it, and both figures are given."""
    ratios = {
        websocket.OURS_TO_PICOWS: 1.17,
        websocket.OURS_TO_FLOOR: 0.83,
        websocket.FLOOR_TO_PICOWS: floor,
    }
    words = floor_words(ratios)
    assert f"{floor:.2f} times as many messages as picows. {reach}" in words
    assert "0.83 times as many as the floor, and 1.17 times" in words


def test_without_a_floor_nothing_is_said() -> None:
    """Where there was no compiler the record has no figure for it."""
    assert floor_words({websocket.OURS_TO_PICOWS: 1.17}) == ""
