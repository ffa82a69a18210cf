"""The pool of pipelined HTTP/1.1: a slot is one of the requests in flight on a connection.

Responses come in the order of the requests, so the bytes after a response belong to the next one.
What ends a connection ends everything in flight on it.
"""

from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from asgi_bench.load.answers import Taken
from asgi_bench.load.mix import Tally
from asgi_bench.load.shared_pool import Shared, SharedPool
from asgi_bench.load.target import Target
from asgi_bench.load.wrong_answers import Evidence
from asgi_bench.wire.channel import Channel
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.http1 import Response
from asgi_bench.wire.shared import READ_BYTES, Fault, SharedConnection


class Pipeline(SharedConnection):
    """A connection whose responses come in the order in which its places have `asked`."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.asked: deque[int] = deque()
        # The beginning of a known answer, which is handed over with the rest of it; and whether
        # the beginning of any answer was handed over, which only its reader sees the end of.
        self.rest = b""
        self.is_amid = False
        self.has_closed = False
        # How many bytes had been asked with before each place last did, and were in all.
        self._begins: dict[int, int] = {}
        self._asked_bytes = 0

    @property
    def held_bytes(self) -> int:
        """How much of the requests that count as sent waits in `out`, or was never sent."""
        went_out = self._went_out_bytes
        if not self.is_ending:
            return self._asked_bytes - went_out
        begins = (self._begins[place] for place in self.asked)
        return min(filter(lambda begin: begin >= went_out, begins), default=went_out) - went_out

    def ask(self, place: int, request: bytes) -> None:
        """Send a request from a place, with the next `flush`."""
        self.out.append(request)
        self.asked.append(place)
        self._begins[place] = self._asked_bytes
        self._asked_bytes += len(request)

    def take_in(self, data: bytes, came: dict[int, bytes], known: bytes | None) -> None:
        """Take bytes: add what arrived to `came` by place; bytes for no place are a fault.

        The end of a response that isn't `known` can't be seen here: it gets everything there is,
        and whatever turns out to be beyond its end must be taken in again.
        """
        if self.rest:
            data, self.rest = self.rest + data, b""
        asked = self.asked
        if known and not self.is_amid:
            start, size = 0, len(known)
            while asked and data.startswith(known, start):
                came[asked.popleft()] = known
                start += size
            data = data[start:]
            if not data:
                return
            if asked and size <= READ_BYTES and known.startswith(data):
                self.rest = data
                return
        if not asked:
            self.fail(Fault("body", excerpt(data)))
            return
        place = asked[0]
        came[place] = came[place] + data if place in came else data
        self.is_amid = True

    def note_answer(self, place: int) -> None:
        """Record that the response to a place is whole."""
        if self.asked and self.asked[0] == place:
            self.asked.popleft()
            self.is_amid = False

    def was_not_taken(self, place: int) -> bool:
        """Whether nothing of a place's request was sent."""
        return self._begins[place] >= self._went_out_bytes

    def end(self) -> None:
        """Take the end of the stream of bytes, which may be the end of a response."""
        self.has_closed = self.fault is None
        super().end()

    @property
    def _went_out_bytes(self) -> int:
        return self._asked_bytes - sum(map(len, self.out))


class PipelinePool(SharedPool[Pipeline]):
    """All requests in flight to one target, `streams` on each connection."""

    what: ClassVar[str] = "bytes"

    def __init__(self, target: Target) -> None:
        super().__init__(target, Shared(target))
        self.write = self._ask

    def sweep(self, now_ns: int) -> int:
        """As any pool; a response that has begun and is late counts as having begun."""
        for connection in list(self._shared.slots):
            self._hand_over(connection)
        return super().sweep(now_ns)

    def _carrier(self, channel: Channel) -> Pipeline:
        return Pipeline(channel)

    def _ask(self, slot: int, request: bytes) -> int:
        """Ask; it goes out with what else its connection has, at the next poll."""
        connection = self._shared.connections[slot]
        if connection.is_full:
            raise BrokenPipeError
        if not connection.out:
            self._shared.dirty.append(connection)
        connection.ask(slot, request)
        return len(request)

    def _judge(
        self, slot: int, tally: Tally, response: Response, raw: bytes, beyond: bytes
    ) -> Taken:
        shared = self._shared
        connection = shared.connections[slot]
        taken = super()._judge(slot, tally, response, raw[: response.size], b"")
        shared.known = self._only and self._only.good
        if beyond and not response.closes:
            connection.take_in(beyond, shared.came, shared.known)
            if connection.is_ending:
                self._note_end(connection)
        return taken

    def _finish(
        self,
        slot: int,
        tally: Tally,
        right_bytes: int,
        *,
        closes: bool = False,
        is_right: bool = True,
    ) -> Taken:
        self._shared.connections[slot].note_answer(slot)
        return super()._finish(slot, tally, right_bytes, closes=closes, is_right=is_right)

    def _part(self, slot: int) -> None:
        """Replace the connection of an answer that ends it, whatever is under way there."""
        connection = self._shared.connections[slot]
        if not connection.is_ending:
            connection.fail(Fault("reset", "closed the connection after an earlier response"))
        super()._part(slot)

    def _fail(self, slot: int, kind: str, text: str) -> Taken:
        """Fail what a slot was asked; what is behind it can't be answered either."""
        connection = self._shared.connections[slot]
        answer = self.partial.get(slot)
        has_begun = answer is not None and answer.has_begun
        first = self.partial.get(connection.asked[0])
        if kind == "timeout" and first is not None and first is not answer:
            text = f"no complete response to an earlier request: {first.so_far}"
        self._note_loss(slot, kind, Evidence(text), has_begun=has_begun)
        self._shared.blamed.add(connection)
        if not connection.is_ending:
            connection.fail(Fault(kind, "failed on an earlier request and abandoned this one"))
        self.reopen(slot)
        return Taken.LOST

    def _end(self, slot: int, connection: Pipeline) -> Taken:
        fault = connection.fault
        if fault is None or slot not in self.busy or connection.was_not_taken(slot):
            return super()._end(slot, connection)
        self._hand_over(connection)
        if connection.has_closed:
            return self.take(slot, b"")
        return self._fail(slot, fault.kind, f"{fault.text} {self._stage(slot)}")

    def _in_turn(self, connection: Pipeline, slots: Iterable[int]) -> Iterable[int]:
        """As they have asked: what came for one may end with what is the next one's."""
        return dict.fromkeys([*connection.asked, *slots])

    def _hand_over(self, connection: Pipeline) -> None:
        """Give the beginning of a known answer to the slot that awaits it."""
        if connection.rest:
            rest, connection.rest = connection.rest, b""
            connection.is_amid = True
            self.take(connection.asked[0], rest)
