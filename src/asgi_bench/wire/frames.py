"""WebSocket on the wire: messages as frames, and a bounded reader of the frames that arrive.

After RFC 6455, on bytes alone, and as a client: what it sends is masked, what arrives must not be.
As with HTTP/1.1 the engine feeds the reader only with what it has not seen byte for byte before.
"""

import os
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from asgi_bench.model import SWITCHED
from asgi_bench.wire.excerpts import excerpt
from asgi_bench.wire.http1 import MAX_BODY_BYTES, OURS, LimitError, Response, WireError

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_DATA = (CONTINUATION, TEXT, BINARY)
_CONTROL = (CLOSE, PING, PONG)
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_LENGTH_16, _LENGTH_64 = 126, 127
# What a head has beside its two bytes then.
_LENGTH_BYTES = {_LENGTH_16: 2, _LENGTH_64: 8}
MAX_CONTROL_BYTES = 125
# Masks keep bytes that a page chose from looking like HTTP to a proxy between. There is none on a
# benchmark's connection, and with one mask a message is the same bytes each time.
MASK = b"\x37\xfa\x21\x3d"
NORMAL, GOING_AWAY = 1000, 1001
# The codes that may travel in a close frame (RFC 6455, 7.4, and its registry).
_CODES = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))


class Received(msgspec.Struct, frozen=True):
    """A whole message."""

    payload: bytes
    is_binary: bool = False

    @property
    def told(self) -> str:
        """The message in words."""
        kind = "binary" if self.is_binary else "text"
        return f"{kind} {excerpt(self.payload)} ({len(self.payload)} bytes)"


class Messages(Response, frozen=True):
    """All the messages in response to one request; `body` are their concatenated payloads."""

    messages: tuple[Received, ...] = ()


class PeerClosed(EOFError):
    """The server has closed in order: a close frame arrived."""


def encode_frame(opcode: int, payload: bytes, mask: bytes = MASK) -> bytes:
    """Return one whole frame, as a client sends it; with an empty mask, as a server does."""
    first, bit = opcode | _FIN, _MASKED if mask else 0
    size = len(payload)
    if size < _LENGTH_16:
        head = struct.pack("!BB", first, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | _LENGTH_16, size)
    else:
        head = struct.pack("!BBQ", first, bit | _LENGTH_64, size)
    return head + mask + (masked(payload, mask) if mask else payload)


def encode_message(message: Received, mask: bytes = MASK) -> bytes:
    """Return a message as a single frame, masked as a client's must be."""
    return encode_frame(BINARY if message.is_binary else TEXT, message.payload, mask)


def encode_close(code: int) -> bytes:
    """Return the frame that ends a connection in order."""
    return encode_frame(CLOSE, struct.pack("!H", code))


