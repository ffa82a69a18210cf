"""The pool of a room: one of its connections sends, and every one of them has to receive."""

import os
from typing import Any

import msgspec

from asgi_bench.load.answers import READ_BYTES, Taken
from asgi_bench.load.message_pool import MessagePool
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import EPOLLIN
from asgi_bench.wire.conversation import Reader
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.frames import Messages, encode_message
from asgi_bench.wire.http1 import Response, WireError


class _Room:
    """Who is in it: `missing` are those that haven't got the message that is out.

    `readers` have what came of it in part. `answer` is the message, once all have it.
    """

    __slots__ = ("answer", "members", "missing", "raw_read", "readers")

    def __init__(self, raw_read: Any) -> None:
        self.raw_read = raw_read
        self.members: list[int] = []
        self.missing: set[int] = set()
        self.readers: dict[int, Reader] = {}
        self.answer = b""

    def clear(self) -> None:
        """Forget what is out."""
        self.missing.clear()
        self.readers.clear()
        self.answer = b""


class BroadcastPool(MessagePool):
    """One slot, with the number of the connection that sends: the first that opened.

    Its response is complete when the last connection has the message, and all had the right one.
    If a connection breaks, all leave the room and enter it again.
    """

    def __init__(self, target: Target) -> None:
        # Each load process has a room of its own.
        start, path, rest = target.greeting.split(b" ", 2)
        path += b"-" + os.urandom(4).hex().encode()
        greeting = b" ".join((start, path, rest))
        super().__init__(msgspec.structs.replace(target, greeting=greeting))
        self._room = _Room(self.read)
        self.read = self._read_slot

    @property
    def poll(self) -> Any:
        """The events of the slot, and of connections that nothing is expected on."""
        return self._poll

    @property
    def lets_loops_send(self) -> bool:
        """Never: a connection without the message yet starts over with each that is sent."""
        return False

    def reopen(self, slot: int) -> None:
        """Leave the room with all connections, and open as many again."""
        members, self._room.members = self._room.members, []
        self._room.clear()
        for each in members:
            if each in self.idle:
                self.idle.remove(each)
            if each != slot:
                super().reopen(each)
        super().reopen(slot)

    def _poll(self, timeout: float = -1, maxevents: int = -1) -> list[tuple[int, int]]:
        """Take in copies, and tell events up to one that may end the room.

        It closes all connections: what was told of them behind it would be of other descriptors.
        What isn't told comes again.
        """
        told: list[tuple[int, int]] = []
        for fd, event in self.epoll.poll(timeout, maxevents):
            members = self._room.members
            if fd not in self._room.missing:
                told.append((fd, event))
                if fd in members:
                    break
            elif self._has_come(fd):
                if not self._room.missing:
                    told.append((members[0], EPOLLIN))
                    break
            elif self._room.members is not members:
                break
        return told

    def _has_come(self, fd: int) -> bool:
        """Read what one connection has got; whether it is all of the message, and right."""
        room, exchange = self._room, self.tallies[0].exchange
        try:
            data = room.raw_read(fd, READ_BYTES)
            if data == self.tallies[0].good and fd not in room.readers:
                response: Response | None = None
                room.answer = data
            else:
                reader = room.readers.setdefault(fd, self._conversation.reader(exchange))
                response = reader.feed(data) if data else reader.finish()
                self._reply(fd)
                if response is None and data:
                    return False
                self._check(exchange, response, reader)
        except BlockingIOError:
            return False
        except WireError as fault:
            self._break("body", f"{self._conversation.breach}: {fault}")
            return False
        except (EOFError, OSError):
            self._break("reset", "closed a connection to the room before it had the message")
            return False
        room.missing.discard(fd)
        return True

    def _check(self, exchange: Exchange, response: Response | None, reader: Reader) -> None:
        """Take a whole message; raises EOFError without one, WireError for a wrong one."""
        if not isinstance(response, Messages) or response.closes:
            raise EOFError
        if reader.beyond:
            raise self._conversation.fault_beyond(response, exchange, reader.beyond)
        if exchange.fault_of(response) is not None:
            raise WireError(exchange.fault_text(response))
        self._room.answer = b"".join(encode_message(each, b"") for each in response.messages)

    def _break(self, kind: str, text: str) -> None:
        self._fail(self._room.members[0], kind, text)

    def _read_slot(self, slot: int, size: int) -> bytes:
        room = self._room
        if room.answer and room.members and slot == room.members[0]:
            answer = room.answer
            room.clear()
            return answer
        data: bytes = room.raw_read(slot, size)
        return data

    def _send(self, slot: int, now_ns: int) -> bool:
        if not super()._send(slot, now_ns):
            return False
        self._room.clear()
        self._room.missing.update(self._room.members)
        return True

    def _settle(self, fd: int) -> Taken:
        taken = super()._settle(fd)
        if fd in self._channels:
            room = self._room
            room.members.append(fd)
            self.idle.remove(fd)
            self._lines[fd].is_held = True
            if len(room.members) == self.target.connections:
                self._lines[room.members[0]].is_held = False
                self.idle.append(room.members[0])
        return taken
