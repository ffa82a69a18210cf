"""WebSocket: messages both ways, frames that are wrong, and how a connection ends."""

from typing import Any

from asgi_bench.conformance.check import RFC6455, WWW, Suite
from asgi_bench.conformance.clients.websocket import (
    BINARY,
    CONTINUED,
    PING,
    TEXT,
    Closing,
    Socket,
    close_frame,
    frame,
)
from asgi_bench.conformance.findings import YES, Finding, Unanswered, held
from asgi_bench.conformance.journal import Entry
from asgi_bench.conformance.start import Start

SUITE = Suite("websocket")
_RECEIVE, _SEND = f"{WWW}#receive-receive-event", f"{WWW}#send-send-event"
_GONE, _CLOSE = f"{WWW}#disconnect-receive-event-ws", f"{WWW}#close-send-event"
_OPEN: tuple[list[Any], ...] = (["receive"], ["accept"])
_NO_CODE, _LOST = 1005, 1006


def _event(start: Start, socket: Socket, kind: str = "websocket.receive") -> dict[str, Any]:
    """The event of that kind that the app was handed."""
    event: dict[str, Any] = start.awaited(socket.token, "receive", type=kind).data
    return event


# So long an app sends on to nobody.
_SENDING_S = 0.6


@SUITE.check(
    "must",
    "receive-text",
    _RECEIVE,
    "text (Unicode string): the message content, if it was text mode.",
)
def receive_text(start: Start) -> Finding:
    """A text."""
    with Socket(start) as socket:
        socket.send(frame(TEXT, "h\u00e9llo".encode()))
        event = _event(start, socket)
    return held(event.get("text") == "h\u00e9llo", f"the event is {event!r}")


@SUITE.check(
    "must",
    "receive-bytes",
    _RECEIVE,
    "bytes (byte string): the message content, if it was binary mode.",
)
def receive_bytes(start: Start) -> Finding:
    """Bytes."""
    with Socket(start) as socket:
        socket.send(frame(BINARY, b"\x00\xff"))
        event = _event(start, socket)
    return held(event.get("bytes") == b"\x00\xff", f"the event is {event!r}")


@SUITE.check("must", "receive-one", _RECEIVE, "Exactly one of bytes or text must be non-None.")
def receive_one(start: Start) -> Finding:
    """Either text or bytes, of an empty message too."""
    with Socket(start) as socket:
        socket.send(frame(TEXT, b""))
        event = _event(start, socket)
    right = event.get("text") == "" and event.get("bytes") is None
    return held(right, f"the event is {event!r}")


@SUITE.check("must", "send-text", _SEND, "text: text message content.")
def send_text(start: Start) -> Finding:
    """A text comes as text."""
    with Socket(start) as socket:
        socket.send(frame(TEXT, "h\u00e9llo".encode()))
        message = socket.message()
    return held(message == "h\u00e9llo", f"what came back is {message!r}")


@SUITE.check("must", "send-bytes", _SEND, "bytes: binary message content.")
def send_bytes(start: Start) -> Finding:
    """Bytes come as bytes."""
    with Socket(start) as socket:
        socket.send(frame(BINARY, b"\x00\xff"))
        message = socket.message()
    return held(message == b"\x00\xff", f"what came back is {message!r}")


@SUITE.check(
    "must",
    "order",
    _RECEIVE,
    "Sent to the application when a data message is received from the client.",
)
def order(start: Start) -> Finding:
    """Twenty messages in one segment."""
    with Socket(start) as socket:
        socket.send(*(frame(TEXT, b"%d" % number) for number in range(20)))
        messages = [socket.message() for _ in range(20)]
    return held(
        messages == [str(number) for number in range(20)], f"what came back is {messages!r}"
    )


@SUITE.check(
    "must",
    "fragments",
    f"{WWW}#websocket",
    "WebSocket protocol servers should handle "
    "message fragmentation themselves, and deliver complete messages to the application.",
)
def fragments(start: Start) -> Finding:
    """A message in three frames, a letter cut in two."""
    whole = "h\u00e9llo".encode()
    parts = (frame(TEXT, whole[:2], last=False), frame(CONTINUED, whole[2:4], last=False))
    with Socket(start) as socket:
        socket.send(*parts, frame(CONTINUED, whole[4:]))
        event = _event(start, socket)
    return held(event.get("text") == "h\u00e9llo", f"the event is {event!r}")


@SUITE.check(
    "must",
    "ping",
    f"{RFC6455}#section-5.5.2",
    "Upon receipt of a Ping frame, an endpoint "
    "MUST send a Pong frame in response, unless it already received a Close frame.",
)
def ping(start: Start) -> Finding:
    """A ping, with the same payload back."""
    with Socket(start) as socket:
        socket.send(frame(PING, b"bench"))
        payload = socket.pong()
    return held(payload == b"bench", f"the pong has {payload!r}")


