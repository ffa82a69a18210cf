"""The pool of WebSocket connections: like any other, and it replies to control frames."""

from collections import defaultdict
from contextlib import suppress

from asgi_bench.load.answers import Taken
from asgi_bench.load.mix import Tally
from asgi_bench.load.pool import WATCHED, Pool
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import EPOLLOUT
from asgi_bench.wire.frames import (
    GOING_AWAY,
    NORMAL,
    PeerClosed,
    control_frames,
    encode_close,
    is_control,
    masked_anew,
)
from asgi_bench.wire.http1 import Response, WireError
from asgi_bench.wire.websocket import closing


class _Line:
    """What a connection is beside its slot.

    `begun` is the beginning of a control frame that came after an answer, or while it was idle;
    `answered` how many requests were answered on it. One that `is_held` is open, and never asked.
    """

    __slots__ = ("answered", "begun", "is_held")

    def __init__(self) -> None:
        self.begun = b""
        self.answered = 0
        self.is_held = False


class MessagePool(Pool):
    """Slots that are WebSocket connections; a turn of the conversation is a request.

    A ping is answered at any time, within a response or on an idle slot. A close of an idle slot is
    a reconnect, as over HTTP.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        # One attribute: more than these would make each call cost more (`Pool`).
        self._lines: defaultdict[int, _Line] = defaultdict(_Line)
        if target.random_masks:
            self.write = self._write_masked
        if target.is_in_order:
            self.send = self._send_in_order

    def take(self, slot: int, data: bytes) -> Taken:
        """As any pool, and send what the bytes require."""
        if self._lines[slot].begun and slot in self.busy and data:
            data, self._lines[slot].begun = self._lines[slot].begun + data, b""
        taken = super().take(slot, data)
        if self._conversation.replies:
            self._reply(slot)
        return taken

    def _write_masked(self, slot: int, frames: bytes) -> int:
        """Send whole frames under masks drawn for them; what can't go out at once goes later."""
        data = masked_anew(frames)
        try:
            written = self._channels[slot].write(data)
        except BlockingIOError:
            written = 0
        if written < len(data):
            self._unsent[slot] = memoryview(data)[written:]
            self.epoll.modify(slot, WATCHED | EPOLLOUT)
        return len(frames)

    def _said(self, frames: bytes) -> bytes:
        """Frames as they are sent."""
        return masked_anew(frames) if self.target.random_masks else frames

    def _send_in_order(self, slot: int, now_ns: int) -> bool:
        """As `_send`, of several turns the one that follows the connection's last."""
        assert self.turns is not None
        place = self.turns.get(slot, -1) + 1
        self._next = self.tallies[place % len(self.tallies)]
        if not self._send(slot, now_ns):
            return False
        self.turns[slot] = self._next.place
        return True

    def _settle(self, fd: int) -> Taken:
        if self.turns is not None:
            # A conversation begins anew on a new connection.
            self.turns.pop(fd, None)
        taken = super()._settle(fd)
        active = self.target.active
        if active is not None and fd in self._channels:
            self._lines[fd].is_held = len(self.idle) + len(self.busy) > active
            if self._lines[fd].is_held:
                self.idle.remove(fd)
        return taken

    def _part(self, slot: int) -> None:
        if self._lines[slot].is_held:
            self.reopen(slot)
        else:
            super()._part(slot)

    def _judge(
        self, slot: int, tally: Tally, response: Response, raw: bytes, beyond: bytes
    ) -> Taken:
        if beyond and is_control(beyond):
            self._lines[slot].begun, beyond, raw = beyond, b"", b""
        if self._conversation.replies or len(raw) != response.size:
            # Bytes with a ping among them must not become the known ones: each has its pong.
            raw = b""
        return super()._judge(slot, tally, response, raw, beyond)

    def _finish(
        self,
        slot: int,
        tally: Tally,
        right_bytes: int,
        *,
        closes: bool = False,
        is_right: bool = True,
    ) -> Taken:
        taken = super()._finish(slot, tally, right_bytes, closes=closes, is_right=is_right)
        if self.target.conversations is not None and slot in self.partial:
            line = self._lines[slot]
            line.answered += 1
            if line.answered == self.target.conversations * len(self.tallies):
                self._renew(slot)
        return taken

    def _renew(self, slot: int) -> None:
        """Close a connection in order, and open another in its place."""
        self.idle.remove(slot)
        del self.partial[slot], self.sent_ns[slot], self._lines[slot]
        self.reconnects += 1
        channel = self._channels.pop(slot)
        self._openings.renew(channel, closing(channel, self._said(encode_close(NORMAL))))

    def _startle(self, slot: int, data: bytes) -> Taken:
        """Obey control frames on an idle connection; anything else nobody asked for."""
        line = self._lines[slot]
        if data:
            data, line.begun = line.begun + data, b""
        try:
            rest = control_frames(data, self._conversation.replies)
        except PeerClosed:
            rest = data = b""
        except WireError:
            rest = data
        if data and (not rest or is_control(rest)):
            line.begun = rest
            return Taken.WAITING
        return super()._startle(slot, rest)

    def _hear(self, slot: int, data: bytes) -> None:
        """What is left when the pool closes may be control frames alone."""
        try:
            rest = control_frames(data, bytearray())
        except PeerClosed:
            rest = b""
        except WireError:
            rest = data
        super()._hear(slot, b"" if rest and is_control(rest) else rest)

    def _reply(self, slot: int) -> None:
        """Send what control frames asked for; a request that is on its way goes first."""
        replies = self._said(bytes(self._conversation.replies))
        self._conversation.replies.clear()
        if slot not in self._channels:
            return
        rest = bytes(self._unsent.get(slot, b"")) + replies
        try:
            written = 0 if slot in self._unsent else self._channels[slot].write(replies)
        except BlockingIOError:
            written = 0
        except OSError:
            return  # the error event that comes with it ends the connection
        if written < len(rest):
            self._unsent[slot] = memoryview(rest)[written:]
            self.epoll.modify(slot, WATCHED | EPOLLOUT)

    def _drop(self, slot: int) -> None:
        """Close in order where nothing is half sent; who closed first has named the code."""
        self._lines.pop(slot, None)
        if slot not in self._unsent:
            # It may be gone, or so full that a word more is of no use.
            with suppress(OSError):
                last = bytes(self._conversation.replies) or encode_close(GOING_AWAY)
                self._channels[slot].write(self._said(last))
        self._conversation.replies.clear()
        super()._drop(slot)
