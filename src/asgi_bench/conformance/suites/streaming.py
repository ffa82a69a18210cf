"""Responses in parts: when they leave, what holds them back, and a client that leaves."""

from asgi_bench.conformance.check import MAIN, RFC9112, WWW, Suite
from asgi_bench.conformance.clients.http1 import read_answer, read_head
from asgi_bench.conformance.findings import NO_HTTP_1_0, YES, Finding, held, no, not_offered
from asgi_bench.conformance.start import Start, body_of, start_of

SUITE = Suite("streaming")
_BODY = f"{WWW}#response-body-send-event"
_DISCONNECT = f"{WWW}#disconnect-receive-event"
_SEND = f"{WWW}#disconnected-client-send-exception"
_MIB = 1024 * 1024
# More than the sockets of both ends hold.
_FLOOD_MIB = 24
_SMALL_BUFFER = 65_536
_PART = {"type": "http.response.body", "body": "b:tick", "more_body": True}
# So long an app sends on to nobody.
_SENDING_S = 0.6


@SUITE.check(
    "must",
    "flushed",
    _BODY,
    "Protocol servers must flush any data passed to them into the "
    "send buffer before returning from a send call.",
)
def flushed(start: Start) -> Finding:
    """A part reaches the client before the app goes on."""
    asked = start.request(
        ["read"], start_of(), body_of("first", more=True), ["gate"], body_of("last")
    )
    with start.open() as peer:
        peer.send(asked.data)
        read_head(peer)
        peer.take_until(b"first")
        start.journal.let_on(asked.token)
        peer.take_until(b"last")
    return YES


@SUITE.check("differs", "as-sent", _BODY, "Each part of a response without a length is a chunk.")
def as_sent(start: Start) -> Finding:
    """How parts become chunks."""
    steps = (body_of("one", more=True), body_of("two", more=True), body_of("three"))
    answer = start.ask(["read"], start_of(), *steps).answer
    return held(answer.chunks == (b"one", b"two", b"three"), f"the chunks are {answer.chunks!r}")


@SUITE.check(
    "must",
    "empty-part",
    _BODY,
    "If more_body is False, response will be taken as "
    "complete: an empty part with more_body does not end it.",
)
def empty_part(start: Start) -> Finding:
    """A part of no bytes is no last chunk."""
    steps = (body_of("one", more=True), body_of("", more=True), body_of("two"))
    answer = start.ask(["read"], start_of(), *steps).answer
    return held(answer.body == b"onetwo", answer.told)


@SUITE.check(
    "must",
    "parts-of-a-length",
    _BODY,
    "Concatenated onto any previous body values sent in this connection scope.",
)
def parts_of_a_length(start: Start) -> Finding:
    """Parts of a body of a stated length."""
    steps = (start_of(length=6), body_of("one", more=True), body_of("two", more=True), body_of(""))
    answer = start.ask(["read"], *steps).answer
    return held(answer.body == b"onetwo" and not answer.is_chunked, answer.told)


@SUITE.check(
    "must",
    "http-1-0",
    f"{RFC9112}#name-transfer-encoding",
    "A server MUST NOT send a "
    "response containing Transfer-Encoding unless the corresponding request indicates "
    "HTTP/1.1 (or later minor revisions).",
)
def http10(start: Start) -> Finding:
    """A response without a length to a client of HTTP/1.0: its end is the connection's."""
    steps = (start_of(), body_of("one", more=True), body_of("two"))
    seen = start.ask_old(["read"], *steps)
    if seen is None:
        return NO_HTTP_1_0
    answer = seen.answer
    return held(not answer.is_chunked and answer.body == b"onetwo", answer.told)


@SUITE.check("must", "large", _BODY, "Concatenated onto any previous body values.")
def large(start: Start) -> Finding:
    """Sixty-four parts of 64 KiB."""
    answer = start.ask(["read"], start_of(), ["fill", 65_536, 64], body_of("end")).answer
    right = len(answer.body) == 4 * _MIB + 3 and answer.body.endswith(b"\0end")
    return held(right, f"{len(answer.body)} bytes came, the last are {answer.body[-8:]!r}")


@SUITE.check(
    "should",
    "held-back",
    f"{MAIN}#applications",
    "send: an awaitable callable that will return once the send has been completed.",
)
def held_back(start: Start) -> Finding:
    """An app can't go on sending to a client that doesn't read."""
    finding, _ = _flood(start)
    return finding


@SUITE.check(
    "must",
    "held-back-resumes",
    f"{MAIN}#applications",
    "send: an awaitable callable that will return once the send has been completed.",
)
def held_back_resumes(start: Start) -> Finding:
    """When the client reads on, it gets everything."""
    _, size = _flood(start)
    wanted = _FLOOD_MIB * _MIB
    return held(size == wanted, f"{size} bytes came of {wanted}")


def _flood(start: Start) -> tuple[Finding, int]:
    """Send more than fits to a client that waits; then read. How far the app came, what came."""
    asked = start.request(
        ["read"], start_of(length=_FLOOD_MIB * _MIB), ["fill", _MIB, _FLOOD_MIB], body_of("")
    )
    with start.open(receive_buffer=_SMALL_BUFFER) as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "filled")
        taken, before = 0, -1
        # Until nothing more is taken for a while.
        while taken > before:
            before = taken
            _pause(start)
            taken = sum(one.what == "filled" for one in start.journal.entries(asked.token))
        size = len(read_answer(peer).body)
    return held(taken < _FLOOD_MIB, f"all of {_FLOOD_MIB} MiB were taken, and none was read"), size


