"""A connection that carries several exchanges at once: what all such protocols share."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from asgi_bench.wire.channel import Channel

READ_BYTES = 64 * 1024
# Where the other side doesn't say: HTTP/2 has no more of them on a connection.
MOST_STREAMS = 2**31 - 1


class Fault(NamedTuple):
    """Why a connection can't be used any more: the kind of error, and the words."""

    kind: str
    text: str


class SharedConnection(ABC):
    """A connection over a channel; its exchanges are identified by their places.

    `take_in` returns what arrived of the responses, by their places. Outgoing bytes are in `out`
    until `flush`.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.out: list[bytes] = []
        # Whether nothing can be asked any more; why it has ended; what the other side said of
        # exchanges that it gave up, by place.
        self.is_ending = False
        self.fault: Fault | None = None
        self.resets: dict[int, str] = {}
        # How many exchanges the other side takes at once, and whether it has just said so anew.
        self.most_streams = MOST_STREAMS
        self.has_new_limit = False
        # Places that are given up as long as it takes fewer, and how many more have to be once
        # their exchange is over. Whether nothing can be asked now, for that or for good.
        self.parked: list[int] = []
        self.surplus = 0
        self.is_full = False
        # How many bytes of bodies were held back and then never sent.
        self.abandoned_bytes = 0

    @property
    def fd(self) -> int:
        """The descriptor of the underlying channel."""
        return self.channel.fd

    @property
    def client_port(self) -> int | None:
        """Our end of the underlying channel."""
        return self.channel.client_port

    @property
    def has_unsent(self) -> bool:
        """Whether something waits until the descriptor takes it."""
        return bool(self.out)

    @property
    @abstractmethod
    def held_bytes(self) -> int:
        """How many bytes of requests that count as sent were held back."""

    @abstractmethod
    def take_in(self, data: bytes, came: dict[int, bytes], known: Any) -> None:
        """Take bytes: add what arrived to `came` by place.

        A `known` response is recognised by its bytes. Whatever breaks the connection is its `fault`
        from then on.
        """

    @abstractmethod
    def was_not_taken(self, place: int) -> bool:
        """Whether a place's request was never processed."""

    def flush(self) -> None:
        """Send the content of `out` as far as possible; raises OSError."""
        if self.out:
            self.write_out()

    def write_out(self) -> int:
        """Send the content of `out`, which isn't empty; returns how much was sent."""
        data = b"".join(self.out)
        try:
            written = self.channel.write(data)
        except BlockingIOError:
            written = 0
        self.out[:] = () if written == len(data) else (data[written:],)
        return written

    def fail(self, fault: Fault) -> None:
        """Stop using it."""
        self.fault, self.is_ending, self.is_full = fault, True, True

    def end(self) -> None:
        """Take the end of the stream of bytes."""
        if self.fault is None:
            self.fail(Fault("reset", "closed the connection"))

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()
