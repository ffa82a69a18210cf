"""How a server puts what an application sends on the wire."""

from typing import Any

from asgi_bench.conformance.check import EXTENSIONS, MAIN, RFC9110, RFC9112, WWW, Suite
from asgi_bench.conformance.clients.http1 import Answer, read_answer, read_head
from asgi_bench.conformance.findings import Finding, Unanswered, held, no, not_offered
from asgi_bench.conformance.start import Start, body_of, start_of

SUITE = Suite("http")
_START, _BODY = f"{WWW}#response-start-send-event", f"{WWW}#response-body-send-event"
_LENGTH = f"{RFC9110}#name-content-length"
_FRAMING = f"{RFC9112}#name-message-body-length"
_CODING = f"{RFC9112}#name-transfer-encoding"
_ERRORS = f"{MAIN}#error-handling"
_HEAD = f"{RFC9110}#name-head"
_EXTRA_S = 0.2


def _answer(start: Start, *steps: list[Any], method: str = "GET") -> Answer:
    return start.ask(["read"], *steps, method=method).answer


def _then_next(start: Start, *steps: list[Any], method: str = "GET") -> tuple[Answer, str | None]:
    """An answer, and what is wrong with the next one on the same connection, if it isn't closed."""
    first, second = start.request(["read"], *steps, method=method), start.request()
    with start.open() as peer:
        peer.send(first.data)
        answer = read_answer(peer, method)
        extra = peer.more_within(_EXTRA_S)
        if extra:
            return answer, f"after the answer came {extra!r}"
        if peer.is_ended:
            return answer, None
        peer.send(second.data)
        try:
            again = read_answer(peer)
        except Unanswered as fault:
            return answer, f"the next answer on the connection: {fault}"
    if (again.status, again.body) != (200, b"ok"):
        return answer, f"the next answer on the connection: {again.told}"
    return answer, None


def _stripped(start: Start, *steps: list[Any], method: str = "GET") -> Finding:
    """Whether nothing follows a head that has no body, and the connection can be used on."""
    _, wrong = _then_next(start, *steps, method=method)
    return held(wrong is None, wrong or "")


@SUITE.check("must", "status", _START, "status (int): HTTP status code.")
def status(start: Start) -> Finding:
    """A status without a name."""
    answer = _answer(start, start_of(299, length=2), body_of("ok"))
    return held((answer.status, answer.body) == (299, b"ok"), answer.told)


@SUITE.check(
    "must",
    "version",
    f"{RFC9110}#name-protocol-version",
    "A server SHOULD send a response version equal to the highest version to which it is "
    "conformant whose major version is less than or equal to the one received.",
)
def version(start: Start) -> Finding:
    """HTTP/1.1 is answered with HTTP/1.1."""
    answer = start.ask().answer
    return held(answer.head.startswith(b"HTTP/1.1 200"), answer.told)


@SUITE.check("must", "headers", _START, "headers: Order must be preserved in the HTTP response.")
def headers(start: Start) -> Finding:
    """Fields come in their order, with their values."""
    sent = [("x-b", "2"), ("x-a", "1, 2"), ("x-b", "3")]
    answer = _answer(start, start_of(200, *sent, length=2), body_of("ok"))
    found = [(name.decode(), value.decode()) for name, value in answer.fields if name[:2] == b"x-"]
    return held(found == sent, f"the fields are {found!r}")


@SUITE.check(
    "must",
    "set-cookie",
    f"{WWW}#http",
    "Set-Cookie may appear repeatedly, but cannot be concatenated by commas (or anything else).",
)
def set_cookie(start: Start) -> Finding:
    """Two cookies."""
    cookies = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2")]
    answer = _answer(start, start_of(200, *cookies, length=2), body_of("ok"))
    found = answer.values("set-cookie")
    return held(found == [b"a=1; Path=/", b"b=2"], f"the cookies are {found!r}")


@SUITE.check(
    "should",
    "header-beyond-ascii",
    f"{WWW}#wsgi-encoding-differences",
    "headers: byte strings of the exact byte sequences to be sent by the server.",
)
def header_beyond_ascii(start: Start) -> Finding:
    """Bytes that are no ASCII."""
    answer = _answer(start, start_of(200, ("x-bench", "caf\xe9"), length=2), body_of("ok"))
    return held(answer.values("x-bench") == [b"caf\xe9"], answer.told)