@SUITE.check(
    "must",
    "ping-within",
    f"{RFC6455}#section-5.4",
    "Control frames MAY be injected in the middle of a fragmented message.",
)
def ping_within(start: Start) -> Finding:
    """A ping between two frames of a message."""
    with Socket(start) as socket:
        socket.send(frame(TEXT, b"hel", last=False), frame(PING, b"x"), frame(CONTINUED, b"lo"))
        message = socket.message()
    return held(message == "hello", f"what came back is {message!r}")


@SUITE.check(
    "should",
    "large",
    f"{RFC6455}#section-5.2",
    "The payload length is 7 bits, 7+16 bits, or 7+64 bits.",
)
def large(start: Start) -> Finding:
    """A message of 200,000 bytes."""
    with Socket(start) as socket:
        socket.send(frame(BINARY, bytes(200_000)))
        message = socket.message()
    return held(message == bytes(200_000), f"{len(message)} bytes came back")


def _failed(start: Start, wrong: bytes, code: int) -> Finding:
    """Whether a connection is ended for a wrong frame, and not answered as if it were right."""
    with Socket(start) as socket:
        socket.send(wrong)
        try:
            closing = socket.closing()
        except Unanswered as fault:
            return held(socket.peer.is_ended, f"it goes on: {fault}")
        got = start.received(socket.token)
        if any(event["type"] == "websocket.receive" for event in got):
            return held(False, f"the app was handed {got[1]!r}")
    # With which code is for the server to say; not that all is well.
    return held(closing.code != 1000, f"it closes with code {closing.code}, not {code}")


@SUITE.check(
    "must",
    "unmasked",
    f"{RFC6455}#section-5.1",
    "The server MUST close the connection upon receiving a frame that is not masked.",
)
def unmasked(start: Start) -> Finding:
    """A frame without a mask."""
    return _failed(start, frame(TEXT, b"hello", masked=False), 1002)


@SUITE.check(
    "must",
    "reserved-bits",
    f"{RFC6455}#section-5.2",
    "If a nonzero value is received and "
    "none of the negotiated extensions defines its meaning, the receiving endpoint MUST _Fail "
    "the WebSocket Connection_.",
)
def reserved_bits(start: Start) -> Finding:
    """A bit that nobody has agreed on."""
    return _failed(start, frame(TEXT, b"hello", bits=0x20), 1002)


@SUITE.check(
    "must",
    "unknown-code",
    f"{RFC6455}#section-5.2",
    "If an unknown opcode is received, the "
    "receiving endpoint MUST _Fail the WebSocket Connection_.",
)
def unknown_code(start: Start) -> Finding:
    """A frame of an unknown kind."""
    return _failed(start, frame(5, b"hello"), 1002)


@SUITE.check(
    "must",
    "invalid-utf-8",
    f"{RFC6455}#section-8.1",
    "When an endpoint is to interpret a "
    "byte stream as UTF-8 but finds that the byte stream is not, in fact, a valid UTF-8 "
    "stream, that endpoint MUST _Fail the WebSocket Connection_.",
)
def invalid_utf8(start: Start) -> Finding:
    """A text that is none."""
    return _failed(start, frame(TEXT, b"\xff\xfe"), 1007)


@SUITE.check(
    "must",
    "control-too-long",
    f"{RFC6455}#section-5.5",
    "All control frames MUST have a "
    "payload length of 125 bytes or less and MUST NOT be fragmented.",
)
def control_too_long(start: Start) -> Finding:
    """A ping of 126 bytes."""
    return _failed(start, frame(PING, bytes(126)), 1002)


@SUITE.check(
    "must",
    "continued-from-nothing",
    f"{RFC6455}#section-5.4",
    "A fragmented message "
    "consists of a single frame with an opcode other than 0, followed by frames with the "
    "opcode 0.",
)
def continued_from_nothing(start: Start) -> Finding:
    """A continuation of no message."""
    return _failed(start, frame(CONTINUED, b"hello"), 1002)


@SUITE.check(
    "must",
    "close-answered",
    f"{RFC6455}#section-5.5.1",
    "If an endpoint receives a Close "
    "frame and did not previously send a Close frame, the endpoint MUST send a Close frame in "
    "response.",
)
def close_answered(start: Start) -> Finding:
    """A client that closes."""
    with Socket(start) as socket:
        socket.send(close_frame(1000))
        closing = socket.closing()
    return held(closing.code == 1000, f"the answer is {closing!r}")


@SUITE.check(
    "must", "disconnect-code", _GONE, "code: the WebSocket close code, as per the WebSocket spec."
)
def disconnect_code(start: Start) -> Finding:
    """The client's code."""
    with Socket(start) as socket:
        socket.send(close_frame(3001, b"bye"))
        event = _event(start, socket, "websocket.disconnect")
    return held(event.get("code") == 3001, f"the event is {event!r}")


@SUITE.check(
    "should",
    "disconnect-reason",
    _GONE,
    "reason: a reason given for the disconnect, can be any string; optional.",
)
def disconnect_reason(start: Start) -> Finding:
    """The client's reason."""
    with Socket(start) as socket:
        socket.send(close_frame(3001, b"bye"))
        event = _event(start, socket, "websocket.disconnect")
    return held(event.get("reason") == "bye", f"the event is {event!r}")


