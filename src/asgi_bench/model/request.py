"""What is requested, and which response counts as correct."""

import re
from functools import lru_cache
from itertools import groupby
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.endpoint import HttpVersion, Transport

# What an answer is checked for: `body` is all its bytes, `pattern` a match in it.
Part: TypeAlias = Literal["status", "framing", "body", "pattern", "messages"]


# Content codings whose bodies are compared decoded.
Coding: TypeAlias = Literal["gzip"]

# What a final answer may have: with what HTTP defines (up to 599), what apps send beyond it.
LOWEST_STATUS, HIGHEST_STATUS = 200, 999
# The method and the status of what is held over WebSocket: the answer to its handshake.
WEBSOCKET_METHOD, SWITCHED = "WS", 101
# Large bodies are lines of so many bytes, seven digits that count from 0: no two lines are alike,
# so one that is lost, doubled or moved shows. `apps/bodies.py` makes the same.
LINE_BYTES = 8


class Message(msgspec.Struct, frozen=True):
    """One message of a WebSocket conversation: sent, or expected."""

    send: str | None = None
    """What is sent, if it is text."""
    expect: str | None = None
    """The only correct message that may come now, if it is text."""
    expect_pattern: str | None = None
    """A regular expression that the next message must match."""
    times: int = 1
    """How many times it is sent or expected, one after the other."""
    send_bytes: bytes | None = None
    """What is sent as a binary message, in base64."""
    expect_bytes: bytes | None = None
    """The only correct binary message that may come now, in base64."""

    @property
    def is_sent(self) -> bool:
        """Whether the client sends it."""
        return self.send is not None or self.send_bytes is not None


class Stream(msgspec.Struct, frozen=True):
    """A response that is timed by its parts, and may have no end.

    Parts are events if the response is `text/event-stream`, otherwise the chunks it arrives in.
    """

    leave_after: int | None = None
    """After how many parts the client leaves: it closes the connection and opens another, and the
    response is correct if it was correct until then. Null: the response ends by itself. 0 while
    that isn't known: probes before the load find it."""
    running_at: str | None = None
    """The path at which the app reports how many such streams run in the responding process, as
    JSON with `pid` and `streams`; null if it has none."""

    @property
    def is_held(self) -> bool:
        """Whether the client ends it: until then it is held open."""
        return self.leave_after is not None


class Request(msgspec.Struct, frozen=True):
    """A request with its expected response."""

    name: str
    """The name of the request or scenario."""
    method: str = "GET"
    """The HTTP method; `WS` of a conversation over WebSocket."""
    path: str = "/"
    """The path, with its query."""
    headers: dict[str, str] = {}
    """Headers sent besides those that every request has."""
    body: str = ""
    """The request's body, if it is text."""
    expect_status: int = 200
    """The status of a correct response; over WebSocket 101, the handshake's. 0 while it isn't
    known: probes before the load find it, and whether the body can be compared."""
    expect_body: str | None = None
    """The only correct body, if it is text."""
    expect_pattern: str | None = None
    """A regular expression that a correct body, read as UTF-8, must match."""
    body_bytes: bytes | None = None
    """The request's body in base64, if it isn't text."""
    expect_bytes: bytes | None = None
    """The only correct body in base64, if it isn't text."""
    messages: tuple[Message, ...] = ()
    """The WebSocket conversation at `path`, repeated on each connection: what is sent, and what
    must come back. Empty for a request over HTTP."""
    conversations: int | None = None
    """How many conversations, or over HTTP/1.1 responses, a connection has before it is closed
    properly and another is opened. Null for any number."""
    compared: tuple[Part, ...] = ()
    """What a response is compared in to count as correct: `status`, `framing`, and `body` (all its
    bytes) or `pattern`; over WebSocket the `messages`, each by itself, and their framing."""
    body_size: int | None = None
    """The size of the request's body in bytes, if it consists of numbered lines of eight bytes
    each."""
    expect_size: int | None = None
    """The size of the only correct body in bytes, if it consists of such lines."""
    expect_coding: Coding | None = None
    """The content coding of a correct response. Its body is compared decoded, since servers and
    versions may encode the same content differently."""
    chunked: bool = False
    """Whether the request's body is sent in chunks, without its length."""
    stream: Stream | None = None
    """How its response is timed part by part, if it is."""

    @property
    def turns(self) -> tuple[tuple[tuple[Message, ...], tuple[Message, ...]], ...]:
        """The conversation's turns: what is sent together, and what must arrive before the next.

        A turn's sent messages are one request, and what arrives is its response.
        """
        halves = [tuple(each) for _, each in groupby(self.messages, lambda one: one.is_sent)]
        return tuple(zip(halves[::2], halves[1::2], strict=True))

    @property
    def messages_held(self) -> float | None:
        """How many messages, or events of a held stream, a correct response contains on average.

        None if a response is one body.
        """
        if self.messages:
            heard = [message.times for _, answer in self.turns for message in answer]
            return sum(heard) / len(self.turns)
        return None if self.stream is None else self.stream.leave_after

    @property
    def content(self) -> bytes:
        """The request's body before it is framed."""
        if self.body_size is not None:
            return numbered_lines(self.body_size)
        return self.body.encode() if self.body_bytes is None else self.body_bytes

    @property
    def expected_content(self) -> bytes | None:
        """The only correct body; None if bodies are not compared."""
        if self.method == "HEAD" and self.expect_body is not None:
            return b""
        if self.expect_size is not None:
            return numbered_lines(self.expect_size)
        if self.expect_bytes is not None:
            return self.expect_bytes
        return None if self.expect_body is None else self.expect_body.encode()

    def accepts(self, body: bytes) -> bool:
        """Whether a body is correct."""
        expected = self.expected_content
        if expected is not None:
            return body == expected
        return self.expect_pattern is None or holds_match(self.expect_pattern, body)