def _pause(start: Start) -> None:
    """Let time pass in which a client does nothing."""
    with start.open() as other:
        other.is_closed_within(2 * start.patience.quiet_s)


@SUITE.check(
    "must",
    "disconnect",
    _DISCONNECT,
    "http.disconnect: sent to the application if receive "
    "is called after the HTTP connection has been closed.",
)
def disconnect(start: Start) -> Finding:
    """A client that leaves within a response."""
    asked = start.request(["read"], start_of(), body_of("first", more=True), ["hold"])
    with start.open() as peer:
        peer.send(asked.data)
        peer.take_until(b"first")
    start.awaited(asked.token, "receive", type="http.disconnect")
    return YES


@SUITE.check(
    "must",
    "disconnect-before",
    _DISCONNECT,
    "http.disconnect: mainly useful for "
    "long-polling, where you may want to trigger cleanup code if the connection closes "
    "early.",
)
def disconnect_before(start: Start) -> Finding:
    """A client that leaves before any response."""
    asked = start.request(["read"], ["hold"])
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "receive")
    start.awaited(asked.token, "receive", type="http.disconnect")
    return YES


@SUITE.check(
    "must",
    "disconnect-again",
    _DISCONNECT,
    "http.disconnect: sent if receive is called after the HTTP connection has been closed.",
)
def disconnect_again(start: Start) -> Finding:
    """Whoever asks again is told again, not held up for ever."""
    wait = ["receive_within", start.patience.answer_s]
    asked = start.request(["read"], ["hold"], wait)
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "receive")
    start.awaited(asked.token, "receive", type="http.disconnect")
    start.journal.awaited(
        asked.token,
        lambda one: one.what in ("done", "raised"),
        "end of the script",
        2 * start.patience.answer_s,
    )
    told = [one for one in start.received(asked.token) if one["type"] == "http.disconnect"]
    return held(len(told) == 2, f"the app saw {start.journal.seen(asked.token)}")


@SUITE.check(
    "should",
    "send-raises",
    _SEND,
    "If send() is called on a closed connection the server "
    "should raise a server-specific subclass of OSError.",
)
def send_raises(start: Start) -> Finding:
    """What an app hears that sends on to nobody."""
    again = ["send_until_refused", _PART, _SENDING_S]
    asked = start.request(["read"], start_of(), body_of("first", more=True), ["try", again])
    with start.open() as peer:
        peer.send(asked.data)
        peer.take_until(b"first")
    entry = start.journal.awaited(
        asked.token,
        lambda one: one.what in ("refused", "never refused", "raised"),
        "end of the script",
        start.patience.answer_s,
    )
    kinds = ", ".join(entry.data or [])
    seen = f"it raised {kinds}" if entry.data else "send never raised"
    return held(entry.what == "refused" and "OSError" in kinds, seen)


@SUITE.check(
    "should",
    "send-raises-quietly",
    _SEND,
    "Servers must be prepared to catch this "
    "exception if they raised it and should not log it as an error in their server logs.",
    is_alone=True,
)
def send_raises_quietly(start: Start) -> Finding:
    """An app that lets that exception out is no error."""
    before = len(start.log())
    again = ["send_until_refused", _PART, _SENDING_S]
    asked = start.request(["read"], start_of(), body_of("first", more=True), again)
    with start.open() as peer:
        peer.send(asked.data)
        peer.take_until(b"first")
    entry = start.journal.awaited(
        asked.token,
        lambda one: one.what in ("raised", "done"),
        "end of the script",
        start.patience.answer_s,
    )
    if entry.what == "done":
        return not_offered("send never raises here")
    _pause(start)
    printed = start.log()[before:]
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return held("Traceback" not in printed, f"it logs a traceback: {lines[-1] if lines else ''}")


@SUITE.check(
    "differs",
    "left-running",
    _DISCONNECT,
    "An app that doesn't ask whether its client is still there is left to run to its end.",
)
def left_running(start: Start) -> Finding:
    """Whether an app is cancelled when its client leaves."""
    asked = start.request(["read"], ["gate"])
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "receive")
    _pause(start)
    start.journal.let_on(asked.token)
    entry = start.journal.awaited(
        asked.token,
        lambda one: one.what in ("done", "raised"),
        "end of the script",
        start.patience.answer_s,
    )
    return held(entry.what == "done", f"it {entry.what} {(entry.data or [''])[0]}")


@SUITE.check(
    "must",
    "side-by-side",
    f"{MAIN}#applications",
    "The application is called once per connection: one that waits holds up no other.",
)
def side_by_side(start: Start) -> Finding:
    """A slow response on one connection, a quick one on another."""
    slow = start.request(["read"], ["gate"], start_of(length=4), body_of("slow"))
    with start.open() as peer:
        peer.send(slow.data)
        start.awaited(slow.token, "scope")
        quick = start.ask().answer
        start.journal.let_on(slow.token)
        answer = read_answer(peer)
    if quick.body != b"ok":
        return no(quick.told)
    return held(answer.body == b"slow", answer.told)
