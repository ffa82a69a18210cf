"""A WebSocket client: handshakes as bytes, frames of any shape, and responses read by wsproto."""

import base64
import hashlib
import os
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

from asgi_bench.conformance.clients.http1 import Answer, Field, read_head
from asgi_bench.conformance.clients.peer import Open, Peer
from asgi_bench.conformance.findings import Unanswered, quoted
from asgi_bench.conformance.start import Start

# The operation codes of frames (RFC 6455, section 11.8).
CONTINUED, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closing(NamedTuple):
    """How the server closes; 1005 stands for no code."""

    code: int
    reason: str


class Handshake(msgspec.Struct, frozen=True):
    """A request to open a WebSocket, and the only correct response to its key."""

    token: str
    data: bytes
    accept: bytes


def handshake(
    start: Start,
    *steps: list[Any],
    target: str = "/ws",
    headers: Sequence[Field] = (),
    version: bytes | None = b"13",
    has_key: bool = True,
) -> Handshake:
    """A handshake that carries a script."""
    key = base64.b64encode(os.urandom(16))
    upgrade: list[Field] = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    if version is not None:
        upgrade.append((b"sec-websocket-version", version))
    if has_key:
        upgrade.append((b"sec-websocket-key", key))
    asked = start.request(*steps, target=target, headers=[*upgrade, *headers])
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return Handshake(asked.token, asked.data, base64.b64encode(digest))


def frame(
    code: int, payload: bytes, *, last: bool = True, masked: bool = True, bits: int = 0
) -> bytes:
    """A frame, right or wrong."""
    head = bytes([(0x80 if last else 0) | bits | code])
    size = len(payload)
    mark = 0x80 if masked else 0
    if size < 126:
        head += bytes([mark | size])
    elif size < 65_536:
        head += bytes([mark | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mark | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    covered = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + covered.to_bytes(size, "big")


def close_frame(code: int | None, reason: bytes = b"") -> bytes:
    """A frame that closes, with a code or without."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class Socket(Open):
    """An open WebSocket, closed at the end of the `with` block.

    Raises Unanswered if the handshake isn't accepted, or the server doesn't respond.
    """

    def __init__(self, start: Start, *steps: list[Any], **how: Any) -> None:
        asked = handshake(start, *(steps or (["receive"], ["accept"], ["converse"])), **how)
        self.token = asked.token
        self.peer: Peer = start.open()
        # The frames as wsproto reads them; its `Connection` tells what it can't read as a close.
        self._reader = FrameProtocol(client=True, extensions=[])
        self._frames: list[Frame] = []
        try:
            self.peer.send(asked.data)
            self.answer: Answer = read_head(self.peer)
            if self.answer.status != 101:
                raise Unanswered(f"the handshake was answered with {self.answer.told}")
        except Unanswered:
            self.peer.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.peer.close()

    def send(self, *frames: bytes) -> None:
        """Send frames as they are."""
        self.peer.send(b"".join(frames))

    def message(self) -> str | bytes:
        """The next message, whole."""
        parts: list[Any] = []
        while True:
            frame = self.frame()
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                parts.append(frame.payload)
                if frame.message_finished:
                    whole: str | bytes = type(parts[0])().join(parts)
                    return whole
            elif frame.opcode is Opcode.CLOSE:
                raise Unanswered(f"in place of a message came a close: {frame.payload!r}")

    def pong(self) -> bytes:
        """The payload of the next pong."""
        while (frame := self.frame()).opcode is not Opcode.PONG:
            if frame.opcode is Opcode.CLOSE:
                raise Unanswered(f"in place of a pong came a close: {frame.payload!r}")
        assert isinstance(frame.payload, bytes | bytearray)
        return bytes(frame.payload)

    def closing(self) -> Closing:
        """The frame that closes; raises Unanswered if the connection ends without one."""
        while (frame := self.frame()).opcode is not Opcode.CLOSE:
            pass
        assert isinstance(frame.payload, tuple)
        code, reason = frame.payload
        return Closing(int(code), reason)

    def frame(self) -> Frame:
        """The next frame."""
        while not self._frames:
            if self.peer.came:
                self._feed(bytes(self.peer.came))
                self.peer.came.clear()
            elif not self.peer.read_some():
                raise Unanswered("the connection ended without a frame that closes it")
        return self._frames.pop(0)

    def _feed(self, data: bytes) -> None:
        try:
            self._reader.receive_bytes(data)
            self._frames += self._reader.received_frames()
        except ParseFailed as fault:
            raise Unanswered(f"the server's frames are wrong: {fault}: {quoted(data)}") from None
