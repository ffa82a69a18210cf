"""The known-answer server of HTTP/2: `python -m tests.known_answers.stream_server`.

By prior knowledge. Frames are read by hand, header blocks by hpack.
"""

import socket
from collections import deque
from time import perf_counter_ns as clock_ns

import msgspec
from hpack import Decoder

from tests.known_answers.behaviour import Behaviour, Counts, Started
from tests.known_answers.kinds import Step
from tests.known_answers.server import Peer, Server
from tests.known_answers.stream_kinds import (
    DATA,
    END_STREAM,
    HEADERS,
    LIMITS,
    PING,
    RST_STREAM,
    SETTINGS,
    STREAM_KINDS,
    WINDOW_UPDATE,
    frame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DEFAULT_WINDOW = 65_535


class StreamPeer(Peer):
    """One connection of a client."""

    def __init__(self, sock: socket.socket, behaviour: Behaviour) -> None:
        super().__init__(sock)
        # Whether a GOAWAY has named the last stream.
        self.is_last = False
        self.overflows = self.pongs = self.most_open = 0
        self.open_streams: set[int] = set()
        # How many may be open, from when the client has acknowledged that: by each SETTINGS frame.
        self.announced: deque[int | None] = deque([behaviour.streams])
        self._limit = behaviour.streams
        self._decoder = Decoder()
        self._has_greeted = False
        self._behaviour = behaviour
        self._window = DEFAULT_WINDOW
        self._windows: dict[int, int] = {}
        self._paths: dict[int, str] = {}
        settings = (b"\0\3" + behaviour.streams.to_bytes(4)) + b"\0\4"
        sock.sendall(frame(SETTINGS, 0, 0, settings + behaviour.window.to_bytes(4)))

    def next_asked(self) -> tuple[str, int] | None:
        """Take frames up to the end of the next request; its path, and its stream."""
        if not self._has_greeted and len(self.received) >= len(PREFACE):
            assert self.received.startswith(PREFACE), bytes(self.received)
            del self.received[: len(PREFACE)]
            self._has_greeted = True
        while self._has_greeted and len(self.received) >= 9:
            end = 9 + int.from_bytes(self.received[:3])
            if len(self.received) < end:
                return None
            kind, flags = self.received[3:5]
            stream, payload = int.from_bytes(self.received[5:9]), bytes(self.received[9:end])
            del self.received[:end]
            if (asked := self._take(kind, flags, stream, payload)) is not None:
                return asked
        return None

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> tuple[str, int] | None:
        if kind == HEADERS:
            fields = dict(self._decoder.decode(payload, raw=True))
            self._paths[stream] = fields[b":path"].decode()
            self._windows[stream] = self._behaviour.window
        elif kind == DATA:
            self._take_body(stream, payload)
        elif kind == SETTINGS and flags & 1:
            limit = self.announced.popleft()
            self._limit = self._limit if limit is None else limit
        elif kind == SETTINGS:
            self.sock.sendall(frame(SETTINGS, 1, 0, b""))
        elif kind == RST_STREAM:
            self.open_streams.discard(stream)
        elif kind == PING:
            self.pongs += flags & 1
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.open_streams.add(stream)
            self.most_open = max(self.most_open, len(self.open_streams))
            self.overflows += len(self.open_streams) > self._limit
            return self._paths.pop(stream), stream
        return None

    def _take_body(self, stream: int, payload: bytes) -> None:
        """Hold a body against the windows, and give as much room again."""
        size = len(payload)
        self._window -= size
        self._windows[stream] -= size
        self.overflows += self._window < 0 or self._windows[stream] < 0
        if size:
            self._window += size
            self._windows[stream] += size
            for number in (0, stream):
                self.sock.sendall(frame(WINDOW_UPDATE, 0, number, size.to_bytes(4)))


class StreamServer(Server):
    """Answers on streams by the script, and counts."""

    def _behave(self, behaviour: Behaviour) -> Started:
        self._refused = self._overflows = self._most_open = 0
        return super()._behave(behaviour)

    def _new_peer(self, sock: socket.socket) -> Peer:
        return StreamPeer(sock, self._behaviour)

    def _take_next(self, peer: Peer) -> bool:
        assert isinstance(peer, StreamPeer)
        try:
            asked = peer.next_asked()
        except OSError:
            asked = None
        self._overflows += peer.overflows
        self._pongs += peer.pongs
        self._most_open = max(self._most_open, peer.most_open)
        peer.overflows = peer.pongs = 0
        if asked is not None:
            self._answer(peer, *asked)
        return asked is not None

    def _answer(self, peer: StreamPeer, path: str, stream: int) -> None:
        if peer.is_last:
            self._refused += 1
            return
        behaviour = self._behaviour
        number = peer.requests if behaviour.per_connection else self._requests
        peer.requests += 1
        self._requests += 1
        self._paths[path] += 1
        if peer.is_over:
            self._late += 1
            return
        kind = behaviour.by_path.get(path) or behaviour.kind_of(number)
        self._kinds[kind] += 1
        steps = STREAM_KINDS[kind].steps(stream)
        if kind in LIMITS:
            peer.announced.append(LIMITS[kind])
        peer.is_last = kind.startswith("goaway")
        now_ns = clock_ns()
        self._later(peer, steps, now_ns, self._answer_at_ns(now_ns))

    def _follow(self, peer: Peer, steps: list[Step], since_ns: int) -> None:
        assert isinstance(peer, StreamPeer)
        if since_ns:
            peer.open_streams.discard(_stream_of(steps))
        super()._follow(peer, steps, since_ns)

    def _counts(self) -> Counts:
        return msgspec.structs.replace(
            super()._counts(),
            refused=self._refused,
            overflows=self._overflows,
            most_open=self._most_open,
        )


def _stream_of(steps: list[Step]) -> int:
    """The stream of the first frame that is on one, 0 where none is."""
    data = b"".join(step for step in steps if isinstance(step, bytes))
    while len(data) >= 9 and not int.from_bytes(data[5:9]):
        data = data[9 + int.from_bytes(data[:3]) :]
    return int.from_bytes(data[5:9])


if __name__ == "__main__":
    StreamServer().serve()
