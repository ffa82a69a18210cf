"""A pool whose connections carry several exchanges each: a slot is the place of a stream.

What one connection has for its slots is told a connection at a time: so requests go out together
before the next one is read. With one stream a connection, slots are descriptors as of HTTP/1.1, and
an answer is read, and the next request sent, without any of that.
"""

from collections import Counter, deque
from contextlib import suppress
from itertools import count
from os import read, write
from typing import Any, cast

from asgi_bench.load.answers import Taken
from asgi_bench.load.mix import Tally
from asgi_bench.load.pool import HUNG_UP, WATCHED, Pool
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import EPOLLHUP, EPOLLIN, EPOLLOUT
from asgi_bench.load.wrong_answers import Evidence
from asgi_bench.wire.channel import CHANNELS
from asgi_bench.wire.http1 import Response
from asgi_bench.wire.http2 import LAST_ID, READ_BYTES, Fault, Http2Connection
from asgi_bench.wire.http2_frames import Framed

# Slots begin beyond all descriptors: the kernel allows a process 2^20 of them.
FIRST_SLOT = 1 << 20
# A connection with fewer ids than this left is replaced.
SPARE_IDS = 1 << 24


class Streams:
    """What a pool knows of its connections beside their slots; a struct, but for speed."""

    __slots__ = (
        "abandoned_bytes",
        "blamed",
        "by_fd",
        "came",
        "connections",
        "dirty",
        "fewest",
        "framed",
        "frames",
        "known",
        "numbers",
        "read",
        "ready",
        "replaced",
        "slots",
        "told",
        "write",
    )

    def __init__(self, target: Target) -> None:
        # By slot, and by descriptor; the slots of each.
        self.connections: dict[int, Http2Connection] = {}
        self.by_fd: dict[int, Http2Connection] = {}
        self.slots: dict[Http2Connection, set[int]] = {}
        self.numbers = count(FIRST_SLOT)
        # Requests by their bytes, and the answer that was found right last.
        self.framed = {exchange.request: Framed(exchange.request) for exchange in target.exchanges}
        self.known: Framed | None = None
        # What came for slots and was not read yet; connections with something to send, or with
        # something to read; events that no descriptor tells.
        self.came: dict[int, bytes] = {}
        self.dirty: list[Http2Connection] = []
        self.ready: deque[tuple[int, int]] = deque()
        self.told: list[tuple[int, int]] = []
        # Connections that end, in whose place others are opened.
        self.replaced: set[Http2Connection] = set()
        # Connections whose breach of the protocol is counted as an error of some request.
        self.blamed: set[Http2Connection] = set()
        # Of closed connections.
        self.frames: Counter[str] = Counter()
        self.abandoned_bytes = 0
        # The fewest streams that any connection was allowed at once.
        self.fewest = target.streams
        is_plain = CHANNELS[target.endpoint.transport].is_plain
        self.read = read if is_plain else self._read_channel
        self.write = write if is_plain else self._write_channel

    def _read_channel(self, fd: int, size: int) -> bytes:
        return self.by_fd[fd].channel.read(size)

    def _write_channel(self, fd: int, data: bytes) -> int:
        return self.by_fd[fd].channel.write(data)