@SUITE.check(
    "should",
    "header-injection",
    f"{RFC9110}#name-field-values",
    "Field values containing CR, LF, or NUL characters are invalid and dangerous.",
)
def header_injection(start: Start) -> Finding:
    """A value with a line end doesn't become a second field."""
    bad = ("x-bench", "1\r\nx-injected: 1")
    try:
        answer = _answer(start, ["try", start_of(200, bad, length=2)], ["try", body_of("ok")])
    except Unanswered:
        return held(True, "")
    return held(not answer.values("x-injected"), answer.told)


@SUITE.check(
    "must",
    "content-length",
    _CODING,
    "A sender MUST NOT send a Content-Length header field in any message that contains a "
    "Transfer-Encoding header field.",
)
def content_length(start: Start) -> Finding:
    """A stated length stays, alone."""
    answer = _answer(start, start_of(length=5), body_of("hello"))
    right = answer.values("content-length") == [b"5"] and not answer.is_chunked
    return held(right and answer.body == b"hello", answer.told)


@SUITE.check(
    "must",
    "without-length",
    f"{WWW}#http-connection-scope",
    "A response that is given to the server with no Content-Length may be chunked as the server "
    "sees fit.",
)
def without_length(start: Start) -> Finding:
    """The body has some end."""
    answer = _answer(start, start_of(), body_of("hello"))
    return held(answer.body == b"hello", answer.told)


@SUITE.check(
    "must",
    "transfer-encoding-ignored",
    _START,
    "You may send a Transfer-Encoding header in this message, but the server must ignore it.",
)
def transfer_encoding(start: Start) -> Finding:
    """The app's own statement neither doubles nor replaces the server's."""
    answer = _answer(start, start_of(200, ("transfer-encoding", "chunked")), body_of("hello"))
    codings = answer.values("transfer-encoding")
    return held(answer.body == b"hello" and len(codings) < 2, answer.told)


@SUITE.check(
    "must",
    "head",
    _HEAD,
    "The HEAD method is identical to GET except that the server MUST NOT send content in the "
    "response.",
)
def head(start: Start) -> Finding:
    """HEAD with a stated length."""
    return _stripped(start, start_of(length=5), body_of("hello"), method="HEAD")


@SUITE.check(
    "must",
    "head-without-length",
    _HEAD,
    "The server MUST NOT send content in the response.",
)
def head_without_length(start: Start) -> Finding:
    """HEAD without: neither content nor chunks."""
    return _stripped(start, start_of(), body_of("hel", more=True), body_of("lo"), method="HEAD")


@SUITE.check(
    "should",
    "head-length",
    _HEAD,
    "The server SHOULD send the same header fields in response to a HEAD request as it would have "
    "sent if the request method had been GET.",
)
def head_length(start: Start) -> Finding:
    """The length that the app states is sent."""
    answer = _answer(start, start_of(length=5), body_of("hello"), method="HEAD")
    return held(answer.values("content-length") == [b"5"], answer.told)


@SUITE.check(
    "must",
    "no-content",
    f"{RFC9110}#name-204-no-content",
    "A 204 response is terminated by the end of the header section; it cannot contain content or "
    "trailers.",
)
def no_content(start: Start) -> Finding:
    """204 has neither content nor chunks."""
    return _stripped(start, start_of(204), body_of(""))


@SUITE.check(
    "must",
    "no-content-length",
    _LENGTH,
    "A server MUST NOT send a Content-Length header field in any response with a status code of "
    "1xx (Informational) or 204 (No Content).",
)
def no_content_length(start: Start) -> Finding:
    """A server adds no length to a 204."""
    answer = _answer(start, start_of(204), body_of(""))
    return held(not answer.values("content-length"), answer.told)


@SUITE.check(
    "must",
    "no-content-coding",
    _CODING,
    "A server MUST NOT send a Transfer-Encoding header field in any response with a status code "
    "of 1xx (Informational) or 204 (No Content).",
)
def no_content_coding(start: Start) -> Finding:
    """A server adds no coding to a 204."""
    answer = _answer(start, start_of(204), body_of(""))
    return held(not answer.values("transfer-encoding"), answer.told)


