"""How the body of a request reaches an application."""

from typing import Any

from asgi_bench.conformance.check import RFC9110, RFC9112, WWW, Suite
from asgi_bench.conformance.clients.http1 import Field, read_answer, read_head
from asgi_bench.conformance.findings import YES, Finding, Unanswered, held, no, not_offered
from asgi_bench.conformance.start import Start, body_of, start_of

SUITE = Suite("bodies")
_REQUEST = f"{WWW}#request-receive-event"
_DISCONNECT = f"{WWW}#disconnect-receive-event"
_CHUNKED = f"{RFC9112}#name-chunked-transfer-coding"
_PERSISTENCE = f"{RFC9112}#name-persistence"
_EXPECT = f"{RFC9110}#name-expect"
_CODED: list[Field] = [(b"transfer-encoding", b"chunked")]
# More than the sockets of both ends hold.
_FLOOD = 32 * 1024 * 1024


def _echoed(
    start: Start, body: bytes, wanted: bytes, headers: list[Field] | None = None
) -> Finding:
    """Whether the app has the body, and the connection can be used on."""
    first = start.request(["echo"], method="POST", headers=headers or (), body=body)
    second = start.request()
    with start.open() as peer:
        peer.send(first.data)
        answer = read_answer(peer)
        if (answer.status, answer.body) != (200, wanted):
            return no(f"the app answered with what it had been given: {answer.told}")
        if not answer.closes:
            peer.send(second.data)
            again = read_answer(peer)
            return held(again.body == b"ok", f"the next answer on the connection: {again.told}")
    return YES


@SUITE.check("must", "length", _REQUEST, "body (byte string): body of the request.")
def length(start: Start) -> Finding:
    """A body of a stated length."""
    return _echoed(start, b"hello, world", b"hello, world")


@SUITE.check(
    "must",
    "none",
    _REQUEST,
    "more_body: if False, the request is complete and should be "
    'processed; body: if missing defaults to b"".',
)
def none(start: Start) -> Finding:
    """A request without a body."""
    seen = start.ask()
    event = start.received(seen.token)[0]
    empty = event.get("body", b"") == b"" and event.get("more_body", False) is False
    return held(event["type"] == "http.request" and empty, f"the first event is {event!r}")


@SUITE.check("must", "length-zero", _REQUEST, "If more_body is False, the request is complete.")
def length_zero(start: Start) -> Finding:
    """A stated length of 0."""
    return _echoed(start, b"", b"", [(b"content-length", b"0")])


@SUITE.check(
    "must",
    "of-get",
    f"{RFC9112}#name-message-body",
    "The presence of a message body in a "
    "request is signaled by a Content-Length or Transfer-Encoding header field.",
)
def of_get(start: Start) -> Finding:
    """GET with a body."""
    answer = start.ask(["echo"], body=b"hello").answer
    return held((answer.status, answer.body) == (200, b"hello"), answer.told)


