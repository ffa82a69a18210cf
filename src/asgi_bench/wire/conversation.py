"""How a protocol uses a connection: what opens it, and how responses are read."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol

from asgi_bench.model import Endpoint
from asgi_bench.model.endpoint import Protocol as ProtocolName
from asgi_bench.wire.channel import Channel
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import (
    Response,
    ResponseReader,
    WireError,
    beyond_its_end,
    read_at_once,
)
from asgi_bench.wire.http2 import Http2
from asgi_bench.wire.parts import PartReader
from asgi_bench.wire.websocket import WebSocket


class Reader(Protocol):
    """Reads one response from bytes as they arrive; raises WireError as soon as it knows."""

    @property
    def missing(self) -> int:
        """How many bytes are still missing at least."""

    @property
    def beyond(self) -> bytes:
        """The bytes beyond the end of the response."""

    @property
    def so_far(self) -> str:
        """What arrived of an incomplete response, in words."""

    def feed(self, data: bytes) -> Response | None:
        """Take bytes; returns the response once it is whole."""

    def finish(self) -> Response | None:
        """Take the end of the stream: returns the response if that completes it."""


class Conversation(Protocol):
    """What all connections to an endpoint share beside their requests.

    A request is bytes, made before any load. It is sent as it is on any free slot of a connection.
    """

    breach: ClassVar[str]
    """How a message says that an answer breaks the protocol."""
    start: ClassVar[bytes]
    """How every answer begins, as far as that tells it from what doesn't belong there."""

    replies: bytearray
    """What the bytes that were read last ask us to say on their connection, beside requests."""

    def over(self, channel: Channel) -> Channel:
        """What carries one exchange at a time over a channel: the channel, or a stream on it."""

    def open(self, channel: Channel, greeting: bytes) -> Iterator[int]:
        """Send what precedes the first request; yields what it waits for, as a channel does.

        Raises OSError or WireError if the server doesn't agree.
        """

    def at_once(self, data: bytes, exchange: Exchange) -> Response | None:
        """Read the usual kind of response; None if it needs a reader. Raises WireError."""

    def reader(self, exchange: Exchange) -> Reader:
        """A reader for an exchange's response."""

    def fault_beyond(self, response: Response, exchange: Exchange, beyond: bytes) -> WireError:
        """The fault of bytes that follow a response and belong to none."""


class Http1:
    """HTTP/1.1 as a conversation: a connection carries requests as soon as it is open."""

    breach: ClassVar[str] = "its answer breaks HTTP/1.1"
    start: ClassVar[bytes] = b"HTTP/1."

    def __init__(self) -> None:
        self.replies = bytearray()

    def over(self, channel: Channel) -> Channel:
        """The channel itself."""
        return channel

    def open(self, channel: Channel, greeting: bytes) -> Iterator[int]:
        """Send nothing."""
        return iter(())

    def at_once(self, data: bytes, exchange: Exchange) -> Response | None:
        """Read a head and all of a body of known length; a stream needs its reader."""
        return read_at_once(data, exchange.method) if exchange.stream is None else None

    def reader(self, exchange: Exchange) -> ResponseReader | PartReader:
        """A reader of one response."""
        if exchange.stream is not None:
            return PartReader(exchange.method, exchange.stream)
        return ResponseReader(exchange.method)

    def fault_beyond(self, response: Response, exchange: Exchange, beyond: bytes) -> WireError:
        """The fault of bytes beyond the end that its head states."""
        return beyond_its_end(response, exchange.method, beyond)


CONVERSATIONS: Mapping[ProtocolName, type[Conversation]] = {
    "http1": Http1,
    "http2": Http2,
    "websocket": WebSocket,
}


def converse(endpoint: Endpoint) -> Conversation:
    """The conversation of connections to an endpoint."""
    return CONVERSATIONS[endpoint.protocol]()


def opening(channel: Channel, conversation: Conversation, greeting: bytes = b"") -> Iterator[int]:
    """Open a connection until it can carry requests; raises OSError or WireError."""
    yield from channel.open()
    yield from conversation.open(channel, greeting)
