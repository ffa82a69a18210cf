"""The pool of what can carry an exchange: opened, watched by one epoll, replaced when it breaks.

A slot carries one exchange at a time. For HTTP/1.1 each connection is one slot, and its descriptor
is the slot's number. Everything outside the hot path of a loop is here: openings, fragments,
faults,
reconnects, time-outs, and which of several requests is next.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from os import read, write
from time import perf_counter_ns as clock_ns
from typing import Any

from asgi_bench.load.answers import READ_BYTES, Answer, Taken
from asgi_bench.load.mix import Tally, drawn
from asgi_bench.load.openings import RETRY_NS, Openings
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    new_epoll,
)
from asgi_bench.load.wrong_answers import Evidence, WrongAnswers
from asgi_bench.model import HANDSHAKE_TIME, ErrorCounts
from asgi_bench.wire.channel import CHANNELS, Channel
from asgi_bench.wire.client import TOO_MUCH
from asgi_bench.wire.conversation import converse
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.http1 import LimitError, Response, WireError

# Registered so that a close which arrives with the answer is seen before the next send.
WATCHED = EPOLLIN | EPOLLRDHUP
HUNG_UP = EPOLLERR | EPOLLHUP | EPOLLRDHUP
# Of more requests that failed in one stretch it is of no use to know when each did.
MAX_LOSSES = 100_000
# A request up to this size always fits the empty send buffer of a connection: one write sends it,
# and no answer comes before that.
ONE_WRITE_BYTES = 16 * 1024


class Pool:
    """All slots of one target; `idle` has those that may send now.

    A loop moves events and bytes by `poll`, `read` and `write`, which on plain channels are the
    system's own. `sent_ns[slot]` is when a slot's open request was sent; `partial[slot]` what has
    arrived of its response. Every idle slot has a mark (None) in `partial`: a loop that removes the
    mark may treat the next bytes as a fresh response, and unsolicited bytes are always noticed.
    If all slots send one request with a single write, `request` is it, and `good` its last correct
    response, byte for byte: a loop may compare with it and send again by itself, and reports that
    to `count`. Otherwise `good` is None. If there are several requests, the next one is drawn when
    it is sent, on any slot: a slow one occupies its slot, but not its share of what is sent.
    `turns` then says which of them each slot sent last, by its index in `tallies`.
    Counters only grow; read them before and after to get a stretch's share. `sent` is `correct`
    plus all errors except those without a request: refused connections and unsolicited bytes.
    `losses` are the last requests that failed: when each was sent and failed, the kind of error,
    and whether any of its response had arrived; `wrong` keeps the first of each kind.
    """

    def __init__(self, target: Target) -> None:
        # Fewer than 30 attributes: CPython keeps those of a larger object in a dictionary, and each
        # call of a method costs 70 ns more.
        self.target = target
        self.tallies = [Tally(*each) for each in enumerate(target.exchanges)]
        self._only = self.tallies[0] if len(self.tallies) == 1 else None
        self.good: bytes | None = None
        self.turns: dict[int, int] | None = None if self._only else {}
        self.send: Callable[[int, int], bool] = self._send if self._only else self._send_drawn
        self.epoll = new_epoll()
        is_plain = CHANNELS[target.endpoint.transport].is_plain
        self.read: Callable[[int, int], bytes] = read if is_plain else self._read_channel
        self.write: Callable[[int, Any], int] = write if is_plain else self._write_channel
        self.idle: deque[int] = deque()
        self.busy: set[int] = set()
        self.partial: dict[int, Answer | None] = {}
        self.sent_ns: dict[int, int] = {}
        self.reconnects = 0
        self.unasked = 0
        self.losses: deque[tuple[int, int, str, bool]] = deque(maxlen=MAX_LOSSES)
        self.errors = dict.fromkeys(ErrorCounts.__struct_fields__, 0)
        self.wrong = WrongAnswers()
        self._conversation = converse(target.endpoint)
        self._at_once = self._conversation.at_once
        # Slots that were never answered, nor those before them in their places, and whether one
        # before was asked; and that of such places which have no slot now.
        self._unanswered: dict[int, bool] = {}
        self._vacant: list[bool] = []
        self._channels: dict[int, Channel] = {}
        self._openings = Openings(target, self._conversation, self.epoll, self.errors, self.wrong)
        self._unsent: dict[int, memoryview] = {}
        self._abandoned_bytes = 0
        self.draw(0)

    @property
    def is_mixed(self) -> bool:
        """Whether there are several requests."""
        return self._only is None

    @property
    def lets_loops_send(self) -> bool:
        """Whether a loop may compare and send again by itself: it doesn't count per connection.

        False if a connection lives for a limited number of responses.
        """
        return self.target.conversations is None

    @property
    def request(self) -> bytes:
        """The request; the first of several."""
        return self.tallies[0].request

    @property
    def poll(self) -> Callable[..., list[tuple[int, int]]]:
        """Waits for slots with something to handle, and returns their events."""
        return self.epoll.poll  # type: ignore[no-any-return]

    @property
    def client_ports(self) -> list[int]:
        """The client ports of the open connections, which identify the server's side."""
        ports = (channel.client_port for channel in self._channels.values())
        return [port for port in ports if port is not None]

    @property
    def streams(self) -> int:
        """How many exchanges a connection may have at once, on the one with the fewest."""
        return 1

    @property
    def control_frames(self) -> dict[str, int]:
        """How many frames arrived that are no part of a response, by name."""
        return {}

    @property
    def sent(self) -> int:
        """All requests that were sent."""
        return sum(tally.sent for tally in self.tallies)

    @property
    def correct(self) -> int:
        """All correct responses."""
        return sum(tally.correct for tally in self.tallies)

    @property
    def is_awaited(self) -> bool:
        """Whether some connection's first response is still to come, and nothing went wrong."""
        is_owed = bool(self._unanswered or self._vacant)
        return is_owed and not any(self.errors.values())

    @property
    def unanswered(self) -> int:
        """On how many connections no request ever got a response, not even a wrong one.

        A connection that replaced a closed one isn't another; one without a request is excluded.
        """
        return len(self._vacant) + sum(map(self._was_asked, self._unanswered))

    @property
    def mean_response_bytes(self) -> int:
        """The mean size of a correct response, 0 if none has arrived."""
        total = sum(tally.correct * tally.response_bytes for tally in self.tallies)
        return round(total / max(self.correct, 1))

    @property
    def connect_s(self) -> float:
        """How long opening connections took, all of them together."""
        return self._openings.connect_ns / 1e9

    @property
    def sent_bytes(self) -> int:
        """The bytes of requests that were sent; what an early response left unsent was not."""
        unsent = self._abandoned_bytes + sum(map(len, self._unsent.values()))
        return sum(tally.sent * len(tally.request) for tally in self.tallies) - unsent

    @property
    def received_bytes(self) -> int:
        """The bytes of all correct responses."""
        return sum(tally.received_bytes for tally in self.tallies)

    @property
    def is_settled(self) -> bool:
        """Whether no connection is being opened or waiting to be."""
        return not self._openings

    @property
    def error_counts(self) -> ErrorCounts:
        """Errors by kind since the start."""
        return ErrorCounts(**self.errors)

    def draw(self, seed: int) -> None:
        """Begin another sequence of requests."""
        self._draws = drawn([exchange.weight for exchange in self.target.exchanges], seed)
        self._next = self._only or self.tallies[next(self._draws)]

    def count(self, sent: int, correct: int, good: bytes | None) -> None:
        """Record what a loop sent by itself, and the responses that it found to equal `good`."""
        tally = self.tallies[0]
        tally.sent += sent
        tally.correct += correct
        tally.received_bytes += correct * len(good or b"")

    def take_times(self) -> dict[str, list[int]]:
        """Return and forget what the pool itself has timed, by the names of times."""
        taken, self._openings.opened_ns = self._openings.opened_ns, []
        return {HANDSHAKE_TIME: taken} if taken else {}

    def connect(self) -> None:
        """Begin to open one connection; it appears in `idle` once it is open."""
        self._vacant.append(False)
        self._openings.begin()

    def _send(self, slot: int, now_ns: int) -> bool:
        """Send the request whose turn it is; False where its connection is gone and is reopened.

        A connection that was closed while idle is a reconnect, not an error: nothing was asked.
        """
        tally, write = self._next, self.write
        request = tally.request
        try:
            written = write(slot, request)
        except BlockingIOError:
            written = 0
        except OSError:
            self.reopen(slot)
            return False
        tally.sent += 1
        self.sent_ns[slot] = now_ns
        self.busy.add(slot)
        if written < len(request):
            self._unsent[slot] = memoryview(request)[written:]
            self.epoll.modify(slot, WATCHED | EPOLLOUT)
        return True

    def _send_drawn(self, slot: int, now_ns: int) -> bool:
        """As `_send`, of several requests: where nothing was sent its turn stays."""
        assert self.turns is not None
        if not self._send(slot, now_ns):
            return False
        self.turns[slot] = self._next.place
        self._next = self.tallies[next(self._draws)]
        return True

    def rest(self, slot: int) -> None:
        """Put a slot whose response is complete among the idle ones."""
        self.partial[slot] = None
        self.busy.discard(slot)
        self.idle.append(slot)

    def receive(self, slot: int, event: int) -> Taken:
        """Handle an event that is not plainly readable: a hang-up, an error, a new connection.

        If a busy connection hung up after its whole response, the response counts and the
        connection
        is opened again.
        """
        if slot in self._openings:
            return self._settle(slot)
        if event & EPOLLOUT and slot in self._unsent:
            self._send_rest(slot)
        if not event & (EPOLLIN | HUNG_UP):
            return Taken.WAITING
        try:
            data = self.read(slot, READ_BYTES)
        except BlockingIOError:
            return Taken.WAITING
        except OSError:
            return self.lose(slot)
        taken = self.take(slot, data)
        if event & HUNG_UP and slot in self.partial and slot not in self.busy:
            # It came with the whole answer: to send here again would make a reset of it.
            self._part(slot)
        return taken

    def take(self, slot: int, data: bytes) -> Taken:
        """Add bytes (none means end of stream) to a slot's response and judge it when whole."""
        if slot not in self.busy:
            return self._startle(slot, data)
        tally, at_once = self._only or self._asked(slot), self._at_once
        answer = self.partial.get(slot)
        try:
            if answer is None:
                if data and not tally.good.startswith(data):
                    response = at_once(data, tally.exchange)
                    if response is not None:
                        return self._judge(slot, tally, response, data, data[response.size :])
                elif data and len(data) == len(tally.good):
                    return self._finish(slot, tally, len(data))
                answer = self.partial[slot] = Answer(
                    tally.good, self._conversation.reader, tally.exchange
                )
            answer.feed(data, lambda size: self._read_more(slot, size))
        except WireError as fault:
            what = TOO_MUCH if isinstance(fault, LimitError) else self._conversation.breach
            return self._fail(slot, "body", f"{what}: {fault}")
        except EOFError:
            return self._fail(slot, "reset", f"closed the connection {self._stage(slot)}")
        except OSError:
            return self.lose(slot)
        if answer.is_known:
            return self._finish(slot, tally, len(tally.good))
        if answer.response is None:
            return Taken.WAITING
        return self._judge(slot, tally, answer.response, answer.raw, answer.beyond)

    def lose(self, slot: int) -> Taken:
        """Handle a reset: it completes no response, not even one that ends with the stream."""
        if slot in self.busy:
            return self._fail(slot, "reset", f"reset the connection {self._stage(slot)}")
        return self._startle(slot, b"")

    def refresh(self, deadline_s: float = 1.0) -> None:
        """Notice what happened while no load ran: reopen what the peer closed, and wait for it."""
        end_ns = clock_ns() + int(deadline_s * 1e9)
        while True:
            events = self.poll(0 if self.is_settled else RETRY_NS / 1e9)
            for slot, event in events:
                self.receive(slot, event)
            now_ns = clock_ns()
            self.sweep(now_ns)
            if (not events and self.is_settled) or now_ns > end_ns:
                return

    def sweep(self, now_ns: int) -> int:
        """Fail what is past the time-out and retry refused connections; return how many failed."""
        limit_ns = now_ns - int(self.target.timeout_s * 1e9)
        late = [slot for slot in self.busy if self.sent_ns[slot] < limit_ns]
        for slot in late:
            answer = self.partial.get(slot)
            so_far = "nothing came" if answer is None else answer.so_far
            text = f"no complete response within {self.target.timeout_s:g} s: {so_far}"
            self._fail(slot, "timeout", text)
        self._openings.sweep(now_ns)
        return len(late)

    def reopen(self, slot: int) -> None:
        """Close a connection and begin to open another in its place."""
        if slot in self._unanswered:
            self._vacant.append(self._was_asked(slot))
        self._drop(slot)
        self.reconnects += 1
        self._openings.begin()

    def close(self) -> None:
        """Close every connection and the epoll; the last chance to notice unsolicited bytes."""
        for slot, event in self.poll(0):
            if event & EPOLLIN and slot in self._channels and slot not in self.busy:
                with suppress(OSError):
                    self._hear(slot, self.read(slot, READ_BYTES))
        for slot in list(self._channels):
            self._drop(slot)
        self.idle.clear()
        self._openings.close()
        self.epoll.close()

    def _settle(self, fd: int) -> Taken:
        """Take an opening further, to where its slot may be asked."""
        channel = self._openings.advance(fd)
        if channel is None:
            return Taken.LOST
        self._channels[fd] = channel
        if self._vacant:
            was_asked = True in self._vacant
            self._vacant.remove(was_asked)
            self._unanswered[fd] = was_asked
        self.epoll.modify(fd, WATCHED)
        self.rest(fd)
        return Taken.WAITING

    def _judge(
        self, slot: int, tally: Tally, response: Response, raw: bytes, beyond: bytes
    ) -> Taken:
        """Judge a whole answer; `raw` is remembered as good where nothing was wrong with it."""
        exchange = tally.exchange
        if beyond:
            fault = self._conversation.fault_beyond(response, exchange, beyond)
            return self._fail(slot, "body", f"{self._conversation.breach}: {fault}")
        kind = exchange.fault_of(response)
        if kind is None:
            tally.response_bytes = response.size
            if raw and not response.closes:
                tally.good = raw
                is_resent = tally is self._only and len(tally.request) <= ONE_WRITE_BYTES
                if is_resent and self.lets_loops_send:
                    self.good = raw
            return self._finish(slot, tally, response.size, closes=response.closes)
        self._note_loss(slot, kind, Evidence(response=response), has_begun=True)
        return self._finish(slot, tally, 0, closes=response.closes, is_right=False)

    def _finish(
        self,
        slot: int,
        tally: Tally,
        right_bytes: int,
        *,
        closes: bool = False,
        is_right: bool = True,
    ) -> Taken:
        if is_right:
            tally.correct += 1
            tally.received_bytes += right_bytes
        if self._unanswered:
            self._unanswered.pop(slot, None)
        # An answer to half a request leaves the other half unsent: the next would follow into it.
        is_spent = closes or slot in self._unsent
        # As `rest` has it; a call is 1 % of what an answer costs here.
        self.partial[slot] = None
        self.busy.discard(slot)
        self.idle.append(slot)
        if is_spent:
            self._part(slot)
        return Taken.CORRECT if is_right else Taken.WRONG

    def _fail(self, slot: int, kind: str, text: str) -> Taken:
        answer = self.partial.get(slot)
        has_begun = answer is not None and answer.has_begun
        self._note_loss(slot, kind, Evidence(text), has_begun=has_begun)
        self.reopen(slot)
        return Taken.LOST

    def _stage(self, slot: int) -> str:
        """How far the answer had come that a slot owes, in words."""
        answer = self.partial.get(slot)
        if answer is None or not answer.has_begun:
            return "without a response"
        return f"in the middle of its response: {answer.so_far}"

    def _note_loss(self, slot: int, kind: str, evidence: Evidence, *, has_begun: bool) -> None:
        tally = self._asked(slot)
        self.errors[kind] += 1
        tally.errors[kind] += 1
        self.losses.append((self.sent_ns[slot], clock_ns(), kind, has_begun))
        self.wrong.note(kind, tally.exchange, evidence, self._channels[slot])

    def _asked(self, slot: int) -> Tally:
        """What a slot was asked last."""
        return self.tallies[0 if self.turns is None else self.turns[slot]]

    def _was_asked(self, slot: int) -> bool:
        """Whether anything was asked on a connection that was never answered, or before it."""
        return slot in self.sent_ns or self._unanswered[slot]

    def _startle(self, slot: int, data: bytes) -> Taken:
        """Handle what an idle connection did of itself: it closed, or said what nobody asked."""
        self._hear(slot, data)
        self._part(slot)
        return Taken.LOST

    def _hear(self, slot: int, data: bytes) -> None:
        if data:
            self.unasked += 1
            self.errors["body"] += 1
            text = f"unsolicited bytes after a response: {excerpt(data)}"
            self.wrong.note("body", None, Evidence(text), self._channels[slot])

    def _part(self, slot: int) -> None:
        """Replace an idle connection."""
        self.idle.remove(slot)
        self.reopen(slot)

    def _send_rest(self, slot: int) -> None:
        rest = self._unsent[slot]
        try:
            written = self._channels[slot].write(rest)
        except OSError:
            return  # the error event that comes with it fails the request
        if written == len(rest):
            del self._unsent[slot]
            self.epoll.modify(slot, WATCHED)
        else:
            self._unsent[slot] = rest[written:]

    def _drop(self, slot: int) -> None:
        self._abandoned_bytes += len(self._unsent.pop(slot, b""))
        self.partial.pop(slot, None)
        self.sent_ns.pop(slot, None)
        self.busy.discard(slot)
        self._unanswered.pop(slot, None)
        # Closing the last descriptor takes it out of the epoll as well.
        self._channels.pop(slot).close()

    def _read_channel(self, slot: int, size: int) -> bytes:
        return self._channels[slot].read(size)

    def _write_channel(self, slot: int, data: bytes | memoryview) -> int:
        return self._channels[slot].write(data)

    def _read_more(self, slot: int, size: int) -> bytes | None:
        try:
            return self.read(slot, size)
        except BlockingIOError:
            return None