@SUITE.check(
    "should",
    "disconnect-no-code",
    _GONE,
    "If no code was received in the frame from the client, the server should set this to 1005.",
)
def disconnect_no_code(start: Start) -> Finding:
    """A client that closes without a code."""
    with Socket(start) as socket:
        socket.send(close_frame(None))
        event = _event(start, socket, "websocket.disconnect")
    return held(event.get("code") == _NO_CODE, f"the event is {event!r}")


@SUITE.check(
    "should",
    "disconnect-lost",
    f"{RFC6455}#section-7.1.5",
    "If _The WebSocket Connection "
    "is Closed_ and no Close control frame was received by the endpoint, _The WebSocket "
    "Connection Close Code_ is considered to be 1006.",
)
def disconnect_lost(start: Start) -> Finding:
    """A client that vanishes."""
    with Socket(start) as socket:
        socket.send(frame(TEXT, b"hello"))
        socket.message()
        socket.peer.drop()
        event = _event(start, socket, "websocket.disconnect")
    return held(event.get("code") == _LOST, f"the event is {event!r}")


def _closed_by(start: Start, *steps: list[Any]) -> Closing:
    """How the server closes when the app has taken its steps."""
    with Socket(start, *_OPEN, *steps) as socket:
        return socket.closing()


@SUITE.check(
    "must",
    "close-code",
    _CLOSE,
    "If this is sent after the socket is accepted, the server "
    "must close the socket with the close code passed in the message.",
)
def close_code(start: Start) -> Finding:
    """The app's code."""
    event = {"type": "websocket.close", "code": 4001, "reason": "enough"}
    closing = _closed_by(start, ["send", event])
    return held(closing.code == 4001, f"it closes with {closing!r}")


@SUITE.check(
    "must",
    "close-reason",
    _CLOSE,
    "reason: a reason given for the closure, can be any string; optional.",
)
def close_reason(start: Start) -> Finding:
    """The app's reason."""
    event = {"type": "websocket.close", "code": 4001, "reason": "enough"}
    closing = _closed_by(start, ["send", event])
    return held(closing.reason == "enough", f"it closes with {closing!r}")


@SUITE.check(
    "must",
    "close-default",
    _CLOSE,
    "... with the close code passed in the message (or 1000 if none is specified).",
)
def close_default(start: Start) -> Finding:
    """An app that names no code."""
    closing = _closed_by(start, ["send", {"type": "websocket.close"}])
    return held(closing.code == 1000, f"it closes with {closing!r}")


@SUITE.check(
    "should",
    "app-returns",
    f"{WWW}#websocket-connection-scope",
    "WebSocket connections' "
    "scope lives as long as the socket itself: if the application dies the socket should be "
    "closed, and vice-versa.",
)
def app_returns(start: Start) -> Finding:
    """An app that returns without a word."""
    return _ended(start)


@SUITE.check(
    "should",
    "app-raises",
    f"{WWW}#websocket-connection-scope",
    "If the application dies the socket should be closed.",
)
def app_raises(start: Start) -> Finding:
    """An app that fails."""
    return _ended(start, ["raise"])


def _ended(start: Start, *steps: list[Any]) -> Finding:
    with Socket(start, *_OPEN, *steps) as socket:
        try:
            socket.closing()
        except Unanswered as fault:
            return held(socket.peer.is_ended, str(fault))
    return YES


@SUITE.check(
    "should",
    "app-raises-code",
    f"{RFC6455}#section-7.4.1",
    "1011 indicates that a server is "
    "terminating the connection because it encountered an unexpected condition that prevented "
    "it from fulfilling the request.",
)
def app_raises_code(start: Start) -> Finding:
    """What the client of an app that fails is told."""
    closing = _closed_by(start, ["raise"])
    return held(closing.code == 1011, f"it closes with {closing!r}")


@SUITE.check(
    "should",
    "send-raises",
    f"{WWW}#disconnected-client-send-exception",
    "If send() is "
    "called on a closed connection the server should raise a server-specific subclass of "
    "OSError.",
)
def send_raises(start: Start) -> Finding:
    """What an app hears that sends on to nobody."""
    event = {"type": "websocket.send", "text": "tick"}
    again = ["send_until_refused", event, _SENDING_S]
    with Socket(start, *_OPEN, ["hold"], ["try", again]) as socket:
        socket.send(close_frame(1000))

        def is_end(entry: Entry) -> bool:
            return entry.what in ("refused", "never refused", "raised")

        patience_s = start.patience.answer_s
        entry = start.journal.awaited(socket.token, is_end, "end of the script", patience_s)
    kinds = ", ".join(entry.data or [])
    seen = f"it raised {kinds}" if kinds else "send never raised"
    return held(entry.what == "refused" and "OSError" in kinds, seen)
