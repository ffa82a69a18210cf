"""What a frame of WebSocket may not be, byte by byte, and what of it is told."""

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage

from asgi_bench.wire import frames
from asgi_bench.wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    MessageReader,
    PeerClosed,
    Received,
    control_frames,
    encode_close,
    encode_frame,
    encode_handshake,
    is_control,
    message_at_once,
)
from asgi_bench.wire.http1 import LimitError, WireError

BREACHES = {
    "reserved bits": (b"\xc1\x02hi", "a frame with reserved bits set: "),
    "a reserved opcode": (b"\x83\x00", "a frame with the reserved opcode 0x3"),
    "a reserved control opcode": (b"\x8b\x00", "a frame with the reserved opcode 0xb"),
    "a ping in fragments": (b"\x09\x00", "a control frame in fragments"),
    "a continuation of nothing": (b"\x80\x02hi", "a continuation of no message"),
    "a message within one": (b"\x01\x01h\x81\x01i", "a new message within one in fragments"),
    "a mask": (b"\x81\x82\x01\x02\x03\x04hi", "a masked frame, and from a server"),
    "a large ping": (b"\x89\x7e\x00\x7e", "a control frame of more than 125 bytes"),
    "a short length in 2 bytes": (
        b"\x81\x7e\x00\x7d",
        "a frame of 125 bytes with its length in 2",
    ),
    "a short length in 8 bytes": (
        b"\x81\x7f" + (65_535).to_bytes(8),
        "a frame of 65535 bytes with its length in 8",
    ),
    "a length of 64 bits": (
        b"\x81\x7f" + (1 << 63).to_bytes(8),
        f"a frame of {1 << 63} bytes with its length in 8",
    ),
    "text that is none": (b"\x81\x02\xff\xfe", "a text message that is not UTF-8: "),
    "a close of one byte": (b"\x88\x01\x03", "a close frame with the code "),
    "a close that no peer sends": (b"\x88\x02\x03\xed", "a close frame with the code "),
    "a reason that is no text": (
        b"\x88\x04\x03\xe8\xff\xfe",
        "a close frame whose reason is not UTF-8: ",
    ),
}


@pytest.mark.parametrize(("data", "told"), BREACHES.values(), ids=BREACHES)
def test_a_breach_is_told_as_soon_as_it_is_known(data: bytes, told: str) -> None:
    """Fed at once or byte by byte, with the same words, and before it is waited for more."""
    with pytest.raises(WireError) as at_once:
        MessageReader(1, bytearray()).feed(data)
    assert told in str(at_once.value)
    reader = MessageReader(1, bytearray())
    with pytest.raises(WireError) as later:
        for n in range(len(data)):
            reader.feed(data[n : n + 1])
    assert told.rstrip(": ") in str(later.value)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89\x7d" + bytes(125),
        b"\x81\x7e\x00\x7e" + b"x" * 126,
        b"\x81\x7f" + (65_536).to_bytes(8) + b"x" * 65_536,
        b"\x01\x01h\x80\x01i",
        b"\x82\x02\xff\xfe",
    ],
)
def test_what_is_just_allowed_is_no_breach(data: bytes) -> None:
    """The largest ping, the least lengths of each kind, fragments, and bytes that are no text."""
    MessageReader(1, bytearray()).feed(data)


def test_a_message_beyond_the_bound_is_refused_by_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """One announced as too large, and fragments that add up to more; at the bound is fine."""
    monkeypatch.setattr(frames, "MAX_BODY_BYTES", 1 << 21)
    bound = (1 << 21).to_bytes(8)
    assert MessageReader(1, bytearray()).feed(b"\x82\x7f" + bound) is None
    with pytest.raises(LimitError, match="message over 2 MiB"):
        MessageReader(1, bytearray()).feed(b"\x82\x7f" + ((1 << 21) + 1).to_bytes(8))
    reader = MessageReader(1, bytearray())
    reader.feed(b"\x02\x01x")
    with pytest.raises(LimitError, match="message over 2 MiB"):
        reader.feed(b"\x80\x7f" + bound)
    reader = MessageReader(1, bytearray())
    reader.feed(b"\x02\x7f" + bound + bytes(1 << 21))
    assert reader.feed(b"\x80\x00") is not None
    reader = MessageReader(1, bytearray())
    reader.feed(b"\x02\x7f" + bound + bytes(1 << 21))
    with pytest.raises(LimitError, match="message over 2 MiB"):
        reader.feed(b"\x80\x01x")


def test_missing_is_what_the_frame_lacks() -> None:
    """Of a head that isn't whole nothing is known; of a payload what has not come."""
    reader = MessageReader(1, bytearray())
    assert reader.missing == 0
    reader.feed(b"\x81")
    assert reader.missing == 0
    reader.feed(b"\x05")
    assert reader.missing == 5
    reader.feed(b"hel")
    assert reader.missing == 2
    assert reader.feed(b"lo") is not None
    assert reader.missing == 0
    reader.feed(b"\x81\x01!")
    assert reader.missing == 0


