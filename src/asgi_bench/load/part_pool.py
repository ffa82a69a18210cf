"""The pool of connections whose responses are streams: each is timed by its parts."""

from bisect import bisect_right
from collections.abc import Callable
from time import perf_counter_ns as clock_ns

from asgi_bench.load.answers import Answer, Taken
from asgi_bench.load.pool import Pool
from asgi_bench.load.target import Target
from asgi_bench.model import FIRST_BYTE_TIME, GAP_TIME
from asgi_bench.wire.conversation import Reader
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.parts import PartReader

# Between parts that come in one read; a histogram has no zero.
AT_ONCE_NS = 1


class Landmarks:
    """Where the parts of the known response end, and where its body begins, in its bytes."""

    def __init__(self, known: bytes, exchange: Exchange) -> None:
        self.known = known
        self.part_ends: list[int] = []
        self.body_begin = 0
        if known and exchange.stream is not None:
            reader = PartReader(exchange.method, exchange.stream)
            reader.feed(known)
            self.part_ends, self.body_begin = reader.offsets(), reader.body_begin()


class PartAnswer(Answer):
    """A response that records when its body began, and the gaps between its parts.

    While it equals the known one its bytes are not parsed: landmarks show how many parts are whole.
    """

    def __init__(
        self, landmarks: Landmarks, new_reader: Callable[[Exchange], Reader], exchange: Exchange
    ) -> None:
        super().__init__(landmarks.known, new_reader, exchange)
        self._landmarks = landmarks
        self._last_ns = 0
        self.parts = 0
        self.first_byte_ns = 0
        self.gaps_ns: list[int] = []

    def _take(self, data: bytes) -> None:
        super()._take(data)
        now_ns = clock_ns()
        if isinstance(self._reader, PartReader):
            parts, has_body = len(self._reader.part_ends), self._reader.body_bytes > 0
        else:
            parts = bisect_right(self._landmarks.part_ends, self._equal_bytes)
            has_body = self._equal_bytes > self._landmarks.body_begin
        if has_body and not self.first_byte_ns:
            self.first_byte_ns = now_ns
        if parts > self.parts:
            if self.parts:
                self.gaps_ns.append(now_ns - self._last_ns)
            self.gaps_ns += [AT_ONCE_NS] * (parts - self.parts - 1)
            self.parts, self._last_ns = parts, now_ns


class PartTimes:
    """The times of correct responses since they were last taken.

    As elsewhere each slot's first response is excluded, unless streams are held.
    """

    def __init__(self, *, is_held: bool) -> None:
        self._is_held = is_held
        self._answered: set[int] = set()
        self._first_byte_ns: list[int] = []
        self._gap_ns: list[int] = []

    def note(self, slot: int, sent_ns: int, answer: PartAnswer, most_gaps: int | None) -> None:
        """Record a correct response; of one that the client left, the gaps until then."""
        if slot not in self._answered and not self._is_held:
            self._answered.add(slot)
            return
        if answer.first_byte_ns:
            self._first_byte_ns.append(answer.first_byte_ns - sent_ns)
        self._gap_ns += answer.gaps_ns[:most_gaps]

    def take(self) -> dict[str, list[int]]:
        """Return and forget the times."""
        taken = {FIRST_BYTE_TIME: self._first_byte_ns, GAP_TIME: self._gap_ns}
        self._first_byte_ns, self._gap_ns = [], []
        self._answered.clear()
        return taken


class PartPool(Pool):
    """Slots whose responses are streams. All bytes go through `take`, to be timed."""

    def __init__(self, target: Target) -> None:
        # Before `super`, and all in one: a pool has no more attributes than it can have.
        self._timing = (PartTimes(is_held=target.is_held), [Landmarks(b"", target.exchanges[0])])
        super().__init__(target)

    @property
    def lets_loops_send(self) -> bool:
        """Never: a loop that compared by itself would time nothing."""
        return False

    def take(self, slot: int, data: bytes) -> Taken:
        """As any pool, and record the times of correct responses."""
        if slot not in self.busy or not data:
            return super().take(slot, data)
        times, (landmarks,) = self._timing
        tally = self.tallies[0]
        if tally.good is not landmarks.known:
            landmarks = self._timing[1][0] = Landmarks(tally.good, tally.exchange)
        answer = self.partial.get(slot)
        if not isinstance(answer, PartAnswer):
            answer = PartAnswer(landmarks, self._conversation.reader, tally.exchange)
            self.partial[slot] = answer
        sent_ns = self.sent_ns[slot]
        taken = super().take(slot, data)
        if taken is Taken.CORRECT:
            stream = tally.exchange.stream
            after = None if stream is None else stream.leave_after
            times.note(slot, sent_ns, answer, None if after is None else max(0, after - 1))
        elif answer.parts and self._unanswered:
            # It may never be whole: who waits for a first answer need not wait for the last part.
            self._unanswered.pop(slot, None)
        return taken

    def take_times(self) -> dict[str, list[int]]:
        """Times to the first byte of a body, and from part to part."""
        return super().take_times() | self._timing[0].take()
