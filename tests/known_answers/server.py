"""The program: `python -m tests.known_answers.server`, commanded over its standard streams.

One thread, one epoll. Each line of JSON it gets is a behaviour to take on, counting from zero; an
empty line asks for its counts; both are answered by a line of JSON. The end of its input ends it.
Independent of everything it is to check.
"""

import heapq
import itertools
import os
import re
import select
import socket
import sys
from collections import Counter, deque
from time import perf_counter_ns as clock_ns

import msgspec

from tests.known_answers.behaviour import Behaviour, Counts, Started
from tests.known_answers.kinds import KINDS, End, Step
from tests.known_answers.message_kinds import HANDSHAKES, MESSAGE_KINDS, PING

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
UPGRADE = re.compile(rb"\r\nupgrade: *websocket\r\n", re.IGNORECASE)
KEY = re.compile(rb"\r\nsec-websocket-key: *([0-9A-Za-z+/=]{24})\r\n", re.IGNORECASE)
# epoll waits whole milliseconds: the last one is spun away.
SPIN_NS = 1_000_000
STDIN, STDOUT = 0, 1
READ_BYTES = 1 << 18
# The rest of a body behind an early answer is read this slowly: on a core of its own a quick reader
# keeps up with one write of 16 MiB, and all of it is sent before the answer is seen.
PASSED_OVER_BYTES = 1 << 10

decode_behaviour = msgspec.json.Decoder(Behaviour).decode


