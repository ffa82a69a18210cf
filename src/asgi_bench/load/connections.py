"""The connections of one target: opened, watched by one epoll, reopened when they break.

Everything that is not the hot path of a loop lives here: fragments, faults, reconnects, timeouts.
"""

from collections import deque
from contextlib import suppress
from os import read, write
from time import perf_counter_ns as clock_ns
from typing import Any

from asgi_bench.load.answers import READ_BYTES, Answer, Taken
from asgi_bench.load.openings import RETRY_NS, Openings
from asgi_bench.load.originals import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    new_epoll,
)
from asgi_bench.load.target import Exchange, Target
from asgi_bench.load.wrong_answers import Evidence, WrongAnswers
from asgi_bench.model import ErrorCounts
from asgi_bench.wire.client import NOT_HTTP, TOO_MUCH
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.http1 import LimitError, Response, WireError, beyond_its_end, read_at_once

__all__ = ["READ_BYTES", "Connections", "Taken"]

# Registered so that a close which arrives with the answer is seen before the next send.
WATCHED = EPOLLIN | EPOLLRDHUP
HUNG_UP = EPOLLERR | EPOLLHUP | EPOLLRDHUP
# Of more requests that failed in one stretch it is of no use to know when each did.
MAX_LOSSES = 100_000