class StreamPool(Pool):
    """All streams of one target."""

    def __init__(self, target: Target) -> None:
        self._streams = Streams(target)
        super().__init__(target)
        if target.streams == 1:
            self.read, self.write = self._read_one, self._write_one
        else:
            # What came is there: the size, which nothing asks for, stands for what is missing.
            self.read = cast(Any, self._streams.came.pop)
            self.write = self._write_many

    @property
    def poll(self) -> Any:
        """What tells which slots have something, and by which event."""
        return self._poll_ones if self.target.streams == 1 else self._poll_many

    @property
    def client_ports(self) -> list[int]:
        """The client ports of the open connections."""
        ports = (connection.client_port for connection in self._streams.slots)
        return [port for port in ports if port is not None]

    @property
    def unanswered(self) -> int:
        """On how many connections no request was ever answered, on any stream."""
        return len(self._vacant) + sum(
            all(slot in self._unanswered for slot in slots) and any(map(self._was_asked, slots))
            for slots in self._streams.slots.values()
        )

    @property
    def sent_bytes(self) -> int:
        """The bytes of requests that went out; what waits for a window, or never will, did not."""
        unsent = self._streams.abandoned_bytes + sum(
            connection.held_bytes + connection.abandoned_bytes for connection in self._streams.slots
        )
        return super().sent_bytes - unsent

    @property
    def control_frames(self) -> dict[str, int]:
        """How many control frames came, by name."""
        open_ones = (connection.frames for connection in self._streams.slots)
        return dict(sum(open_ones, self._streams.frames))

    @property
    def streams(self) -> int:
        """The fewest streams that a connection was allowed at once, at most those asked for."""
        return self._streams.fewest

    def count(self, sent: int, correct: int, good: bytes | None) -> None:
        """Take in what a loop did by itself; what it has asked goes out before it breathes."""
        super().count(sent, correct, good)
        self._flush()

    def receive(self, slot: int, event: int) -> Taken:
        """Handle an event that is not a plain answer: an opening, an end, a reset."""
        if slot in self._openings:
            return self._settle(slot)
        connection = self._streams.connections.get(slot)
        if connection is None:
            return Taken.WAITING
        if slot < FIRST_SLOT:
            self._attend(connection, event)
        taken = Taken.WAITING
        if slot in self._streams.came:
            taken = self.take(slot, self._streams.came.pop(slot))
        if taken is not Taken.LOST and slot in connection.resets:
            text = f"{connection.resets.pop(slot)} {self._stage(slot)}"
            return self._fail(slot, "reset", text)
        if connection.is_ending and slot in self._streams.connections:
            ended = self._end(slot, connection)
            taken = ended if taken is Taken.WAITING else taken
        return taken

    def lose(self, slot: int) -> Taken:
        """Handle a reset of a connection."""
        connection = self._streams.connections[slot]
        connection.fail(Fault("reset", "reset the connection"))
        self._note_end(connection)
        return self._end(slot, connection)

    def sweep(self, now_ns: int) -> int:
        """Fail what is past the time-out, retry refused connections, replace those out of ids."""
        for connection in self._streams.slots:
            if connection.next_id > LAST_ID - SPARE_IDS and not connection.is_ending:
                connection.drain()
                self._note_end(connection)
        return super().sweep(now_ns)

    def reopen(self, slot: int) -> None:
        """Give a slot up whose connection takes nothing more; another is opened in its place."""
        connection = self._streams.connections[slot]
        if not connection.is_ending:
            connection.fail(Fault("reset", "reset the connection"))
        if connection not in self._streams.replaced:
            self._note_end(connection)
        self._drop(slot)

    def close(self) -> None:
        """Close every connection and the epoll; frames nobody asked for are seen here at last."""
        self._streams.told.clear()
        for fd, event in self.epoll.poll(0):
            connection = self._streams.by_fd.get(fd)
            if connection is not None and not connection.is_ending:
                self._read_all(connection, event)
        self._streams.came.clear()
        super().close()

    # The hot paths.

    def _poll_many(self, timeout: float = -1, most: int = -1) -> list[tuple[int, int]]:
        """The events of the slots of one connection."""
        streams = self._streams
        if streams.dirty:
            self._flush()
        if streams.told:
            events, streams.told = streams.told, []
            return events
        came, ready = streams.came, streams.ready
        if not ready:
            ready.extend(self.epoll.poll(timeout, most))
        while ready:
            fd, event = ready.popleft()
            connection = streams.by_fd.get(fd)
            if connection is None:
                return [(fd, event)]
            if event == EPOLLIN:
                try:
                    data = streams.read(fd, READ_BYTES)
                except OSError:
                    data = b""
                if data:
                    connection.take_in(data, came, streams.known)
                    if connection.out:
                        streams.dirty.append(connection)
                    if connection.is_ending or connection.resets:
                        self._note_end(connection)
                else:
                    self._attend(connection, event)
            else:
                self._attend(connection, event)
            if came:
                return [(slot, EPOLLIN) for slot in came]
            if streams.told:
                events, streams.told = streams.told, []
                return events
        return []

    def _write_many(self, slot: int, request: bytes) -> int:
        """Ask on a stream; it goes out with what else its connection has, at the next poll."""
        streams = self._streams
        connection = streams.connections[slot]
        if connection.is_ending:
            raise BrokenPipeError
        out, framed = connection.out, streams.framed[request]
        if not out:
            streams.dirty.append(connection)
        if framed.body:
            connection.begin(slot, framed)
        else:
            # As `begin` has it.
            number = connection.next_id
            connection.next_id = number + 2
            stream = number.to_bytes(4)
            connection.fresh[stream] = slot
            out.append(stream.join(framed.around))
        return framed.size

    def _poll_ones(self, timeout: float = -1, most: int = -1) -> list[tuple[int, int]]:
        streams = self._streams
        if streams.told:
            events, streams.told = streams.told, []
            return events
        return cast(list[tuple[int, int]], self.epoll.poll(timeout, most))

    def _read_one(self, slot: int, size: int) -> bytes:
        """Read an answer; raises BlockingIOError where nothing of one came."""
        streams = self._streams
        connection = streams.connections[slot]
        data = streams.read(slot, size)
        known = streams.known
        if known is not None and len(data) == known.size:
            # Its stream is the last that was begun.
            stream = (connection.next_id - 2).to_bytes(4)
            answer = stream.join(known.around)
            if data == answer and stream in connection.fresh and not connection.rest:
                del connection.fresh[stream]
                connection.unreturned_bytes += len(known.body)
                return known.whole
        return self._read_odd(connection, slot, data)

    def _write_one(self, slot: int, request: bytes) -> int:
        """Ask on the next stream of a connection at once, if nothing else waits there."""
        streams = self._streams
        connection = streams.connections[slot]
        if connection.is_ending:
            raise BrokenPipeError
        framed = streams.framed[request]
        if connection.out or framed.body:
            return self._write_odd(connection, slot, framed)
        number = connection.next_id
        stream = number.to_bytes(4)
        data = stream.join(framed.around)
        written = streams.write(slot, data)
        connection.next_id = connection.unsent_from = number + 2
        connection.fresh[stream] = slot
        if written < len(data):
            connection.out.append(data[written:])
            self.epoll.modify(slot, WATCHED | EPOLLOUT)
        return len(request)

    # All else is rare.

    def _read_odd(self, connection: Http2Connection, slot: int, data: bytes) -> bytes:
        streams = self._streams
        if data:
            connection.take_in(data, streams.came, None)
            self._send_out(connection)
        else:
            connection.end()
        if connection.is_ending or connection.resets:
            self._note_end(connection)
        if slot in streams.came:
            return streams.came.pop(slot)
        raise BlockingIOError

    def _write_odd(self, connection: Http2Connection, slot: int, request: Framed) -> int:
        connection.begin(slot, request)
        self._send_out(connection)
        return request.size

    def _flush(self) -> None:
        dirty, self._streams.dirty = self._streams.dirty, []
        for connection in dirty:
            self._send_out(connection)

    def _send_out(self, connection: Http2Connection) -> None:
        """Send what lies there; where nothing can be sent, what lies there unread may tell why."""
        if connection.fault is not None or connection not in self._streams.slots:
            return
        try:
            connection.flush()
        except OSError:
            self._read_all(connection, EPOLLHUP)
            if connection.fault is None:
                connection.fail(Fault("reset", "reset the connection"))
            self._note_end(connection)
            return
        if connection.out:
            self.epoll.modify(connection.fd, WATCHED | EPOLLOUT)

    def _attend(self, connection: Http2Connection, event: int) -> None:
        """Take in what a connection has to say beside answers."""
        if event & EPOLLOUT:
            self.epoll.modify(connection.fd, WATCHED)
        self._read_all(connection, event)
        self._send_out(connection)
        if connection.is_ending or connection.resets:
            self._note_end(connection)

    def _read_all(self, connection: Http2Connection, event: int) -> None:
        """Read what there is, of one that hung up all to its end."""
        while connection.fault is None and event & (EPOLLIN | HUNG_UP):
            try:
                data = self._streams.read(connection.fd, READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                connection.fail(Fault("reset", "reset the connection"))
                return
            if data:
                connection.take_in(data, self._streams.came, None)
            else:
                connection.end()

    def _settle(self, fd: int) -> Taken:
        connection = cast(Http2Connection | None, self._openings.advance(fd))
        if connection is None:
            return Taken.LOST
        streams, wanted = self._streams, self.target.streams
        allowed = min(wanted, connection.most_streams)
        streams.fewest = min(streams.fewest, allowed)
        slots = [fd] if wanted == 1 else [next(streams.numbers) for _ in range(allowed)]
        was_asked = True in self._vacant
        if self._vacant:
            self._vacant.remove(was_asked)
        streams.by_fd[fd] = connection
        streams.slots[connection] = set(slots)
        for slot in slots:
            streams.connections[slot] = self._channels[slot] = connection
            self._unanswered[slot] = was_asked
            self.rest(slot)
        self.epoll.modify(fd, WATCHED)
        return Taken.WAITING

    def _judge(
        self, slot: int, tally: Tally, response: Response, raw: bytes, beyond: bytes
    ) -> Taken:
        taken = super()._judge(slot, tally, response, raw, beyond)
        if self.good is not None and (
            self._streams.known is None or self._streams.known.whole is not self.good
        ):
            self._streams.known = Framed(self.good)
        return taken

    def _fail(self, slot: int, kind: str, text: str) -> Taken:
        """Fail what a slot was asked; its connection goes on where it can."""
        answer = self.partial.get(slot)
        has_begun = answer is not None and answer.has_begun
        self._note_loss(slot, kind, Evidence(text), has_begun=has_begun)
        connection = self._streams.connections[slot]
        is_silent = kind == "timeout" and connection.is_silent_since(slot)
        connection.cancel(slot)
        if is_silent:
            # As with HTTP/1.1, another connection may be heard.
            connection.drain()
        if connection.is_ending:
            self.reopen(slot)
        else:
            self.rest(slot)
            self._send_out(connection)
        return Taken.LOST

    def _end(self, slot: int, connection: Http2Connection) -> Taken:
        """Handle the end of a slot's connection: what was not taken is no error."""
        fault = connection.fault
        if slot not in self.busy:
            with suppress(ValueError):
                self.idle.remove(slot)
        elif connection.was_not_taken(slot):
            self._asked(slot).sent -= 1
        elif fault is None:
            return Taken.WAITING
        elif fault.kind == "reset":
            return self._fail(slot, "reset", f"{fault.text} {self._stage(slot)}")
        else:
            self._streams.blamed.add(connection)
            return self._fail(slot, fault.kind, f"{self._conversation.breach}: {fault.text}")
        self._drop(slot)
        return Taken.LOST

    def _note_end(self, connection: Http2Connection) -> None:
        """Tell the slots of a connection that it ends, or that streams were reset."""
        streams = self._streams
        if not connection.is_ending:
            streams.told += [(slot, EPOLLHUP) for slot in connection.resets]
            return
        slots = streams.slots.get(connection, ())
        streams.told += [(slot, EPOLLHUP) for slot in slots]
        if connection not in streams.replaced:
            streams.replaced.add(connection)
            if all(slot in self._unanswered for slot in slots):
                self._vacant.append(any(map(self._was_asked, slots)))
            self.reconnects += 1
            self._openings.begin()

    def _hear_breach(self, connection: Http2Connection) -> None:
        """Count frames that nobody asked for, where no request has failed by them."""
        fault = connection.fault
        if fault is not None and fault.kind == "body" and connection not in self._streams.blamed:
            self._streams.blamed.add(connection)
            self.unasked += 1
            self.errors["body"] += 1
            text = f"frames that nobody asked for: {fault.text}"
            self.wrong.note("body", None, Evidence(text), connection)

    def _drop(self, slot: int) -> None:
        streams = self._streams
        connection = streams.connections.pop(slot)
        streams.came.pop(slot, None)
        self.partial.pop(slot, None)
        self.sent_ns.pop(slot, None)
        self.busy.discard(slot)
        self._unanswered.pop(slot, None)
        del self._channels[slot]
        streams.slots[connection].discard(slot)
        if not streams.slots[connection]:
            self._forget(connection)

    def _forget(self, connection: Http2Connection) -> None:
        streams = self._streams
        fd = connection.fd
        self._hear_breach(connection)
        streams.blamed.discard(connection)
        del streams.slots[connection]
        streams.by_fd.pop(fd, None)
        streams.ready = deque(each for each in streams.ready if each[0] != fd)
        streams.replaced.discard(connection)
        streams.frames += connection.frames
        streams.abandoned_bytes += connection.abandoned_bytes + connection.held_bytes
        connection.close()

    def _read_more(self, slot: int, size: int) -> bytes | None:
        """Nothing: whole frames were given."""
        return None
