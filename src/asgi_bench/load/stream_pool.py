"""The pool of HTTP/2: a slot is the place of a stream.

With one stream per connection, slots are descriptors as in HTTP/1.1: a response is read, and the
next request sent, without what connections with several streams need.
"""

from collections import Counter
from typing import Any, ClassVar, cast

from asgi_bench.load.answers import Taken
from asgi_bench.load.mix import Tally
from asgi_bench.load.pool import WATCHED
from asgi_bench.load.shared_pool import Shared, SharedPool
from asgi_bench.load.target import Target
from asgi_bench.load.unpatched import EPOLLOUT
from asgi_bench.load.wrong_answers import Evidence
from asgi_bench.wire.channel import Channel
from asgi_bench.wire.http1 import Response
from asgi_bench.wire.http2 import LAST_ID, Http2Connection
from asgi_bench.wire.http2_frames import Framed

# A connection with fewer ids than this left is replaced.
SPARE_IDS = 1 << 24


class Streams(Shared[Http2Connection]):
    """What HTTP/2 needs: requests by their bytes, and control frames of closed connections."""

    __slots__ = ("framed", "frames")

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.framed = {exchange.request: Framed(exchange.request) for exchange in target.exchanges}
        self.frames: Counter[str] = Counter()


class StreamPool(SharedPool[Http2Connection]):
    """All streams of one target."""

    what: ClassVar[str] = "frames"
    _shared: Streams

    def __init__(self, target: Target) -> None:
        super().__init__(target, Streams(target))
        if target.streams == 1:
            self.read, self.write = self._read_one, self._write_one
        else:
            self.write = self._write_many

    def _carrier(self, channel: Channel) -> Http2Connection:
        return cast(Http2Connection, channel)

    @property
    def poll(self) -> Any:
        """Waits for slots with something to handle, and returns their events."""
        return self._poll_ones if self.target.streams == 1 else self._poll_many

    @property
    def control_frames(self) -> dict[str, int]:
        """How many control frames arrived, by name."""
        open_ones = (connection.frames for connection in self._shared.slots)
        return dict(sum(open_ones, self._shared.frames))

    def sweep(self, now_ns: int) -> int:
        """Fail what is past the time-out, retry refused connections, replace those out of ids."""
        for connection in self._shared.slots:
            if connection.next_id > LAST_ID - SPARE_IDS and not connection.is_ending:
                connection.drain()
                self._note_end(connection)
        return super().sweep(now_ns)

    # The hot paths.

    def _write_many(self, slot: int, request: bytes) -> int:
        """Ask on a stream; it goes out with what else its connection has, at the next poll."""
        shared = self._shared
        connection = shared.connections[slot]
        if connection.is_full:
            raise BrokenPipeError
        out, framed = connection.out, shared.framed[request]
        if not out:
            shared.dirty.append(connection)
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
        shared = self._shared
        if shared.told:
            events, shared.told = shared.told, []
            return events
        return cast(list[tuple[int, int]], self.epoll.poll(timeout, most))

    def _read_one(self, slot: int, size: int) -> bytes:
        """Read an answer; raises BlockingIOError where nothing of one came."""
        shared = self._shared
        connection = shared.connections[slot]
        data = shared.read(slot, size)
        known: Framed | None = shared.known
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
        shared = self._shared
        connection = shared.connections[slot]
        if connection.is_full:
            raise BrokenPipeError
        framed = shared.framed[request]
        if connection.out or framed.body:
            return self._write_odd(connection, slot, framed)
        number = connection.next_id
        stream = number.to_bytes(4)
        data = stream.join(framed.around)
        written = shared.write(slot, data)
        connection.next_id = connection.unsent_from = number + 2
        connection.fresh[stream] = slot
        if written < len(data):
            connection.out.append(data[written:])
            self.epoll.modify(slot, WATCHED | EPOLLOUT)
        return len(request)

    # All else is rare.

    def _read_odd(self, connection: Http2Connection, slot: int, data: bytes) -> bytes:
        shared = self._shared
        if data:
            connection.take_in(data, shared.came, None)
            self._send_out(connection)
        else:
            connection.end()
        if connection.is_ending or connection.resets:
            self._note_end(connection)
        if connection.has_new_limit:
            self._fit(connection)
        if slot in shared.came:
            return shared.came.pop(slot)
        raise BlockingIOError

    def _write_odd(self, connection: Http2Connection, slot: int, request: Framed) -> int:
        connection.begin(slot, request)
        self._send_out(connection)
        return request.size

    def _forget(self, connection: Http2Connection) -> None:
        self._shared.frames += connection.frames
        super()._forget(connection)

    def _judge(
        self, slot: int, tally: Tally, response: Response, raw: bytes, beyond: bytes
    ) -> Taken:
        taken = super()._judge(slot, tally, response, raw, beyond)
        if self.good is not None and (
            self._shared.known is None or self._shared.known.whole is not self.good
        ):
            self._shared.known = Framed(self.good)
        return taken

    def _fail(self, slot: int, kind: str, text: str) -> Taken:
        """Fail what a slot was asked; its connection goes on where it can."""
        answer = self.partial.get(slot)
        has_begun = answer is not None and answer.has_begun
        self._note_loss(slot, kind, Evidence(text), has_begun=has_begun)
        connection = self._shared.connections[slot]
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