class Connections:
    """All connections of one target; `idle` holds those that may send now.

    `good` is the last verified answer, byte for byte. `sent_ns[fd]` is when a connection's open
    request was sent; `partial[fd]` what came of its answer so far. Every idle connection has a
    mark (None) in `partial`: a loop that takes the mark away may treat the next bytes as a fresh
    answer, and unasked bytes are always seen.
    Counters only grow; read them before and after to get a stretch's share. `sent` is `correct`
    and all errors but those nothing was asked for: refused connections and unasked bytes.
    `losses` are the last requests that failed: when each was sent and failed, the kind of error,
    and whether any of its answer had come; `wrong` keeps the first of each kind. `turns` says,
    where several requests are sent, which of them is each connection's last.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.request = target.request
        self.expected: Exchange = target
        self.turns: dict[int, int] | None = None
        self.epoll = new_epoll()
        self.good = b""
        self.response_bytes = 0
        self.idle: deque[int] = deque()
        self.busy: set[int] = set()
        self.partial: dict[int, Answer | None] = {}
        self.sent_ns: dict[int, int] = {}
        self.sent = 0
        self.correct = 0
        self.reconnects = 0
        self.unasked = 0
        self.losses: deque[tuple[int, int, str, bool]] = deque(maxlen=MAX_LOSSES)
        self.errors = dict.fromkeys(ErrorCounts.__struct_fields__, 0)
        self.wrong = WrongAnswers()
        self._openings = Openings(target, self.epoll, self.errors, self.wrong)
        # Connections that were never answered, nor those before them in their places, and whether
        # one before was asked; how many such places have no connection now, and were asked.
        self._unanswered: dict[int, bool] = {}
        self._places_unanswered = self._places_asked = 0
        self._sockets: dict[int, Any] = {}
        self._unsent: dict[int, memoryview] = {}
        self._abandoned_bytes = 0

    @property
    def local_ports(self) -> list[int]:
        """The client ports of the open connections, by which the server's side can be found."""
        return [sock.getsockname()[1] for sock in self._sockets.values()]

    @property
    def is_awaited(self) -> bool:
        """Whether the first answer of some connection is still to come, and nothing went wrong."""
        is_owed = bool(self._unanswered or self._places_unanswered)
        return is_owed and not any(self.errors.values())

    @property
    def unanswered(self) -> int:
        """On how many connections no request was ever answered, be it wrongly.

        One that took the place of a closed one isn't another; one that was asked nothing is left
        out.
        """
        return self._places_unanswered + sum(map(self._was_asked, self._unanswered))

    @property
    def mean_response_bytes(self) -> int:
        """The size of a right answer, 0 where none came yet."""
        return self.response_bytes

    @property
    def connect_s(self) -> float:
        """How long it took to open connections, all of them together."""
        return self._openings.connect_ns / 1e9

    @property
    def sent_bytes(self) -> int:
        """The bytes of requests that went out; what an early answer left unsent did not."""
        unsent = self._abandoned_bytes + sum(map(len, self._unsent.values()))
        return self._asked_bytes - unsent

    @property
    def is_settled(self) -> bool:
        """Whether no connection is being opened or waits to be."""
        return not self._openings

    @property
    def error_counts(self) -> ErrorCounts:
        """Errors by kind since the start."""
        return ErrorCounts(**self.errors)

    def connect(self) -> None:
        """Begin to open one connection; it turns up in `idle` once it is there."""
        self._places_unanswered += 1
        self._openings.begin()

    def send(self, fd: int, now_ns: int) -> bool:
        """Send the request on an idle connection; False where it was closed and is reopened.

        A connection that was closed while idle is a reconnect, not an error: nothing was asked.
        """
        request = self.request
        try:
            written = write(fd, request)
        except BlockingIOError:
            written = 0
        except OSError:
            self.reopen(fd)
            return False
        self.sent += 1
        self.sent_ns[fd] = now_ns
        self.busy.add(fd)
        if written < len(request):
            self._unsent[fd] = memoryview(request)[written:]
            self.epoll.modify(fd, WATCHED | EPOLLOUT)
        return True

    def rest(self, fd: int) -> None:
        """Put a connection whose answer is complete among the idle ones."""
        self.partial[fd] = None
        self.busy.discard(fd)
        self.idle.append(fd)

    def receive(self, fd: int, event: int) -> Taken:
        """Handle an event that is not a plain readable one: a hang-up, an error, a new connection.

        Where a busy connection hung up after its whole answer, the answer counts and the
        connection is opened anew.
        """
        if fd in self._openings:
            return self._settle(fd, event)
        if event & EPOLLOUT and fd in self._unsent:
            self._send_rest(fd)
        if not event & (EPOLLIN | HUNG_UP):
            return Taken.WAITING
        try:
            data = read(fd, READ_BYTES)
        except BlockingIOError:
            return Taken.WAITING
        except OSError:
            return self.lose(fd)
        taken = self.take(fd, data)
        if event & HUNG_UP and fd in self.partial and fd not in self.busy:
            # It came with the whole answer: to send here again would make a reset of it.
            self._part(fd)
        return taken

    def take(self, fd: int, data: bytes) -> Taken:
        """Add bytes (none means end of stream) to a connection's answer and judge it when whole."""
        if fd not in self.busy:
            return self._startle(fd, data)
        answer = self.partial.get(fd)
        try:
            if answer is None:
                if data and not self.good.startswith(data):
                    response = read_at_once(data, self.expected.method)
                    if response is not None:
                        return self._judge(fd, response, data, data[response.size :])
                elif data and len(data) == len(self.good):
                    return self._finish(fd)
                answer = self.partial[fd] = Answer(self.good, self.expected.method)
            answer.feed(data, lambda size: _read_more(fd, size))
        except WireError as fault:
            what = TOO_MUCH if isinstance(fault, LimitError) else NOT_HTTP
            return self._fail(fd, "body", f"{what}: {fault}")
        except EOFError:
            return self._fail(fd, "reset", f"closed the connection {self._stage(fd)}")
        except OSError:
            return self.lose(fd)
        if answer.is_known:
            return self._finish(fd)
        if answer.response is None:
            return Taken.WAITING
        return self._judge(fd, answer.response, answer.raw, answer.beyond)

    def lose(self, fd: int) -> Taken:
        """Handle a reset: it completes no answer, not even one that would end with the stream."""
        if fd in self.busy:
            return self._fail(fd, "reset", f"reset the connection {self._stage(fd)}")
        return self._startle(fd, b"")

    def refresh(self, deadline_s: float = 1.0) -> None:
        """Notice what happened while no load ran: reopen what the peer closed, and await it."""
        end_ns = clock_ns() + int(deadline_s * 1e9)
        while True:
            events = self.epoll.poll(0 if self.is_settled else RETRY_NS / 1e9)
            for fd, event in events:
                self.receive(fd, event)
            now_ns = clock_ns()
            self.sweep(now_ns)
            if (not events and self.is_settled) or now_ns > end_ns:
                return

    def sweep(self, now_ns: int) -> int:
        """Fail what is past the time-out and retry refused connections; return how many failed."""
        limit_ns = now_ns - int(self.target.timeout_s * 1e9)
        late = [fd for fd in self.busy if self.sent_ns[fd] < limit_ns]
        for fd in late:
            answer = self.partial.get(fd)
            so_far = "nothing came" if answer is None else answer.so_far
            text = f"no whole answer within {self.target.timeout_s:g} s: {so_far}"
            self._fail(fd, "timeout", text)
        self._openings.sweep(now_ns)
        return len(late)

    def reopen(self, fd: int) -> None:
        """Close a connection and begin to open another in its place."""
        if fd in self._unanswered:
            self._places_unanswered += 1
            self._places_asked += self._was_asked(fd)
        self._drop(fd)
        self.reconnects += 1
        self._openings.begin()

    def close(self) -> None:
        """Close every connection and the epoll; bytes nobody asked for are seen here at last."""
        for fd, event in self.epoll.poll(0):
            if event & EPOLLIN and fd in self._sockets and fd not in self.busy:
                with suppress(OSError):
                    self._hear(fd, read(fd, READ_BYTES))
        for fd in list(self._sockets):
            self._drop(fd)
        self.idle.clear()
        self._openings.close()
        self.epoll.close()

    @property
    def _asked_bytes(self) -> int:
        """The bytes of all requests whose sending has begun."""
        return self.sent * len(self.target.request)

    def _judge(self, fd: int, response: Response, raw: bytes, beyond: bytes) -> Taken:
        """Judge a whole answer; `raw` is remembered as good where nothing was wrong with it."""
        if beyond:
            fault = beyond_its_end(response, self.expected.method, beyond)
            return self._fail(fd, "body", f"{NOT_HTTP}: {fault}")
        kind = self.expected.fault_of(response)
        if kind is None:
            self.response_bytes = response.size
            if not response.closes:
                self.good = raw or self.good
            return self._finish(fd, closes=response.closes)
        self._note_loss(fd, kind, Evidence(response=response), has_begun=True)
        return self._finish(fd, closes=response.closes, is_right=False)

    def _finish(self, fd: int, *, closes: bool = False, is_right: bool = True) -> Taken:
        if is_right:
            self.correct += 1
        if self._unanswered:
            self._unanswered.pop(fd, None)
        # An answer to half a request leaves the other half unsent: the next would follow into it.
        is_spent = closes or fd in self._unsent
        self.rest(fd)
        if is_spent:
            self._part(fd)
        return Taken.CORRECT if is_right else Taken.WRONG

    def _fail(self, fd: int, kind: str, text: str) -> Taken:
        self._note_loss(fd, kind, Evidence(text), has_begun=self._has_begun(fd))
        self.reopen(fd)
        return Taken.LOST

    def _has_begun(self, fd: int) -> bool:
        answer = self.partial.get(fd)
        return answer is not None and answer.has_begun

    def _stage(self, fd: int) -> str:
        """How far the answer had come that a connection owes, in words."""
        answer = self.partial.get(fd)
        if answer is None or not answer.has_begun:
            return "without an answer"
        return f"amid its answer: {answer.so_far}"

    def _note_loss(self, fd: int, kind: str, evidence: Evidence, *, has_begun: bool) -> None:
        self.errors[kind] += 1
        self.losses.append((self.sent_ns[fd], clock_ns(), kind, has_begun))
        self.wrong.note(kind, self._asked(fd), evidence, self._sockets[fd])

    def _asked(self, fd: int) -> Exchange:
        """What a connection was asked last."""
        return self.expected

    def _was_asked(self, fd: int) -> bool:
        """Whether anything was asked on a connection that was never answered, or before it."""
        return fd in self.sent_ns or self._unanswered[fd]

    def _startle(self, fd: int, data: bytes) -> Taken:
        """Handle what an idle connection did of itself: it closed, or said what nobody asked."""
        self._hear(fd, data)
        self._part(fd)
        return Taken.LOST

    def _hear(self, fd: int, data: bytes) -> None:
        if data:
            self.unasked += 1
            self.errors["body"] += 1
            text = f"bytes that nobody asked for, after an answer: {excerpt(data)}"
            self.wrong.note("body", None, Evidence(text), self._sockets[fd])

    def _part(self, fd: int) -> None:
        """Replace an idle connection."""
        self.idle.remove(fd)
        self.reopen(fd)

    def _settle(self, fd: int, event: int) -> Taken:
        sock = self._openings.settle(fd, event)
        if sock is None:
            return Taken.LOST
        self._sockets[fd] = sock
        if self._places_unanswered:
            self._places_unanswered -= 1
            self._unanswered[fd] = self._places_asked > 0
            self._places_asked = max(0, self._places_asked - 1)
        self.epoll.modify(fd, WATCHED)
        self.rest(fd)
        return Taken.WAITING

    def _send_rest(self, fd: int) -> None:
        rest = self._unsent[fd]
        try:
            written = write(fd, rest)
        except OSError:
            return  # the error event that comes with it fails the request
        if written == len(rest):
            del self._unsent[fd]
            self.epoll.modify(fd, WATCHED)
        else:
            self._unsent[fd] = rest[written:]

    def _drop(self, fd: int) -> None:
        self._abandoned_bytes += len(self._unsent.pop(fd, b""))
        self.partial.pop(fd, None)
        self.sent_ns.pop(fd, None)
        self.busy.discard(fd)
        self._unanswered.pop(fd, None)
        # Closing the last descriptor takes it out of the epoll as well.
        self._sockets.pop(fd).close()


def _read_more(fd: int, size: int) -> bytes | None:
    try:
        return read(fd, size)
    except BlockingIOError:
        return None