def masked(payload: bytes, mask: bytes) -> bytes:
    """Return a payload under a mask; repeating it removes the mask."""
    size = len(payload)
    key = (mask * (size // len(mask) + 1))[:size]
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return whole.to_bytes(size, "big")


class _Bare(NamedTuple):
    """Frames of a client without their masks: as one number, and where each one's mask goes."""

    plain: int
    size: int
    heads_and_sizes: tuple[tuple[bytes, int], ...]


@lru_cache(maxsize=64)
def _bare(frames: bytes) -> _Bare:
    """Take the masks off whole frames of ours."""
    pieces, places, start = [], [], 0
    while start < len(frames):
        size, head_end = frames[start + 1] & _LENGTH, start + 2
        if size in _LENGTH_BYTES:
            head_end += _LENGTH_BYTES[size]
            size = int.from_bytes(frames[start + 2 : head_end], "big")
        begin = head_end + len(MASK)
        payload = masked(frames[begin : begin + size], frames[head_end:begin])
        pieces += [frames[start:head_end], bytes(len(MASK)), payload]
        places.append((bytes(head_end - start), len(MASK) + size))
        start = begin + size
    return _Bare(int.from_bytes(b"".join(pieces), "big"), len(frames), tuple(places))


def masked_anew(frames: bytes) -> bytes:
    """Return whole frames of ours, each under a mask that nobody can predict."""
    bare = _bare(frames)
    drawn = os.urandom(len(MASK) * len(bare.heads_and_sizes))
    keys = b"".join(
        head + (drawn[4 * n : 4 * n + 4] * (size // 4 + 1))[:size]
        for n, (head, size) in enumerate(bare.heads_and_sizes)
    )
    return (bare.plain ^ int.from_bytes(keys, "big")).to_bytes(bare.size, "big")


def encode_handshake(path: str, host: str, headers: Mapping[str, str]) -> bytes:
    """Return the request that opens a WebSocket, except its key, which differs per connection.

    A `Host` among the headers replaces `host`.
    """
    lines = [f"GET {path} HTTP/1.1"]
    if not any(name.lower() == "host" for name in headers):
        lines.append(f"Host: {host}")
    lines += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n"


def message_at_once(data: bytes) -> Messages | None:
    """Read the usual response, one frame that is a whole message, and no more.

    None if it is anything else: it then needs a reader.
    """
    if len(data) < 2 or data[0] not in (_FIN | TEXT, _FIN | BINARY):
        return None
    size, start = data[1], 2
    if size == _LENGTH_16:
        size, start = int.from_bytes(data[2:4], "big"), 4
        if size < _LENGTH_16:
            return None
    if (size > _LENGTH_16 and start == 2) or len(data) != start + size:
        return None
    payload = data[start:]
    if data[0] == _FIN | TEXT and not _is_utf_8(payload):
        return None
    message = Received(payload, is_binary=data[0] == _FIN | BINARY)
    return Messages(SWITCHED, payload, len(data), closes=False, messages=(message,))


class MessageReader:
    """Reads the messages in response to one request, from bytes as they arrive.

    Replies to control frames between and after them go into `replies`, masked and in order.
    `is_pure` says that there were none. A close frame raises PeerClosed; what breaks the protocol
    raises WireError, as soon as it is known.
    """

    def __init__(self, wanted: int, replies: bytearray) -> None:
        self._wanted = wanted
        self._replies = replies
        self._buffer = bytearray()
        self._messages: list[Received] = []
        # The fragments of a message that isn't whole, and what its first frame was.
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._kind: int | None = None
        self._size = 0
        self._end: str | None = None
        self.closes = False
        self.is_pure = True

    @property
    def missing(self) -> int:
        """How many bytes of the current frame are still missing at least."""
        head = self._head()
        return 0 if head is None else max(0, sum(head[2:]) - len(self._buffer))

    @property
    def beyond(self) -> bytes:
        """The bytes after the last message that are no whole control frame."""
        return bytes(self._buffer) if self._is_whole else b""

    @property
    def so_far(self) -> str:
        """What arrived of an incomplete response, in words."""
        if self._end is not None:
            return self._end
        came = f"{len(self._messages)} of {self._wanted} messages came"
        broken = self._fragment_bytes + len(self._buffer)
        if broken:
            return (
                f"{came}, and {broken} bytes of the next"
                if self._messages
                else (f"its message broke off after {broken} bytes")
            )
        return came if self._messages else "nothing came"

    def feed(self, data: bytes) -> Messages | None:
        """Take more bytes; return the messages once all are whole."""
        self._buffer += data
        while self._step():
            pass
        return self._answer() if self._is_whole else None

    def finish(self) -> None:
        """The end of the stream completes no message."""

    @property
    def _is_whole(self) -> bool:
        return len(self._messages) == self._wanted

    def _answer(self) -> Messages:
        body = b"".join(message.payload for message in self._messages)
        return Messages(
            SWITCHED, body, self._size, closes=self.closes, messages=tuple(self._messages)
        )

    def _head(self) -> tuple[int, bool, int, int] | None:
        """The opcode of the frame that begins here, whether it is the last, sizes of its parts.

        None while its head isn't whole; raises WireError.
        """
        buffer = self._buffer
        if not buffer:
            return None
        opcode, is_last = buffer[0] & _OPCODE, bool(buffer[0] & _FIN)
        if buffer[0] & _RESERVED:
            raise WireError(f"a frame with reserved bits set: {excerpt(bytes(buffer[:16]))}")
        if opcode not in _DATA and opcode not in _CONTROL:
            raise WireError(f"a frame with the reserved opcode {opcode:#x}")
        if opcode in _CONTROL and not is_last:
            raise WireError("a control frame in fragments")
        if opcode == CONTINUATION and self._kind is None:
            raise WireError("a continuation of no message")
        if opcode in (TEXT, BINARY) and self._kind is not None:
            raise WireError("a new message within one in fragments")
        if len(buffer) < 2:
            return None
        if buffer[1] & _MASKED:
            raise WireError("a masked frame, and from a server")
        return self._sized(opcode, is_last=is_last)

    def _sized(self, opcode: int, *, is_last: bool) -> tuple[int, bool, int, int] | None:
        size, start = self._buffer[1] & _LENGTH, 2
        if opcode in _CONTROL and size > MAX_CONTROL_BYTES:
            raise WireError("a control frame of more than 125 bytes")
        if size >= _LENGTH_16:
            least, start = (_LENGTH_16, 4) if size == _LENGTH_16 else (1 << 16, 10)
            if len(self._buffer) < start:
                return None
            size = int.from_bytes(self._buffer[2:start], "big")
            if size < least or size >> 63:
                raise WireError(f"a frame of {size} bytes with its length in {start - 2}")
            if self._fragment_bytes + size > MAX_BODY_BYTES:
                raise LimitError(f"message over {MAX_BODY_BYTES // 1024**2} MiB, {OURS}")
        return opcode, is_last, start, size

    def _step(self) -> bool:
        """Take one frame off the buffer; False where there is none to be taken yet."""
        if self._is_whole and self._buffer and self._buffer[0] & _OPCODE in _DATA:
            return False
        head = self._head()
        if head is None:
            return False
        opcode, is_last, start, size = head
        if len(self._buffer) < start + size:
            return False
        payload = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        if opcode in _CONTROL:
            self.is_pure = False
            self._obey(opcode, payload)
        else:
            self._size += start + size
            self._take(opcode, payload, is_last=is_last)
        return True

    def _take(self, opcode: int, payload: bytes, *, is_last: bool) -> None:
        if self._kind is None:
            self._kind = opcode
        self._fragments.append(payload)
        self._fragment_bytes += len(payload)
        if self._fragment_bytes > MAX_BODY_BYTES:
            raise LimitError(f"message over {MAX_BODY_BYTES // 1024**2} MiB, {OURS}")
        if not is_last:
            return
        whole = b"".join(self._fragments)
        if self._kind == TEXT and not _is_utf_8(whole):
            raise WireError(f"a text message that is not UTF-8: {excerpt(whole)}")
        self._messages.append(Received(whole, is_binary=self._kind == BINARY))
        self._fragments, self._fragment_bytes, self._kind = [], 0, None

    def _obey(self, opcode: int, payload: bytes) -> None:
        """Answer a ping, or a close; a pong asks for nothing."""
        if opcode == PING:
            self._replies += encode_frame(PONG, payload)
        elif opcode == CLOSE:
            code, told = _closing(payload)
            self._replies += encode_close(code or NORMAL)
            self.closes = True
            if not self._is_whole:
                self._end = f"its close came, with {told}"
                raise PeerClosed(self._end)
            self._buffer.clear()


def is_control(data: bytes) -> bool:
    """Whether a control frame begins here, judging by its first byte."""
    return data[0] & _OPCODE in _CONTROL


def control_frames(data: bytes, replies: bytearray) -> bytes:
    """Obey the whole control frames at the start of some bytes; return what follows them.

    Raises PeerClosed and WireError, as a reader of messages does.
    """
    reader = MessageReader(0, replies)
    reader.feed(data)
    if reader.closes:
        raise PeerClosed
    return reader.beyond


def _closing(payload: bytes) -> tuple[int | None, str]:
    """The code of a close frame, None where it has none, and the frame in words."""
    if not payload:
        return None, "no code"
    code, reason = int.from_bytes(payload[:2], "big"), payload[2:]
    if len(payload) < 2 or code not in _CODES:
        raise WireError(f"a close frame with the code {excerpt(payload[:2])}, which is none")
    if not _is_utf_8(reason):
        raise WireError(f"a close frame whose reason is not UTF-8: {excerpt(reason)}")
    return code, f"code {code}" + (f": {excerpt(reason)}" if reason else "")


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
