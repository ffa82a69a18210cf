"""What a known-answer server is told to do, and what it says it did."""

import msgspec


class Behaviour(msgspec.Struct, frozen=True):
    """How a server answers.

    The nth request gets the nth kind of `opening`, and after that those of `script` in turn; n
    counts over the whole server, or over each connection with `per_connection`. A path that is
    named in `by_path` gets the kind that stands there instead. Every answer
    waits `delay_s`. With a stall, the server says nothing during the first `stall_s` of every
    `stall_period_s` since its origin: what is due meanwhile is answered when the stall ends.
    `handshake` is how one for a WebSocket is answered; messages then have kinds as requests do. Who
    doesn't close in order answers a close frame by ending the stream alone.
    Over HTTP/2 a connection takes so many `streams`, and bytes of a body (`window`), at once.
    An `early` server answers, and counts, a request whose head has come; its body is passed over.
    """

    script: tuple[str, ...] = ("plain",)
    opening: tuple[str, ...] = ()
    per_connection: bool = False
    delay_s: float = 0.0
    stall_s: float = 0.0
    stall_period_s: float = 0.0
    by_path: dict[str, str] = {}
    early: bool = False
    handshake: str = "right"
    closes_in_order: bool = True
    streams: int = 100
    window: int = 65_535

    def kind_of(self, number: int) -> str:
        """The kind of the answer to a request, counted from 0."""
        if number < len(self.opening):
            return self.opening[number]
        return self.script[(number - len(self.opening)) % len(self.script)]


class Started(msgspec.Struct, frozen=True):
    """Where a server listens, and the origin of its stalls on the monotonic clock."""

    port: int
    origin_ns: int


class Counts(msgspec.Struct, frozen=True):
    """What a server saw: `requests` are whole ones received, `kinds` how each was answered.

    `late` requests came on a connection the server had already closed its side of: they are in
    `requests`, not in `kinds`. `open` connections are those the client has not closed yet.
    `delays_ns` is how long each answer was held back, from request read to answer sent; only of
    a server with a delay or a stall. `paths` counts all requests by their path.

    Of WebSocket, `requests` are whole messages received, `pings` those that were sent, `pongs`
    those that answered one, `closes` close frames received, `handshakes` those that were answered
    with 101, and `masks` how many different ones frames had.

    Of HTTP/2, `refused` requests came after a GOAWAY's last stream and are in nothing else,
    `overflows` frames were beyond a window or opened more streams than were allowed, no more than
    `most_open` streams awaited an answer on any connection, and `pongs` are pings that were
    acknowledged.
    """

    connections: int
    open: int
    requests: int
    late: int
    kinds: dict[str, int]
    delays_ns: tuple[int, ...]
    paths: dict[str, int] = {}
    pings: int = 0
    pongs: int = 0
    closes: int = 0
    handshakes: int = 0
    masks: int = 0
    refused: int = 0
    overflows: int = 0
    most_open: int = 0
