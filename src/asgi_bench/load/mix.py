"""Several weighted requests on the connections of one target, each answer held to its own.

Which request is next is drawn when one is sent, whatever connection it goes out on: a request that
is slow holds up its connection, but not its share of what is sent.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from asgi_bench.load.answers import Taken
from asgi_bench.load.connections import Connections
from asgi_bench.load.target import Exchange, Target
from asgi_bench.load.wrong_answers import Evidence
from asgi_bench.model import ErrorCounts

# In each so many requests every one has its share, to within one: slices of a few hundred requests
# are alike, whatever the server.
BLOCK = 64
# Beside the arrivals that are drawn from the same seed.
STREAM = 1


def drawn(weights: Sequence[float], seed: int) -> Iterator[int]:
    """Yield for ever which request is next, by its place, from a seeded stratified draw.

    Each of a block's equal parts of [0, 1) gets one point, in shuffled order, and the weights part
    [0, 1) into the requests: every single draw has the weights' probabilities, and a block holds
    what they come to.
    """
    chance = np.random.default_rng((seed, STREAM))
    edges = np.cumsum(weights)[:-1] / sum(weights)
    while True:
        points = (chance.permutation(BLOCK) + chance.random(BLOCK)) / BLOCK
        yield from np.searchsorted(edges, points, side="right").tolist()


class Tally:
    """What became of one of the requests since the start."""

    def __init__(self) -> None:
        self.sent = 0
        self.correct = 0
        self.response_bytes = 0
        self.errors = dict.fromkeys(ErrorCounts.__struct_fields__, 0)

    @property
    def error_counts(self) -> ErrorCounts:
        """Errors by kind."""
        return ErrorCounts(**self.errors)


class MixedConnections(Connections):
    """Connections on which one of several requests is drawn for each sending.

    `good` is empty for the loops: which bytes are right depends on the connection, so all answers
    take the longer way, at some 2 us more for each. `tallies` stand in the order of the target's
    exchanges; `turns` says which of them each connection sent last.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.tallies = [Tally() for _ in target.exchanges]
        self.turns: dict[int, int] = {}
        self._requests = [exchange.request for exchange in target.exchanges]
        self._goods = [b"" for _ in target.exchanges]
        self.draw(0)

    @property
    def _asked_bytes(self) -> int:
        sizes = map(len, self._requests)
        return sum(tally.sent * size for tally, size in zip(self.tallies, sizes, strict=True))

    def draw(self, seed: int) -> None:
        """Begin another sequence of requests."""
        self._draws = drawn([exchange.weight for exchange in self.target.exchanges], seed)
        self._next = next(self._draws)

    @property
    def mean_response_bytes(self) -> int:
        """The size of a right answer in the mean of all."""
        total = sum(tally.correct * tally.response_bytes for tally in self.tallies)
        return round(total / max(self.correct, 1))

    def send(self, fd: int, now_ns: int) -> bool:
        """Send the request whose turn it is; False where nothing was sent: its turn stays."""
        turn = self._next
        self.request = self._requests[turn]
        if not super().send(fd, now_ns):
            return False
        self.turns[fd] = turn
        self.tallies[turn].sent += 1
        self._next = next(self._draws)
        return True

    def take(self, fd: int, data: bytes) -> Taken:
        """Add bytes to a connection's answer and judge it by the connection's own request."""
        if fd not in self.busy:
            return super().take(fd, data)
        turn = self.turns[fd]
        tally = self.tallies[turn]
        self.good, self.expected = self._goods[turn], self.target.exchanges[turn]
        self.response_bytes = tally.response_bytes
        taken = super().take(fd, data)
        if taken is Taken.CORRECT:
            tally.correct += 1
            tally.response_bytes = self.response_bytes
        self._goods[turn], self.good = self.good, b""
        return taken

    def _note_loss(self, fd: int, kind: str, evidence: Evidence, *, has_begun: bool) -> None:
        self.tallies[self.turns[fd]].errors[kind] += 1
        super()._note_loss(fd, kind, evidence, has_begun=has_begun)

    def _asked(self, fd: int) -> Exchange:
        return self.target.exchanges[self.turns[fd]]