class WeightedRequest(Request, frozen=True):
    """One of several requests of a scenario."""

    weight: float = 1.0
    """Its share of all requests sent is its weight divided by the sum of all weights."""


class Scenario(Request, frozen=True, kw_only=True):
    """What a cell is loaded with: an app, and a request to it or several.

    With `requests`, the scenario's own request is the first of them: a server is ready once it
    responds to that.
    """

    app: str
    """The ASGI app that is served."""
    needs: tuple[str, ...] = ("asgi3",)
    """Features that a server must support."""
    description: str = ""
    """What the scenario is for."""
    requires: tuple[str, ...] = ()
    """Requirement lines of its app, besides those of the server."""
    requests: tuple[WeightedRequest, ...] = ()
    """If there are several requests: each of them, drawn by weight. The scenario's own request is
    the first."""
    connections: int | None = None
    """How many connections load it without `-c`; null is the usual number."""
    is_broadcast: bool = False
    """Over WebSocket: one connection sends and every connection must receive; a request is correct
    once all have. The path is that of a chat room, to which the load adds a name of its own."""
    active: int | None = None
    """Over WebSocket: the number of connections on which messages are sent; the others are open and
    idle. Null for all."""
    random_masks: bool = False
    """Over WebSocket: whether each frame that the load sends has its own random mask."""
    pipeline: int | None = None
    """Over HTTP/1.1: the number of requests in flight on each connection, sent without waiting for
    earlier responses; null for one."""
    resumes: bool = False
    """Over TLS: whether a connection resumes the session of an earlier one."""
    most_connections: int | None = None
    """The most connections it is loaded with: cells with more are skipped."""
    most_duration_s: float | None = None
    """The longest time it is loaded per round: cells with more are skipped."""

    @property
    def is_http1(self) -> bool:
        """Whether it only makes sense, or is only timed, over HTTP/1.1.

        A WebSocket opens with an HTTP/1.1 request, whatever else its server speaks.
        """
        is_socket = self.method == WEBSOCKET_METHOD
        is_short, is_piped = self.conversations is not None, self.pipeline is not None
        return self.chunked or self.stream is not None or is_short or is_piped or is_socket

    def refusal(
        self, connections: int, duration_s: float, http: HttpVersion, transport: Transport
    ) -> str | None:
        """Why it can't be loaded with so many connections, for so long, over that HTTP version."""
        if http != "1" and self.is_http1:
            return "supports only HTTP/1.1 in this scenario"
        if transport != "tls" and "tls" in self.needs:
            return "needs TLS in this scenario: add --transport tls"
        if self.most_connections is not None and connections > self.most_connections:
            return f"takes at most {self.most_connections} connections in this scenario"
        if self.most_duration_s is not None and duration_s > self.most_duration_s:
            return f"is loaded for at most {self.most_duration_s:g} s a round in this scenario"
        return None


def holds_match(pattern: str, body: bytes) -> bool:
    """Whether a body, read as UTF-8, contains a match of a regular expression."""
    return re.search(pattern, body.decode(errors="replace")) is not None


@lru_cache(maxsize=8)
def numbered_lines(size: int) -> bytes:
    """Return a body of that size: lines of seven digits that count from 0; the last line is cut."""
    lines = (b"%07d\n" % number for number in range(-(-size // LINE_BYTES)))
    return b"".join(lines)[:size]
