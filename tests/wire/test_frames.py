"""The reader of messages, against a peer's frames and against bytes by hand."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage

from asgi_bench.wire.frames import (
    MASK,
    MessageReader,
    Messages,
    PeerClosed,
    Received,
    encode_close,
    encode_message,
    masked,
    masked_anew,
    message_at_once,
)
from asgi_bench.wire.http1 import WireError

MESSAGES = st.one_of(
    st.builds(lambda text: Received(text.encode()), st.text(max_size=300)),
    st.builds(lambda data: Received(data, is_binary=True), st.binary(max_size=300)),
    st.just(Received(b"x" * 70_000)),
)


def cut(data: bytes, seed: int, pieces: int) -> list[bytes]:
    """Some bytes in so many pieces, or all of one byte."""
    if pieces == 0:
        return [data[n : n + 1] for n in range(len(data))]
    places = sorted(random.Random(seed).choices(range(len(data) + 1), k=pieces - 1))
    return [data[start:end] for start, end in zip([0, *places], [*places, None], strict=True)]


def read(reader: MessageReader, pieces: list[bytes]) -> Messages | None:
    """What a reader has made of pieces at the last."""
    found = None
    for piece in pieces:
        found = reader.feed(piece)
    return found


def frames_of(peer: Connection, message: Received, fragments: int, chance: random.Random) -> bytes:
    """A message as a peer sends it, in fragments with pings between them."""
    payload: str | bytes = message.payload if message.is_binary else message.payload.decode()
    places = sorted(chance.choices(range(len(payload) + 1), k=fragments - 1))
    parts = [payload[a:b] for a, b in zip([0, *places], [*places, None], strict=True)]
    sent = b""
    for number, part in enumerate(parts, 1):
        is_last = number == len(parts)
        event: Event = (
            BytesMessage(data=part, message_finished=is_last)
            if isinstance(part, bytes)
            else TextMessage(data=part, message_finished=is_last)
        )
        sent += peer.send(event)
        if not is_last and chance.random() < 0.5:
            sent += peer.send(Ping(payload=bytes([number % 256])))
    return sent


@given(
    messages=st.lists(MESSAGES, min_size=1, max_size=4),
    fragments=st.integers(1, 5),
    pieces=st.integers(0, 6),
    seed=st.integers(0, 1000),
)
def test_messages_of_a_peer_are_read_however_they_are_cut(
    messages: list[Received], fragments: int, pieces: int, seed: int
) -> None:
    """Fragments, pings between and any segments: the messages are those that were sent."""
    peer, chance = Connection(ConnectionType.SERVER), random.Random(seed)
    data = b"".join(frames_of(peer, message, fragments, chance) for message in messages)
    if len(data) > 5000 and pieces == 0:
        pieces = 7
    replies = bytearray()
    reader = MessageReader(len(messages), replies)
    found = read(reader, cut(data, seed, pieces))
    assert found is not None
    assert found.messages == tuple(messages)
    assert found.body == b"".join(message.payload for message in messages)
    assert reader.beyond == b""
    assert reader.is_pure == (found.size == len(data))
    # The peer takes our pongs for what they are: answers to its pings, in order.
    peer.receive_data(bytes(replies))
    assert all(isinstance(event, Pong) for event in peer.events())


@given(message=MESSAGES, mask=st.binary(min_size=4, max_size=4))
def test_a_peer_reads_what_is_sent(message: Received, mask: bytes) -> None:
    """Under any mask a message arrives as it was."""
    peer = Connection(ConnectionType.SERVER)
    peer.receive_data(encode_message(message, mask))
    events = [event for event in peer.events() if isinstance(event, Message)]
    kind = BytesMessage if message.is_binary else TextMessage
    assert all(isinstance(event, kind) for event in events)
    parts = [event.data if message.is_binary else event.data.encode() for event in events]
    assert b"".join(map(bytes, parts)) == message.payload


@given(data=st.binary(max_size=200), seed=st.integers(0, 100), pieces=st.integers(0, 4))
def test_any_bytes_are_messages_a_fault_or_unfinished(data: bytes, seed: int, pieces: int) -> None:
    """Whatever comes, the reader raises nothing but its own, and cuts change nothing."""
    outcomes: list[tuple[Received, ...] | str | None] = []
    for each in (cut(data, seed, pieces), [data]):
        reader = MessageReader(1, bytearray())
        try:
            found = None
            for piece in each:
                found = found or reader.feed(piece)
            outcomes.append(found.messages if found else None)
        except PeerClosed:
            outcomes.append("closed")
        except WireError:
            outcomes.append("fault")
    # Whole before a fault: what is behind an answer is judged with it where it comes with it.
    assert outcomes[0] == outcomes[1] or (isinstance(outcomes[0], tuple) and outcomes[1] == "fault")


@given(message=MESSAGES, other=st.binary(max_size=20))
def test_one_frame_is_read_at_once_as_a_reader_reads_it(message: Received, other: bytes) -> None:
    """The short way says what the reader says, and nothing of more than one frame."""
    data = Connection(ConnectionType.SERVER).send(
        BytesMessage(data=message.payload)
        if message.is_binary
        else TextMessage(data=message.payload.decode())
    )
    for each in (data, data + other, data[:-1], other):
        found = message_at_once(each)
        if found is not None:
            assert found == MessageReader(1, bytearray()).feed(each)
    if len(message.payload) < 1 << 16:
        assert message_at_once(data) is not None


def test_a_close_is_answered_with_its_code() -> None:
    """In place of an answer it is an end; behind one it is a reply that closes."""
    peer = Connection(ConnectionType.SERVER)
    close = peer.send(CloseConnection(code=1011, reason="full"))
    replies = bytearray()
    with pytest.raises(PeerClosed):
        MessageReader(1, replies).feed(close)
    assert replies == encode_close(1011)
    peer = Connection(ConnectionType.SERVER)
    found = MessageReader(1, bytearray()).feed(peer.send(TextMessage(data="hi")) + close)
    assert found is not None
    assert found.closes


def test_so_far_says_how_far_it_came() -> None:
    """An answer that isn't whole is told in words."""
    reader = MessageReader(2, bytearray())
    assert reader.so_far == "nothing came"
    reader.feed(b"\x81\x02h")
    assert reader.so_far == "its message broke off after 3 bytes"
    reader.feed(b"i\x81")
    assert reader.so_far == "1 of 2 messages came, and 1 bytes of the next"


def test_a_mask_comes_off() -> None:
    """Masking twice leaves a payload as it was."""
    assert masked(masked(b"Hello, world!", MASK), MASK) == b"Hello, world!"
    assert masked(b"", MASK) == b""


@given(messages=st.lists(MESSAGES, min_size=1, max_size=4))
def test_masks_are_drawn_anew_for_each_frame(messages: list[Received]) -> None:
    """A peer reads the same messages; no two frames have the mask in common, nor two sendings."""
    frames = b"".join(map(encode_message, messages))
    once, again = masked_anew(frames), masked_anew(frames)
    assert once != again
    assert len(once) == len(frames)
    peer = Connection(ConnectionType.SERVER)
    peer.receive_data(once)
    events = [event for event in peer.events() if isinstance(event, Message)]
    parts = [each.data if not isinstance(each.data, str) else each.data.encode() for each in events]
    assert b"".join(map(bytes, parts)) == b"".join(each.payload for each in messages)
