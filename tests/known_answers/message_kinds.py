"""The kinds of answers to a WebSocket message, as frames by hand; and to a handshake."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha1

from tests.known_answers.kinds import (
    APART_S,
    BODY,
    LARGE_BODY,
    PAUSE_S,
    WRONG_BODY,
    End,
    Kind,
    Step,
)

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PING = b"\x89\x05pings"
PONG = b"\x8a\x03out"


def frame(payload: bytes = BODY, first: int = 0x81) -> bytes:
    """A frame as a server sends it: a whole text message by default."""
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def _close(code: int, reason: bytes = b"") -> bytes:
    return frame(code.to_bytes(2, "big") + reason, 0x88)


def _fragments() -> list[bytes]:
    return [frame(BODY[:5], 0x01), frame(b"", 0x00), frame(BODY[5:], 0x80)]


def _bytewise(data: bytes) -> list[Step]:
    steps: list[Step] = []
    for byte in data:
        steps += [bytes((byte,)), APART_S]
    return steps[:-1]


MESSAGE_KINDS: dict[str, Kind] = {
    # Right answers.
    "plain": Kind(lambda: [frame()]),
    "segments": Kind(lambda: [frame()[:7], APART_S, frame()[7:]]),
    "bytewise": Kind(lambda: _bytewise(frame())),
    "fragmented": Kind(lambda: [b"".join(_fragments())]),
    "fragmented-bytewise": Kind(lambda: _bytewise(b"".join(_fragments()))),
    "ping-before": Kind(lambda: [PING + frame()]),
    "ping-alone": Kind(lambda: [PING, APART_S, frame()]),
    "ping-between": Kind(lambda: [PING.join(_fragments())]),
    "ping-between-segments": Kind(
        lambda: [_fragments()[0] + PING[:1], APART_S, PING[1:], APART_S, b"".join(_fragments()[1:])]
    ),
    "ping-behind": Kind(lambda: [frame() + PING]),
    "two-pings-behind": Kind(lambda: [frame() + PING * 2]),
    "pong-unasked": Kind(lambda: [PONG + frame() + PONG]),
    "close-behind": Kind(lambda: [frame() + _close(1001, b"going"), End.FIN]),
    "large": Kind(lambda: [frame(LARGE_BODY, 0x82)]),
    # Right ones, after which the server speaks or ends unasked.
    "ping-later": Kind(lambda: [frame(), PAUSE_S, PING]),
    "close-later": Kind(lambda: [frame(), PAUSE_S, _close(1000), End.FIN]),
    "again": Kind(lambda: [frame(), PAUSE_S, frame()]),
    # Wrong ones.
    "wrong-inside": Kind(lambda: [frame(WRONG_BODY)], "body"),
    "longer": Kind(lambda: [frame(BODY + b"!")], "body"),
    "binary": Kind(lambda: [frame(first=0x82)], "body"),
    "twice": Kind(lambda: [frame() * 2], "body"),
    "masked": Kind(lambda: [b"\x81\x8d\0\0\0\0" + BODY], "body"),
    "reserved-bits": Kind(lambda: [frame(first=0xC1)], "body"),
    "reserved-opcode": Kind(lambda: [frame(first=0x83)], "body"),
    "ping-too-long": Kind(lambda: [frame(b"x" * 126, 0x89) + frame()], "body"),
    "ping-in-fragments": Kind(lambda: [frame(b"x", 0x09) + frame()], "body"),
    "continuation-of-nothing": Kind(lambda: [frame(first=0x80)], "body"),
    "new-within-fragments": Kind(lambda: [_fragments()[0] + frame()], "body"),
    "length-not-shortest": Kind(lambda: [b"\x81\x7e\0\x0d" + BODY], "body"),
    "not-utf-8": Kind(lambda: [frame(b"Hello, \xc3orld!")], "body"),
    "http": Kind(lambda: [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], "body"),
    "close-code": Kind(lambda: [_close(1005), End.FIN], "body"),
    "close-of-one-byte": Kind(lambda: [frame(b"x", 0x88), End.FIN], "body"),
    "close-instead": Kind(lambda: [_close(1011, b"oops"), End.FIN], "reset"),
    "close-within": Kind(lambda: [_fragments()[0] + _close(1000), End.FIN], "reset"),
    "truncated": Kind(lambda: [frame()[:-5], End.FIN], "reset"),
    "truncated-head": Kind(lambda: [frame()[:1], End.FIN], "reset"),
    "truncated-fragments": Kind(lambda: [_fragments()[0], End.FIN], "reset"),
    "empty": Kind(lambda: [End.FIN], "reset"),
    "reset": Kind(lambda: [End.RST], "reset"),
    "reset-inside": Kind(lambda: [frame()[:-5], APART_S, End.RST], "reset"),
    "silent": Kind(list, "timeout"),
    "half-silent": Kind(lambda: [frame()[:-5]], "timeout"),
}

# Of all others the counts are exact under any load: see `kinds.UNTIMELY`.
TIMELY_MESSAGES: tuple[str, ...] = tuple(
    sorted(name for name in MESSAGE_KINDS if not name.endswith(("later", "again", "large")))
)


def _switching(key: bytes, *, upgrade: bytes = b"WebSocket", extra: bytes = b"") -> bytes:
    accept = b64encode(sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: %b\r\nConnection: keep-alive, Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (upgrade, accept, extra)
    )


HANDSHAKES: Mapping[str, Callable[[bytes], bytes]] = {
    "right": _switching,
    "other-key": lambda key: _switching(key[::-1]),
    "no-upgrade": lambda key: _switching(key, upgrade=b"h2c"),
    "extension": lambda key: _switching(
        key, extra=b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    ),
    "protocol": lambda key: _switching(key, extra=b"Sec-WebSocket-Protocol: chat\r\n"),
    "message-behind": lambda key: _switching(key) + frame(),
    "forbidden": lambda _: b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno!",
    "malformed": lambda _: b"HTTP/1.1 fine\r\n\r\n",
}
