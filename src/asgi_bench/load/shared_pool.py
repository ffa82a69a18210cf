"""A pool whose connections carry several exchanges each: a slot is a place on one of them.

Bytes for a connection's slots are handled one connection at a time: requests go out together before
the next connection is read.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from os import read, write
from typing import Any, ClassVar, Generic, TypeVar, cast

from asgi_bench.load.answers import Taken
from asgi_bench.load.pool import HUNG_UP, WATCHED, Pool
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import EPOLLHUP, EPOLLIN, EPOLLOUT
from asgi_bench.load.wrong_answers import Evidence
from asgi_bench.wire.channel import CHANNELS, Channel
from asgi_bench.wire.shared import READ_BYTES, Fault, SharedConnection

# Slots begin beyond all descriptors: the kernel allows a process 2^20 of them.
FIRST_SLOT = 1 << 20

ConnectionT = TypeVar("ConnectionT", bound=SharedConnection)


class Shared(Generic[ConnectionT]):
    """What a pool knows about its connections beside their slots; a struct, but for speed."""

    __slots__ = (
        "abandoned_bytes",
        "blamed",
        "by_fd",
        "came",
        "connections",
        "dirty",
        "fewest",
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
        self.connections: dict[int, ConnectionT] = {}
        self.by_fd: dict[int, ConnectionT] = {}
        self.slots: dict[ConnectionT, set[int]] = {}
        self.numbers = count(FIRST_SLOT)
        # The answer that was found right last, as `take_in` compares with it.
        self.known: Any = None
        # What came for slots and was not read yet; connections with something to send, or with
        # something to read; events that no descriptor tells.
        self.came: dict[int, bytes] = {}
        self.dirty: list[ConnectionT] = []
        self.ready: deque[tuple[int, int]] = deque()
        self.told: list[tuple[int, int]] = []
        # Connections that end, in whose place others are opened.
        self.replaced: set[ConnectionT] = set()
        # Connections whose breach of the protocol is counted as an error of some request.
        self.blamed: set[ConnectionT] = set()
        # Of closed connections.
        self.abandoned_bytes = 0
        # The fewest exchanges that any connection was allowed at once.
        self.fewest = target.streams
        is_plain = CHANNELS[target.endpoint.transport].is_plain
        self.read = read if is_plain else self._read_channel
        self.write = write if is_plain else self._write_channel

    def _read_channel(self, fd: int, size: int) -> bytes:
        return self.by_fd[fd].channel.read(size)

    def _write_channel(self, fd: int, data: bytes) -> int:
        return self.by_fd[fd].channel.write(data)


class SharedPool(Pool, Generic[ConnectionT]):
    """All slots of one target, several on each connection."""

    what: ClassVar[str]
    """What comes in place of bytes that are no answer's, in words."""

    def __init__(self, target: Target, shared: Shared[ConnectionT]) -> None:
        self._shared = shared
        super().__init__(target)
        # What came is there: the size, which nothing asks for, stands for what is missing.
        self.read = cast(Any, shared.came.pop)

    @property
    def poll(self) -> Any:
        """Waits for slots with something to handle, and returns their events."""
        return self._poll_many

    @property
    def client_ports(self) -> list[int]:
        """The client ports of the open connections."""
        ports = (connection.client_port for connection in self._shared.slots)
        return [port for port in ports if port is not None]

    @property
    def unanswered(self) -> int:
        """On how many connections no request ever got a response, from any slot."""
        owing = map(self._owing, self._shared.slots)
        return len(self._vacant) + sum(any(map(self._was_asked, slots)) for slots in owing)

    @property
    def sent_bytes(self) -> int:
        """The bytes of requests that were sent; what waits for a window, or never left, was not."""
        unsent = self._shared.abandoned_bytes + sum(
            connection.held_bytes + connection.abandoned_bytes for connection in self._shared.slots
        )
        return super().sent_bytes - unsent

    @property
    def streams(self) -> int:
        """The fewest exchanges that a connection was allowed at once, at most those requested."""
        return self._shared.fewest

    def count(self, sent: int, correct: int, good: bytes | None) -> None:
        """Record what a loop did by itself; what it requested is sent before it breathes."""
        super().count(sent, correct, good)
        self._flush()

    def receive(self, slot: int, event: int) -> Taken:
        """Handle an event that is not a plain response: an opening, an end, a reset."""
        if slot in self._openings:
            return self._settle(slot)
        connection = self._shared.connections.get(slot)
        if connection is None:
            return Taken.WAITING
        if slot < FIRST_SLOT:
            self._attend(connection, event)
        taken = Taken.WAITING
        if slot in self._shared.came:
            taken = self.take(slot, self._shared.came.pop(slot))
        if taken is not Taken.LOST and slot in connection.resets:
            text = f"{connection.resets.pop(slot)} {self._stage(slot)}"
            return self._fail(slot, "reset", text)
        if connection.is_ending and slot in self._shared.connections:
            ended = self._end(slot, connection)
            taken = ended if taken is Taken.WAITING else taken
        return taken

    def lose(self, slot: int) -> Taken:
        """Handle a reset of a connection."""
        connection = self._shared.connections[slot]
        connection.fail(Fault("reset", "reset the connection"))
        self._note_end(connection)
        return self._end(slot, connection)

    def reopen(self, slot: int) -> None:
        """Give up a slot whose connection takes nothing more; open another in its place.

        A connection that allows fewer at once than before stays, without this slot for now.
        """
        connection = self._shared.connections[slot]
        if connection.surplus and not connection.is_ending:
            self._park(slot, connection)
            connection.surplus -= 1
            connection.is_full = connection.surplus > 0
            return
        if not connection.is_ending:
            connection.fail(Fault("reset", "reset the connection"))
        if connection not in self._shared.replaced:
            self._note_end(connection)
        self._drop(slot)

    def close(self) -> None:
        """Close every connection and the epoll; the last chance to notice unsolicited frames."""
        self._shared.told.clear()
        for fd, event in self.epoll.poll(0):
            connection = self._shared.by_fd.get(fd)
            if connection is not None and not connection.is_ending:
                self._read_all(connection, event)
        self._shared.came.clear()
        super().close()

    def _poll_many(self, timeout: float = -1, most: int = -1) -> list[tuple[int, int]]:
        """The events of the slots of one connection."""
        shared = self._shared
        if shared.dirty:
            self._flush()
        if shared.told:
            events, shared.told = shared.told, []
            return events
        came, ready = shared.came, shared.ready
        if came:
            return [(slot, EPOLLIN) for slot in came]
        if not ready:
            ready.extend(self.epoll.poll(timeout, most))
        while ready:
            fd, event = ready.popleft()
            connection = shared.by_fd.get(fd)
            if connection is None:
                return [(fd, event)]
            if event == EPOLLIN:
                try:
                    data = shared.read(fd, READ_BYTES)
                except OSError:
                    data = b""
                if data:
                    connection.take_in(data, came, shared.known)
                    if connection.out:
                        shared.dirty.append(connection)
                    if connection.is_ending or connection.resets:
                        self._note_end(connection)
                    if connection.has_new_limit:
                        self._fit(connection)
                else:
                    self._attend(connection, event)
            else:
                self._attend(connection, event)
            if came:
                return [(slot, EPOLLIN) for slot in came]
            if shared.told:
                events, shared.told = shared.told, []
                return events
        return []

    def _flush(self) -> None:
        dirty, self._shared.dirty = self._shared.dirty, []
        for connection in dirty:
            self._send_out(connection)

    def _send_out(self, connection: ConnectionT) -> None:
        """Send what lies there; where nothing can be sent, what lies there unread may tell why."""
        if connection.fault is not None or connection not in self._shared.slots:
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

    def _attend(self, connection: ConnectionT, event: int) -> None:
        """Take in what a connection has to say beside answers."""
        if event & EPOLLOUT:
            self.epoll.modify(connection.fd, WATCHED)
        self._read_all(connection, event)
        self._send_out(connection)
        if connection.is_ending or connection.resets:
            self._note_end(connection)
        if connection.has_new_limit:
            self._fit(connection)

    def _read_all(self, connection: ConnectionT, event: int) -> None:
        """Read what there is, of one that hung up all to its end."""
        while connection.fault is None and event & (EPOLLIN | HUNG_UP):
            try:
                data = self._shared.read(connection.fd, READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                connection.fail(Fault("reset", "reset the connection"))
                return
            if data:
                connection.take_in(data, self._shared.came, None)
            else:
                connection.end()

    def _carrier(self, channel: Channel) -> ConnectionT:
        """What carries exchanges over a channel that is open."""
        raise NotImplementedError

    def _settle(self, fd: int) -> Taken:
        channel = self._openings.advance(fd)
        if channel is None:
            return Taken.LOST
        connection = self._carrier(channel)
        shared, wanted = self._shared, self.target.streams
        slots = [fd] if wanted == 1 else [next(shared.numbers) for _ in range(wanted)]
        was_asked = True in self._vacant
        if self._vacant:
            self._vacant.remove(was_asked)
        shared.by_fd[fd] = connection
        shared.slots[connection] = set(slots)
        for slot in slots:
            shared.connections[slot], self._channels[slot] = connection, channel
            self._unanswered[slot] = was_asked
            self.rest(slot)
        self._fit(connection)
        self.epoll.modify(fd, WATCHED)
        return Taken.WAITING

    def _fit(self, connection: ConnectionT) -> None:
        """Use as many slots as the other side takes; a busy one too many goes when it is done."""
        shared, parked = self._shared, connection.parked
        connection.has_new_limit = False
        slots = shared.slots.get(connection, set())
        allowed = min(self.target.streams, connection.most_streams)
        shared.fewest = min(shared.fewest, allowed)
        while parked and len(slots) - len(parked) < allowed:
            self.rest(parked.pop())
        surplus = max(0, len(slots) - len(parked) - allowed)
        free = [slot for slot in slots if slot not in self.busy and slot not in parked]
        for slot in free[:surplus]:
            self.idle.remove(slot)
            self._park(slot, connection)
        connection.surplus = surplus - len(free[:surplus])
        connection.is_full = connection.is_ending or connection.surplus > 0

    def _park(self, slot: int, connection: ConnectionT) -> None:
        """Ask nothing from a slot for now."""
        self.partial.pop(slot, None)
        self.busy.discard(slot)
        self._unanswered.pop(slot, None)
        connection.parked.append(slot)

    def _owing(self, connection: ConnectionT) -> set[int]:
        """The slots of a connection where none of them was ever answered."""
        slots = self._shared.slots.get(connection, set()).difference(connection.parked)
        return slots if all(slot in self._unanswered for slot in slots) else set()

    def _end(self, slot: int, connection: ConnectionT) -> Taken:
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
            self._shared.blamed.add(connection)
            return self._fail(slot, fault.kind, f"{self._conversation.breach}: {fault.text}")
        self._drop(slot)
        return Taken.LOST

    def _note_end(self, connection: ConnectionT) -> None:
        """Tell the slots of a connection that it ends, or that exchanges were given up."""
        shared = self._shared
        if not connection.is_ending:
            shared.told += [(slot, EPOLLHUP) for slot in connection.resets]
            return
        slots = shared.slots.get(connection, ())
        shared.told += [(slot, EPOLLHUP) for slot in self._in_turn(connection, slots)]
        if connection not in shared.replaced:
            shared.replaced.add(connection)
            if owing := self._owing(connection):
                self._vacant.append(any(map(self._was_asked, owing)))
            self.reconnects += 1
            self._openings.begin()

    def _in_turn(self, connection: ConnectionT, slots: Iterable[int]) -> Iterable[int]:
        """The slots of a connection that ends in the order in which they are to hear of it."""
        return slots

    def _hear_breach(self, connection: ConnectionT) -> None:
        """Count what nobody asked for, where no request has failed by it."""
        fault = connection.fault
        if fault is not None and fault.kind == "body" and connection not in self._shared.blamed:
            self._shared.blamed.add(connection)
            self.unasked += 1
            self.errors["body"] += 1
            text = f"unsolicited {self.what}: {fault.text}"
            self.wrong.note("body", None, Evidence(text), connection.channel)

    def _drop(self, slot: int) -> None:
        shared = self._shared
        connection = shared.connections.pop(slot)
        shared.came.pop(slot, None)
        self.partial.pop(slot, None)
        self.sent_ns.pop(slot, None)
        self.busy.discard(slot)
        self._unanswered.pop(slot, None)
        del self._channels[slot]
        shared.slots[connection].discard(slot)
        if not shared.slots[connection]:
            self._forget(connection)

    def _forget(self, connection: ConnectionT) -> None:
        shared = self._shared
        fd = connection.fd
        self._hear_breach(connection)
        shared.blamed.discard(connection)
        del shared.slots[connection]
        shared.by_fd.pop(fd, None)
        shared.ready = deque(each for each in shared.ready if each[0] != fd)
        shared.replaced.discard(connection)
        shared.abandoned_bytes += connection.abandoned_bytes + connection.held_bytes
        connection.close()

    def _read_more(self, slot: int, size: int) -> bytes | None:
        """Nothing: all was given that there is."""
        return None