@SUITE.check(
    "must",
    "chunked",
    f"{WWW}#http-connection-scope",
    "A request with a chunked encoded "
    "body should be automatically de-chunked by the server and presented to the "
    "application as plain body bytes.",
)
def chunked(start: Start) -> Finding:
    """A body in chunks."""
    return _echoed(start, b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", b"hello, world", _CODED)


@SUITE.check(
    "must",
    "chunk-extensions",
    f"{RFC9112}#name-chunk-extensions",
    "A recipient MUST ignore unrecognized chunk extensions.",
)
def chunk_extensions(start: Start) -> Finding:
    """Words beside the sizes."""
    return _echoed(start, b'5;a=b\r\nhello\r\n0;c="d"\r\n\r\n', b"hello", _CODED)


@SUITE.check(
    "must",
    "chunk-trailers",
    f"{RFC9112}#name-chunked-trailer-section",
    "Trailer fields end with an empty line; they are no part of what follows.",
)
def chunk_trailers(start: Start) -> Finding:
    """Fields after the last chunk."""
    return _echoed(start, b"5\r\nhello\r\n0\r\nx-bench: 1\r\n\r\n", b"hello", _CODED)


@SUITE.check("must", "chunk-case", _CHUNKED, "chunk-size = 1*HEXDIG.")
def chunk_case(start: Start) -> Finding:
    """Sizes with zeros in front, in either case."""
    body = b"00a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n"
    return _echoed(start, body, b"0123456789" * 2, _CODED)


@SUITE.check(
    "must",
    "large",
    _REQUEST,
    "If more_body is set, treat as start of body and concatenate on further chunks.",
)
def large(start: Start) -> Finding:
    """A MiB comes whole."""
    body = bytes(range(256)) * 4096
    asked = start.request(["echo"], method="POST", body=body)
    with start.open() as peer:
        peer.send(asked.data)
        answer = read_answer(peer)
    return held(answer.body == body, f"{len(answer.body)} bytes came back, status {answer.status}")


@SUITE.check(
    "should",
    "streamed",
    _REQUEST,
    "The body message serves as a way to stream large incoming HTTP bodies in chunks.",
)
def streamed(start: Start) -> Finding:
    """The app has the first part before the last one was sent."""
    asked = start.request(["echo"], method="POST", headers=[(b"content-length", b"200000")])
    with start.open() as peer:
        peer.send(asked.data + b"a" * 100_000)
        try:
            start.awaited(asked.token, "receive", more_body=True)
        except Unanswered as fault:
            return no(f"half of the body was sent: {fault}")
        peer.send(b"a" * 100_000)
        answer = read_answer(peer)
    return held(len(answer.body) == 200_000, f"{len(answer.body)} bytes came back")


@SUITE.check(
    "differs",
    "held-back",
    _REQUEST,
    "A client can't go on sending to an app that does not receive.",
)
def held_back(start: Start) -> Finding:
    """How much a server takes for an app that reads nothing."""
    length = [(b"content-length", b"%d" % _FLOOD)]
    asked = start.request(
        ["gate"], start_of(length=2), body_of("ok"), method="POST", headers=length
    )
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "scope")
        sent = peer.send_until_held(bytes(_FLOOD), 0.5)
        start.journal.let_on(asked.token)
    return held(sent < _FLOOD, f"all of {_FLOOD >> 20} MiB were taken")


def _cut(start: Start, headers: list[Field], part: bytes) -> Finding:
    """Whether the app is told that the client left within its body."""
    asked = start.request(["hold"], method="POST", headers=headers)
    with start.open() as peer:
        peer.send(asked.data + part)
        peer.is_closed_within(start.patience.quiet_s)
    with start.open() as other:
        # The time that it takes to notice.
        other.is_closed_within(start.patience.quiet_s)
    if not start.was_called(asked.token):
        # Who waits for the whole body has nothing to tell.
        return YES
    start.journal.awaited(
        asked.token,
        lambda one: one.what in ("done", "raised"),
        "end of the script",
        start.patience.answer_s,
    )
    events = start.received(asked.token)
    whole = [one for one in events if one["type"] == "http.request" and not one.get("more_body")]
    seen = f"the app saw {start.journal.seen(asked.token)}"
    return held(not whole and events[-1:] == [{"type": "http.disconnect"}], seen)


@SUITE.check(
    "must",
    "cut",
    _DISCONNECT,
    "http.disconnect: sent to the application if receive is "
    "called after the HTTP connection has been closed.",
)
def cut(start: Start) -> Finding:
    """A client that leaves before the stated length."""
    return _cut(start, [(b"content-length", b"10")], b"hello")


@SUITE.check(
    "must",
    "cut-chunked",
    _DISCONNECT,
    "http.disconnect: sent to the application if "
    "receive is called after the HTTP connection has been closed.",
)
def cut_chunked(start: Start) -> Finding:
    """A client that leaves before the last chunk: no request that looks complete."""
    return _cut(start, _CODED, b"5\r\nhello\r\n5\r\nwor")