@SUITE.check(
    "must",
    "not-modified",
    f"{RFC9110}#name-304-not-modified",
    "A 304 response is terminated by the end of the header section; it cannot contain content or "
    "trailers.",
)
def not_modified(start: Start) -> Finding:
    """304 has neither content nor chunks."""
    return _stripped(start, start_of(304, ("etag", '"x"')), body_of(""))


@SUITE.check(
    "should",
    "no-content-with-body",
    _FRAMING,
    "Any response with a 204 status code is always terminated by the first empty line after the "
    "header fields, regardless of the header fields present.",
)
def no_content_with_body(start: Start) -> Finding:
    """What an app sends with a 204 by mistake isn't read as the next answer."""
    return _stripped(start, start_of(204), ["try", body_of("hello")])


@SUITE.check("must", "empty", _BODY, 'body: optional; if missing defaults to b"".')
def empty(start: Start) -> Finding:
    """A response without content ends, and leaves the connection usable."""
    answer, wrong = _then_next(start, start_of(), ["send", {"type": "http.response.body"}])
    if (answer.status, answer.body) != (200, b""):
        return no(answer.told)
    return held(wrong is None, wrong or "")


@SUITE.check(
    "should",
    "body-too-long",
    _LENGTH,
    "A sender MUST NOT forward a message with a Content-Length header field value that is known "
    "to be incorrect.",
)
def body_too_long(start: Start) -> Finding:
    """What goes beyond the stated length isn't read as the next answer."""
    try:
        answer, wrong = _then_next(start, start_of(length=5), ["try", body_of("hello, world")])
    except Unanswered as fault:
        # Whoever refuses to send it has no answer, and has to end the connection.
        return held("closed" in str(fault), str(fault))
    if answer.body != b"hello":
        return held(answer.status == 500, answer.told)
    return held(wrong is None, wrong or "")


@SUITE.check(
    "should",
    "body-too-short",
    f"{RFC9112}#name-handling-incomplete-messages",
    "A message body that uses a valid Content-Length is incomplete if the size received is less: "
    "its client has to be told, by the connection's end.",
)
def body_too_short(start: Start) -> Finding:
    """A client isn't left waiting for what never comes."""
    asked = start.request(["read"], start_of(length=10), ["try", body_of("hello")])
    with start.open() as peer:
        peer.send(asked.data)
        head = read_head(peer)
        if head.status == 500:
            return held(True, "")
        is_closed = peer.is_closed_within(start.patience.answer_s)
        return held(is_closed, f"{head.told}, then {peer.came!r} and the connection stays open")


@SUITE.check(
    "must",
    "date",
    f"{RFC9110}#name-date",
    "An origin server with a clock MUST generate a Date header field in all 2xx (Successful), "
    "3xx (Redirection), and 4xx (Client Error) responses.",
)
def date(start: Start) -> Finding:
    """Date."""
    answer = start.ask().answer
    return held(len(answer.values("date")) == 1, answer.told)


@SUITE.check(
    "should",
    "date-once",
    f"{RFC9110}#name-field-order",
    "A sender MUST NOT generate multiple field lines with the same name unless the field's "
    "definition allows for them to be combined.",
)
def date_once(start: Start) -> Finding:
    """Date of the app's own isn't followed by another."""
    own = "Sun, 06 Nov 1994 08:49:37 GMT"
    answer = _answer(start, start_of(200, ("date", own), length=2), body_of("ok"))
    return held(len(answer.values("date")) == 1, f"dates are {answer.values('date')!r}")


@SUITE.check(
    "differs", "server-name", f"{RFC9110}#name-server", "The answer names the server's software."
)
def server_name(start: Start) -> Finding:
    """Server."""
    return held(bool(start.ask().answer.values("server")), "no Server")


@SUITE.check(
    "should",
    "extra-keys",
    _ERRORS,
    "The presence of additional keys in the event dictionary should not raise an exception.",
)
def extra_keys(start: Start) -> Finding:
    """Keys that nobody knows."""
    begin = {"type": "http.response.start", "status": 200, "headers": [], "bench": 1}
    body = {"type": "http.response.body", "body": "b:ok", "bench": [1]}
    answer = _answer(start, ["send", begin], ["send", body])
    return held((answer.status, answer.body) == (200, b"ok"), answer.told)


