"""One request with its expected response, as bytes; and the requests of a scenario."""

from typing import NamedTuple

import msgspec

from asgi_bench.model import (
    SWITCHED,
    WEBSOCKET_METHOD,
    Coding,
    Endpoint,
    Message,
    Request,
    Stream,
    holds_match,
)
from asgi_bench.wire.frames import (
    Messages,
    Received,
    encode_handshake,
    encode_message,
)
from asgi_bench.wire.http1 import Response, bytes_of
from asgi_bench.wire.http2_frames import Framed, encode_request, is_framed


class Wanted(msgspec.Struct, frozen=True):
    """A WebSocket message that must arrive; with neither, any message is right."""

    exact: Received | None = None
    """The only right one."""
    pattern: str | None = None
    """What has to match in it."""

    def accepts(self, message: Received) -> bool:
        """Whether a message matches."""
        if self.exact is not None:
            return message == self.exact
        return self.pattern is None or holds_match(self.pattern, message.payload)


class Exchange(msgspec.Struct, frozen=True):
    """A request as bytes, and what every response to it is checked for."""

    name: str
    """Which request it is, to whoever reads of a wrong answer to it."""
    request: bytes
    method: str = "GET"
    expect_status: int = 200
    expect_body: bytes | None = None
    """The only correct body."""
    expect_pattern: str | None = None
    """Without `expect_body`: what has to match in the body. With neither, any body is right."""
    weight: float = 1.0
    """Of several exchanges each is sent by its weight."""
    wanted: tuple[Wanted, ...] = ()
    """Over WebSocket: the messages that have to come, instead of a status and a body."""
    expect_coding: Coding | None = None
    """The content coding that an answer has to have; bodies are compared without it."""
    stream: Stream | None = None
    """How its response is timed part by part, if it is."""

    @property
    def has_body(self) -> bool:
        """Whether anything follows the request's head."""
        if is_framed(self.request):
            return bool(Framed(self.request).body)
        return bool(self.wanted) or self.request.find(b"\r\n\r\n") + 4 < len(self.request)

    def fault_of(self, response: Response) -> str | None:
        """Return the kind of error of a complete response, or None if it is correct.

        Only called for bytes that were not found correct before, so a pattern costs nothing if all
        responses are the same.
        """
        if response.status != self.expect_status:
            return "status"
        if isinstance(response, Messages):
            return None if self._first_wrong(response) is None else "body"
        body = response.body_without(self.expect_coding)
        if self.expect_body is not None:
            return None if body == self.expect_body else "body"
        if body is None:
            return "body"
        if self.expect_pattern is not None and not holds_match(self.expect_pattern, body):
            return "body"
        return None

    def fault_text(self, response: Response) -> str:
        """Say what is wrong with a complete response that has a fault."""
        if response.status != self.expect_status:
            return f"status {response.status} instead of {self.expect_status}"
        if isinstance(response, Messages):
            return self._message_fault(response)
        if response.body_without(self.expect_coding) is None:
            return f"a body that is not in {self.expect_coding}"
        if self.expect_body is None:
            return f"a body without a match of {self.expect_pattern}"
        return f"a body other than the expected one of {len(self.expect_body)} bytes"

    def _first_wrong(self, response: Messages) -> int | None:
        """The place of the first message that is not the wanted one."""
        pairs = zip(self.wanted, response.messages, strict=True)
        return next((n for n, (each, got) in enumerate(pairs) if not each.accepts(got)), None)

    def _message_fault(self, response: Messages) -> str:
        place = self._first_wrong(response) or 0
        wanted, got = self.wanted[place], response.messages[place]
        which = f", message {place + 1} of {len(self.wanted)}" if len(self.wanted) > 1 else ""
        if wanted.exact is None:
            return f"answered {got.told}, without a match of {wanted.pattern}{which}"
        return f"answered {got.told} instead of {wanted.exact.told}{which}"


class Dialogue(NamedTuple):
    """How a request is made to an endpoint: what opens a connection, and what is requested on it.

    `endpoint` knows the protocol of the request. Over WebSocket several exchanges are the turns of
    one conversation, in order.
    """

    endpoint: Endpoint
    greeting: bytes
    exchanges: tuple[Exchange, ...]


def dialogue(endpoint: Endpoint, request: Request, *, weight: float = 1.0) -> Dialogue:
    """Return a request as bytes, and what must come back."""
    if not request.messages:
        exchange = Exchange(
            name=f"{request.method} {request.path}",
            request=_request_bytes(request, endpoint),
            method=request.method,
            expect_status=request.expect_status,
            expect_body=request.expected_content,
            expect_pattern=request.expect_pattern,
            weight=weight,
            expect_coding=request.expect_coding,
            stream=request.stream,
        )
        return Dialogue(endpoint, b"", (exchange,))
    turns = request.turns
    exchanges = tuple(
        Exchange(
            name=f"{WEBSOCKET_METHOD} {request.path}{f' turn {number}' if len(turns) > 1 else ''}",
            request=b"".join(map(_sent, sent)),
            method=WEBSOCKET_METHOD,
            expect_status=SWITCHED,
            wanted=tuple(_wanted(one) for one in wanted for _ in range(one.times)),
        )
        for number, (sent, wanted) in enumerate(turns, 1)
    )
    return Dialogue(
        msgspec.structs.replace(endpoint, protocol="websocket"),
        encode_handshake(request.path, endpoint.authority, request.headers),
        exchanges,
    )


def _request_bytes(request: Request, endpoint: Endpoint) -> bytes:
    if endpoint.protocol != "http2":
        return bytes_of(request, endpoint.authority)
    return encode_request(
        request.method,
        request.path,
        scheme=endpoint.scheme,
        authority=endpoint.authority,
        headers=request.headers,
        body=request.content,
        has_length=not request.chunked,
    )


def _sent(message: Message) -> bytes:
    """The frames of a message that is sent, as often as it is."""
    if message.send_bytes is not None:
        return encode_message(Received(message.send_bytes, is_binary=True)) * message.times
    return encode_message(Received((message.send or "").encode())) * message.times


def _wanted(message: Message) -> Wanted:
    if message.expect_bytes is not None:
        return Wanted(Received(message.expect_bytes, is_binary=True))
    if message.expect is not None:
        return Wanted(Received(message.expect.encode()))
    return Wanted(pattern=message.expect_pattern)
