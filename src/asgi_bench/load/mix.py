"""The requests of one target: which is next, and what became of each.

The next request is drawn when it is sent, whatever slot it uses: a slow request occupies its slot,
but not its share of what is sent.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from asgi_bench.model import ErrorCounts
from asgi_bench.wire.exchange import Exchange

# In each so many requests every one has its share, to within one: slices of a few hundred requests
# are alike, whatever the server.
BLOCK = 64
# Beside the arrivals that are drawn from the same seed.
STREAM = 1


def drawn(weights: Sequence[float], seed: int) -> Iterator[int]:
    """Yield forever the index of the next request, from a seeded stratified draw.

    Each of a block's equal parts of [0, 1) gets one point, in shuffled order, and the weights
    divide [0, 1) into the requests: every single draw has the weights' probabilities, and a block
    has their proportions.
    """
    chance = np.random.default_rng((seed, STREAM))
    edges = np.cumsum(weights)[:-1] / sum(weights)
    while True:
        points = (chance.permutation(BLOCK) + chance.random(BLOCK)) / BLOCK
        yield from np.searchsorted(edges, points, side="right").tolist()


class Tally:
    """One of the requests, and what became of it since the start.

    `good` is the last response that was parsed and found correct, byte for byte; `received_bytes`
    adds up all correct responses, including heads.
    """

    __slots__ = (
        "correct",
        "errors",
        "exchange",
        "good",
        "place",
        "received_bytes",
        "request",
        "response_bytes",
        "sent",
    )

    def __init__(self, place: int, exchange: Exchange) -> None:
        self.place = place
        self.exchange = exchange
        self.request = exchange.request
        self.good = b""
        self.sent = 0
        self.correct = 0
        self.response_bytes = 0
        self.received_bytes = 0
        self.errors = dict.fromkeys(ErrorCounts.__struct_fields__, 0)

    @property
    def error_counts(self) -> ErrorCounts:
        """Errors by kind."""
        return ErrorCounts(**self.errors)