class Peer:
    """One connection of a client; `unread` is how much of a body is yet to be passed over."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self.unread = 0
        self.requests = 0
        self.is_over = False
        self.is_websocket = False
        self.pings: list[bytes] = []
        self.masks: set[bytes] = set()
        # One answer at a time is sent, for those that are pipelined, or in pieces that are no whole
        # frames; others wait.
        self.is_talking = False
        self.waiting: deque[tuple[list[Step], int]] = deque()

    def next_request(self, *, early: bool) -> bytes | None:
        """Take the first whole request out of what was received; an early one without its body."""
        passed = min(self.unread, len(self.received))
        del self.received[:passed]
        self.unread -= passed
        head_end = self.received.find(b"\r\n\r\n") + 4
        if head_end < 4:
            return None
        length = LENGTH.search(self.received[:head_end])
        end = head_end + (int(length[1]) if length else 0)
        if len(self.received) < end and not early:
            return None
        request = bytes(self.received[:end])
        self.unread = end - len(request)
        del self.received[:end]
        return request

    def next_frame(self) -> tuple[int, bytes] | None:
        """Take the first whole frame out of what was received: its opcode, and what it holds."""
        if len(self.received) < 2:
            return None
        assert self.received[1] & 0x80, "a client's frame has to be masked"
        size, start = self.received[1] & 0x7F, 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(self.received[2:start], "big")
        end = start + 4 + size
        if len(self.received) < end:
            return None
        opcode, mask = self.received[0], bytes(self.received[start : start + 4])
        self.masks.add(mask)
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.received[start + 4 : end]))
        del self.received[:end]
        return opcode, payload


class Server:
    """Answers by the script, and counts."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self._peers: dict[int, Peer] = {}
        self._due: list[tuple[int, int, Peer, list[Step], int]] = []
        self._order = itertools.count()
        self._behave(Behaviour())
        self._epoll.register(self._listener, select.EPOLLIN)
        self._epoll.register(STDIN, select.EPOLLIN)

    def _behave(self, behaviour: Behaviour) -> Started:
        self._behaviour = behaviour
        self._holds_back = bool(behaviour.delay_s or behaviour.stall_s)
        self._connections = self._requests = self._late = 0
        self._pings = self._pongs = self._closes = self._handshakes = 0
        self._masks: set[bytes] = set()
        self._kinds: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()
        self._delays_ns: list[int] = []
        self._origin_ns = clock_ns()
        return Started(self._listener.getsockname()[1], self._origin_ns)

    def serve(self) -> None:
        """Serve until the standard input ends."""
        while True:
            is_asked = False
            for fd, _ in self._epoll.poll(self._patience_s()):
                if fd == STDIN:
                    is_asked = True
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd in self._peers:
                    self._receive(self._peers[fd])
            while self._due and self._due[0][0] <= clock_ns():
                _, _, peer, steps, since_ns = heapq.heappop(self._due)
                self._follow(peer, steps, since_ns)
            if is_asked:
                line = os.read(STDIN, 1 << 16)
                if not line:
                    return
                is_question = not line.strip()
                say(self._counts() if is_question else self._behave(decode_behaviour(line)))

    def _patience_s(self) -> float:
        if not self._due:
            return -1
        return max(0.0, (self._due[0][0] - clock_ns() - SPIN_NS) / 1e9)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(10)
            self._peers[sock.fileno()] = self._new_peer(sock)
            self._epoll.register(sock, select.EPOLLIN)
            self._connections += 1

    def _new_peer(self, sock: socket.socket) -> Peer:
        return Peer(sock)

    def _receive(self, peer: Peer) -> None:
        size = PASSED_OVER_BYTES if peer.unread else READ_BYTES
        try:
            data = peer.sock.recv(size)
        except ConnectionError:
            data = b""
        if not data:
            self._forget(peer)
            return
        peer.received += data
        while peer.sock.fileno() >= 0 and self._take_next(peer):
            pass

    def _take_next(self, peer: Peer) -> bool:
        """Take one request or frame; False where none is whole."""
        if peer.is_websocket:
            frame = peer.next_frame()
            self._masks |= peer.masks
            peer.masks.clear()
            if frame is not None:
                self._hear(peer, *frame)
            return frame is not None
        request = peer.next_request(early=self._behaviour.early)
        if request is None:
            return False
        if UPGRADE.search(request):
            self._shake_hands(peer, request)
        else:
            self._take(peer, request, clock_ns())
        return True

    def _shake_hands(self, peer: Peer, request: bytes) -> None:
        key = KEY.search(request)
        assert key, "a handshake needs a key"
        peer.sock.sendall(HANDSHAKES[self._behaviour.handshake](key[1]))
        peer.is_websocket = self._behaviour.handshake == "right"
        self._handshakes += peer.is_websocket

    def _hear(self, peer: Peer, opcode: int, payload: bytes) -> None:
        """Take one frame: a message is a request, a pong and a close are counted."""
        if opcode in (0x81, 0x82):
            self._take(peer, payload, clock_ns())
        elif opcode == 0x8A:
            assert payload == peer.pings.pop(0), "a pong has to hold what its ping held"
            self._pongs += 1
        else:
            assert opcode == 0x88, f"opcode {opcode:#x} from a client"
            self._closes += 1
            if not peer.is_over:
                self._end_in_order(peer, payload)

    def _end_in_order(self, peer: Peer, payload: bytes) -> None:
        """Answer a close frame; who has sent it may be gone."""
        try:
            if self._behaviour.closes_in_order:
                self._do(peer, bytes((0x88, len(payload))) + payload)
            self._do(peer, End.FIN)
        except OSError:
            self._forget(peer)

    def _take(self, peer: Peer, request: bytes, now_ns: int) -> None:
        behaviour = self._behaviour
        number = peer.requests if behaviour.per_connection else self._requests
        peer.requests += 1
        self._requests += 1
        path = "" if peer.is_websocket else request.split(b" ", 2)[1].decode()
        self._paths[path] += 1
        if peer.is_over:
            self._late += 1
            return
        kind = behaviour.by_path.get(path) or behaviour.kind_of(number)
        self._kinds[kind] += 1
        steps = (MESSAGE_KINDS if peer.is_websocket else KINDS)[kind].steps()
        if peer.is_websocket:
            pings = b"".join(step for step in steps if isinstance(step, bytes)).count(PING)
            peer.pings += [PING[2:]] * pings
            self._pings += pings
        if request.startswith(b"HEAD "):
            steps = [_head_of(step) if isinstance(step, bytes) else step for step in steps]
        self._later(peer, steps, now_ns, self._answer_at_ns(now_ns))

    def _answer_at_ns(self, now_ns: int) -> int:
        behaviour = self._behaviour
        at_ns = now_ns + int(behaviour.delay_s * 1e9)
        if behaviour.stall_period_s:
            phase_ns = (at_ns - self._origin_ns) % int(behaviour.stall_period_s * 1e9)
            at_ns += max(0, int(behaviour.stall_s * 1e9) - phase_ns)
        return at_ns

    def _later(self, peer: Peer, steps: list[Step], since_ns: int, at_ns: int) -> None:
        if at_ns <= clock_ns():
            self._follow(peer, steps, since_ns)
        else:
            heapq.heappush(self._due, (at_ns, next(self._order), peer, steps, since_ns))

    def _follow(self, peer: Peer, steps: list[Step], since_ns: int) -> None:
        """Take steps after those of earlier answers; `since_ns` is when the request was read, or 0.

        It is 0 where the steps go on after a pause.
        """
        if since_ns and peer.is_talking:
            peer.waiting.append((steps, since_ns))
            return
        peer.is_talking = _pauses(steps)
        self._walk(peer, steps, since_ns)
        while peer.waiting and not peer.is_talking:
            steps, since_ns = peer.waiting.popleft()
            peer.is_talking = _pauses(steps)
            self._walk(peer, steps, since_ns)

    def _walk(self, peer: Peer, steps: list[Step], since_ns: int) -> None:
        """Take steps up to the next pause."""
        for index, step in enumerate(steps):
            if peer.sock.fileno() < 0:
                return
            if isinstance(step, float):
                self._later(peer, steps[index + 1 :], 0, clock_ns() + int(step * 1e9))
                return
            if since_ns and self._holds_back:
                self._delays_ns.append(clock_ns() - since_ns)
            since_ns = 0
            try:
                self._do(peer, step)
            except OSError:
                self._forget(peer)

    def _do(self, peer: Peer, step: bytes | End) -> None:
        if isinstance(step, bytes):
            peer.sock.sendall(step)
        elif step is End.FIN:
            # Half a close: requests that are still under way get counted.
            peer.is_over = True
            peer.sock.shutdown(socket.SHUT_WR)
        else:
            linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._forget(peer)

    def _forget(self, peer: Peer) -> None:
        self._peers.pop(peer.sock.fileno(), None)
        peer.sock.close()

    def _counts(self) -> Counts:
        return Counts(
            connections=self._connections,
            open=len(self._peers),
            requests=self._requests,
            late=self._late,
            kinds=dict(self._kinds),
            delays_ns=tuple(self._delays_ns),
            paths=dict(self._paths),
            pings=self._pings,
            pongs=self._pongs,
            closes=self._closes,
            handshakes=self._handshakes,
            masks=len(self._masks),
        )


def _pauses(steps: list[Step]) -> bool:
    return any(isinstance(step, float) for step in steps)


def _head_of(data: bytes) -> bytes:
    head, mark, _ = data.partition(b"\r\n\r\n")
    return head + mark


def say(message: Started | Counts) -> None:
    """Write one line of JSON."""
    line = msgspec.json.encode(message) + b"\n"
    while line:
        line = line[os.write(STDOUT, line) :]


if __name__ == "__main__":
    Server().serve()