@SUITE.check(
    "must",
    "expect",
    _EXPECT,
    "Upon receiving an HTTP/1.1 request that has ... a "
    "100-continue expectation, an origin server MUST send either a 100 (Continue) "
    "response or a final status code.",
)
def expect(start: Start) -> Finding:
    """A client that waits to be asked for its body."""
    headers: list[Field] = [(b"content-length", b"5"), (b"expect", b"100-continue")]
    asked = start.request(["echo"], method="POST", headers=headers)
    with start.open() as peer:
        peer.send(asked.data)
        first = read_head(peer)
        if first.status != 100:
            return held(400 <= first.status < 500, first.told)
        peer.send(b"hello")
        answer = read_answer(peer)
    return held((answer.status, answer.body) == (200, b"hello"), answer.told)


@SUITE.check(
    "differs",
    "expect-asked",
    _EXPECT,
    "100 (Continue) is sent when the app asks for the body, not before.",
)
def expect_asked(start: Start) -> Finding:
    """An app that answers without the body: no need to ask for it."""
    headers: list[Field] = [(b"content-length", b"5"), (b"expect", b"100-continue")]
    steps: tuple[list[Any], ...] = (start_of(403, length=2), body_of("no"))
    with start.open() as peer:
        peer.send(start.request(*steps, method="POST", headers=headers).data)
        first = read_head(peer)
    return held(first.status == 403, first.told)


@SUITE.check(
    "must",
    "unread",
    _PERSISTENCE,
    "A server MUST read the entire request message body or "
    "close the connection after sending its response.",
)
def unread(start: Start) -> Finding:
    """A body that the app doesn't read isn't taken for the next request."""
    steps: tuple[list[Any], ...] = (start_of(length=2), body_of("no"))
    first = start.request(*steps, method="POST", body=b"GET /smuggled HTTP/1.1\r\n\r\n" * 4000)
    second = start.request()
    with start.open() as peer:
        peer.send(first.data)
        answer = read_answer(peer)
        peer.send(second.data)
        try:
            again = read_answer(peer)
        except Unanswered as fault:
            return held(peer.is_ended and answer.status == 200, f"the next answer: {fault}")
    return held(again.body == b"ok", f"the next answer on the connection: {again.told}")


@SUITE.check(
    "should",
    "answered-early",
    f"{RFC9112}#name-tear-down",
    "If a server performs an "
    "immediate close, there is a significant risk that the client will not be able to "
    "read the last HTTP response.",
)
def answered_early(start: Start) -> Finding:
    """An answer (413) that comes before the end of the body can be read."""
    steps: tuple[list[Any], ...] = (start_of(413, length=2), body_of("no"))
    headers: list[Field] = [(b"content-length", b"10000000")]
    asked = start.request(*steps, method="POST", headers=headers)
    with start.open() as peer:
        peer.send(asked.data + b"a" * 65_536)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            if not start.was_called(asked.token):
                return not_offered("the app is called when the whole body has come")
            return no(str(fault))
    return held((answer.status, answer.body) == (413, b"no"), answer.told)


@SUITE.check(
    "must",
    "receive-waits",
    _DISCONNECT,
    "http.disconnect: sent if receive is called "
    "after a response has been sent or after the HTTP connection has been closed.",
)
def receive_waits(start: Start) -> Finding:
    """Before the response, with the client there, nothing comes after the body."""
    wait = ["receive_within", start.patience.quiet_s]
    asked = start.request(["read"], wait, start_of(length=2), body_of("ok"))
    with start.open() as peer:
        peer.send(asked.data)
        read_answer(peer)
    events = start.received(asked.token)
    return held(len(events) == 1, f"the app saw {start.journal.seen(asked.token)}")
