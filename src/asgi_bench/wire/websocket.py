"""WebSocket as a conversation: a handshake, then messages."""

import os
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha1
from typing import ClassVar

from asgi_bench.model import SWITCHED
from asgi_bench.wire.channel import READABLE, WRITABLE, Channel
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.frames import (
    MessageReader,
    PeerClosed,
    control_frames,
    message_at_once,
)
from asgi_bench.wire.http1 import (
    MAX_HEAD_BYTES,
    OURS,
    LimitError,
    Response,
    WireError,
    check_fields,
    field_value,
    parse_head,
)

# RFC 6455, 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16
_READ_BYTES = 16 * 1024
_TOLD_BODY = 120


class WebSocket:
    """The messages of one connection follow each other; each exchange knows how many it expects."""

    breach: ClassVar[str] = "its answer breaks the WebSocket protocol"
    # That of the handshake: no frame begins so.
    start: ClassVar[bytes] = b"HTTP/1."

    def __init__(self) -> None:
        # What the bytes that were read last ask for, masked, to be sent on their connection.
        self.replies = bytearray()

    def over(self, channel: Channel) -> Channel:
        """The channel itself."""
        return channel

    def open(self, channel: Channel, greeting: bytes) -> Iterator[int]:
        """Shake hands; raises WireError if the server doesn't, or not as RFC 6455 requires."""
        key = b64encode(os.urandom(_KEY_BYTES))
        unsent = memoryview(b"%bSec-WebSocket-Key: %b\r\n\r\n" % (greeting, key))
        while unsent:
            try:
                unsent = unsent[channel.write(unsent) :]
            except BlockingIOError:
                yield WRITABLE
        answer = b""
        while b"\r\n\r\n" not in answer:
            if len(answer) > MAX_HEAD_BYTES:
                raise LimitError(f"head over {MAX_HEAD_BYTES // 1024} KiB, {OURS}")
            yield READABLE
            try:
                data = channel.read(_READ_BYTES)
            except BlockingIOError:
                continue
            if not data:
                what = f"after {excerpt(answer)}" if answer else "without an answer"
                raise WireError(f"the handshake was cut off {what}")
            answer += data
        check_handshake(answer, greeting, key)

    def at_once(self, data: bytes, exchange: Exchange) -> Response | None:
        """Read one message in one frame; anything else is for a reader."""
        return message_at_once(data) if len(exchange.wanted) == 1 else None

    def reader(self, exchange: Exchange) -> MessageReader:
        """A reader for as many messages as must arrive."""
        return MessageReader(len(exchange.wanted), self.replies)

    def fault_beyond(self, response: Response, exchange: Exchange, beyond: bytes) -> WireError:
        """More arrived than expected."""
        count = len(exchange.wanted)
        awaited = f"{count} messages were" if count > 1 else "one message was"
        return WireError(
            f"{len(beyond)} bytes beyond the answer ({awaited} to come): {excerpt(beyond)}"
        )


def closing(channel: Channel, goodbye: bytes) -> Iterator[int]:
    """Close in order: our close frame, the server's, and then its end of the connection.

    Raises WireError if it doesn't reply that way.
    """
    try:
        channel.write(goodbye)
    except BlockingIOError:
        raise WireError("no room to send a close frame") from None
    data = b""
    while True:
        yield READABLE
        try:
            more = channel.read(_READ_BYTES)
        except BlockingIOError:
            continue
        data += more
        if not more:
            break
    try:
        rest = control_frames(data, bytearray())
    except PeerClosed:
        return
    raise WireError(f"a close was answered with {excerpt(rest) if rest else 'an end alone'}")


def check_handshake(answer: bytes, greeting: bytes, key: bytes) -> None:
    """Check the response to a handshake against RFC 6455, 4.1; raises WireError."""
    head, _, beyond = answer.partition(b"\r\n\r\n")
    head += b"\r\n"
    status = parse_head(head).status
    if status != SWITCHED:
        body = f": {excerpt(beyond, _TOLD_BODY)}" if beyond else ""
        raise WireError(f"the handshake was answered with status {status}{body}")
    lines = check_fields(head, head.find(b"\r\n") + 2)
    _require(lines, "upgrade", "websocket")
    _require(lines, "connection", "upgrade")
    accept = field_value(lines, "sec-websocket-accept")
    due = b64encode(sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    if accept != due:
        raise WireError(f"the handshake has sec-websocket-accept {accept}; due was {due}")
    for name in ("sec-websocket-extensions", "sec-websocket-protocol"):
        told = field_value(lines, name)
        asked = field_value(greeting, name)
        if told and told not in [one.strip() for one in (asked or "").split(",")]:
            raise WireError(f"the handshake has {name} {told}, which was not asked for")
    if beyond:
        raise WireError(f"bytes that nobody asked for, after the handshake: {excerpt(beyond)}")


def _require(lines: bytes, name: str, token: str) -> None:
    told = field_value(lines, name) or ""
    if token not in [one.strip() for one in told.lower().split(",")]:
        raise WireError(f"the handshake has no {name}: {token}, but {told!r}")