@SUITE.check(
    "must",
    "sent-after-end",
    _BODY,
    "Response will be taken as complete and closed, and any further messages on the channel will "
    "be ignored.",
)
def sent_after_end(start: Start) -> Finding:
    """What an app sends after its response reaches nobody."""
    steps = (start_of(length=2), body_of("ok"), ["try", body_of("more")])
    return _stripped(start, *steps)


@SUITE.check(
    "differs",
    "start-held",
    _START,
    "The head is sent with the first part of the body, not before it.",
)
def start_held(start: Start) -> Finding:
    """When the head leaves."""
    asked = start.request(["read"], start_of(length=2), ["gate"], body_of("ok"))
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "sent")
        early = peer.more_within(start.patience.quiet_s)
        start.journal.let_on(asked.token)
        read_answer(peer)
    return held(not early, f"before any body came {early!r}")


@SUITE.check(
    "must",
    "disconnect-after-response",
    f"{WWW}#disconnect-receive-event",
    "http.disconnect: sent to the application if receive is called after a response has been sent.",
)
def disconnect_after_response(start: Start) -> Finding:
    """What is received after the response."""
    asked = start.request(
        ["read"], start_of(length=2), body_of("ok"), ["receive_within", start.patience.answer_s]
    )
    with start.open() as peer:
        peer.send(asked.data)
        read_answer(peer)
        start.awaited(asked.token, "done")
    last = start.received(asked.token)[-1].get("type")
    return held(last == "http.disconnect", f"the app saw {start.journal.seen(asked.token)}")


@SUITE.check(
    "must",
    "early-hint",
    f"{EXTENSIONS}#early-hints",
    "The ASGI server should then attempt to send an informational response to the client with the "
    "provided links as Link headers.",
)
def early_hint(start: Start) -> Finding:
    """The extension works where it is offered; a server may decide to ignore the hint."""
    name = "http.response.early_hint"
    hint = {"type": name, "links": ["b:</a.css>; rel=preload"]}
    return _extension(start, name, start_of(length=2), ["send", hint], body_of("ok"))


@SUITE.check(
    "must",
    "pathsend",
    f"{EXTENSIONS}#path-send",
    "Path Send allows you to send the contents of a file path to the HTTP client.",
)
def pathsend(start: Start) -> Finding:
    """The extension works where it is offered."""
    name, content = "http.response.pathsend", b"sent by its path\n" * 1000
    file = start.journal.path.with_name("pathsend.txt")
    file.write_bytes(content)
    event = {"type": name, "path": str(file)}
    return _extension(start, name, start_of(length=len(content)), ["send", event], content=content)


@SUITE.check(
    "must",
    "trailers",
    f"{EXTENSIONS}#http-trailers",
    "After the last http.response.body message, the ASGI framework will send a "
    "http.response.trailers message; sent in case the client has sent TE: trailers.",
)
def trailers(start: Start) -> Finding:
    """The extension works where it is offered."""
    name = "http.response.trailers"
    begin = {"type": "http.response.start", "status": 200, "trailers": True}
    begin |= {"headers": [["b:trailer", "b:x-bench"]]}
    ending = {"type": name, "headers": [["b:x-bench", "b:1"]]}
    scope = start.scope_of()
    if name not in (scope.get("extensions") or {}):
        return not_offered("not among its extensions")
    steps = (["read"], ["send", begin], body_of("ok"), ["send", ending])
    answer = start.ask(*steps, headers=[(b"te", b"trailers")]).answer
    right = answer.body == b"ok" and (b"x-bench", b"1") in answer.trailers
    return held(right, f"{answer.told}, trailers {answer.trailers!r}")


def _extension(start: Start, name: str, *steps: list[Any], content: bytes = b"ok") -> Finding:
    """Whether an answer that uses an extension is whole."""
    if name not in (start.scope_of().get("extensions") or {}):
        return not_offered("not among its extensions")
    answer = start.ask(["read"], *steps).answer
    return held((answer.status, answer.body) == (200, content), answer.told)