def test_what_follows_the_last_message_is_left() -> None:
    """Data frames behind it are nobody's answer; control frames are obeyed."""
    replies = bytearray()
    reader = MessageReader(1, replies)
    pings = encode_frame(PING, b"1", b"") + encode_frame(PONG, b"2", b"")
    found = reader.feed(b"\x81\x02hi" + pings + b"\x81\x01!")
    assert found is not None
    assert (found.body, found.size, found.closes) == (b"hi", 4, False)
    assert reader.beyond == b"\x81\x01!"
    assert replies == encode_frame(PONG, b"1")
    assert not reader.is_pure


def test_a_close_tells_its_code_and_reason() -> None:
    """In the words that a failed trial has; without a code it is answered as an orderly one."""
    for payload, told, answered in (
        (b"", "no code", 1000),
        (b"\x03\xe8", "code 1000", 1000),
        (b"\x03\xf3full", "code 1011: 'full'", 1011),
    ):
        replies = bytearray()
        reader = MessageReader(1, replies)
        with pytest.raises(PeerClosed, match=f"^its close came, with {told}$"):
            reader.feed(encode_frame(CLOSE, payload, b""))
        assert reader.so_far == f"its close came, with {told}"
        assert replies == encode_close(answered)


def test_a_code_that_is_none_is_told_without_the_reason() -> None:
    """Only the two bytes that it is of."""
    with pytest.raises(WireError, match=r"with the code 'hi', which is none$"):
        MessageReader(1, bytearray()).feed(encode_frame(CLOSE, b"hi there", b""))


def test_control_frames_between_answers_are_obeyed() -> None:
    """What is whole is taken off, the rest comes back, a close is an end."""
    replies = bytearray()
    data = encode_frame(PING, b"1", b"") + encode_frame(PONG, b"2", b"")
    assert control_frames(data + b"\x89\x05he", replies) == b"\x89\x05he"
    assert control_frames(data + b"\x81\x01x", bytearray()) == b"\x81\x01x"
    assert replies == encode_frame(PONG, b"1")
    with pytest.raises(PeerClosed):
        control_frames(encode_frame(CLOSE, b"", b""), replies)
    assert [is_control(bytes([0x80 | code, 0])) for code in (TEXT, BINARY, CONTINUATION)] == [
        *[False] * 3
    ]
    assert [is_control(bytes([0x80 | code, 0])) for code in (CLOSE, PING, PONG)] == [*[True] * 3]


def test_a_message_is_told_with_its_kind_and_size() -> None:
    """As findings quote it."""
    assert Received(b"hi").told == "text 'hi' (2 bytes)"
    assert Received(b"hi", is_binary=True).told == "binary 'hi' (2 bytes)"


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_lengths_are_written_in_the_fewest_bytes(size: int) -> None:
    """As the specification wants it, with a mask and without; a peer reads them back."""
    head = 2 if size < 126 else 4 if size < 65_536 else 10
    assert len(encode_frame(BINARY, bytes(size), b"")) == head + size
    assert len(encode_frame(BINARY, bytes(size))) == head + 4 + size
    peer = Connection(ConnectionType.SERVER)
    peer.receive_data(encode_frame(BINARY, bytes(size)))
    messages = [event for event in peer.events() if isinstance(event, BytesMessage)]
    assert sum(len(message.data) for message in messages) == size
    whole = encode_frame(TEXT, b"x" * size, b"")
    found = message_at_once(whole)
    assert (found is None) == (size == 65_536)
    assert found is None or found.messages == (Received(b"x" * size),)
    assert message_at_once(whole[:-1] if size else whole[:1]) is None


def test_what_is_no_lone_whole_message_is_left_to_the_reader() -> None:
    """A longer length than needed, text that is none, fragments, pings, a reserved length."""
    for data in (
        b"\x81\x7e\x00\x02hi",
        b"\x81\x02\xff\xfe",
        b"\x01\x02hi",
        b"\x89\x00",
        b"\x81\x7f" + (2).to_bytes(8) + b"hi",
        b"",
        b"\x81",
    ):
        assert message_at_once(data) is None
    found = message_at_once(b"\x82\x02\xff\xfe")
    assert found is not None
    assert (found.messages, found.size, found.closes) == (
        (Received(b"\xff\xfe", is_binary=True),),
        4,
        False,
    )


def test_a_handshake_asks_for_what_the_specification_wants() -> None:
    """All but its key; a Host of the user's own comes in place of ours."""
    assert encode_handshake("/ws?a=1", "127.0.0.1:80", {"Cookie": "a=b"}) == (
        b"GET /ws?a=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nCookie: a=b\r\n"
    )
    own = encode_handshake("/", "ours", {"cookie": "1", "HOST": "mine"})
    assert b"Host: ours" not in own
    assert b"HOST: mine\r\n" in own
