"""HTTP/2: the scope of a request, streams side by side, flow control, and what is malformed."""

from typing import Any

from asgi_bench.conformance.check import RFC8441, RFC9110, RFC9113, WWW, Suite
from asgi_bench.conformance.clients.http1 import Field
from asgi_bench.conformance.clients.http2 import Http2, Response
from asgi_bench.conformance.findings import YES, Finding, Unanswered, held, no, not_offered
from asgi_bench.conformance.start import Start, body_of, start_of

SUITE = Suite("http2", "http2")
_SCOPE = f"{WWW}#http-connection-scope"
_DISCONNECT = f"{WWW}#disconnect-receive-event"
_FLOW = f"{RFC9113}#name-flow-control"
_MALFORMED = f"{RFC9113}#name-malformed-messages"
_TREATED = (
    "Malformed requests or responses that are detected MUST be treated as a stream error of type "
    "PROTOCOL_ERROR."
)
_LARGE = 200_000
_WINDOW = 65_535
_PING = b"asgi-b-2"
_MAX_STREAMS, _CONNECT_PROTOCOL = 3, 8


def _ask(start: Start, *steps: list[Any], **how: Any) -> tuple[Response, str]:
    """A request on a connection of its own, with its answer."""
    with Http2(start) as client:
        number, token = client.request(*steps, **how)
        return client.answer(number), token


def _scope(start: Start, **how: Any) -> dict[str, Any]:
    answer, token = _ask(start, **how)
    if not start.was_called(token):
        raise Unanswered(f"the app was not called: {answer.told}")
    scope: dict[str, Any] = start.awaited(token, "scope").data
    return scope


def _is(found: Any, wanted: Any) -> Finding:
    return held(found == wanted, f"it is {found!r}, not {wanted!r}")


@SUITE.check(
    "must",
    "alpn",
    f"{RFC9113}#name-starting-http-2-for-https-u",
    "A client that makes a "
    'request to an "https" URI uses TLS with the ALPN extension; HTTP/2 over TLS uses the '
    '"h2" protocol identifier.',
    start="tls",
)
def alpn(start: Start) -> Finding:
    """The server agrees on h2."""
    if "http2" not in start.features:
        return not_offered("its runner file tells no HTTP/2")
    with start.open(alpn=["h2", "http/1.1"]) as peer:
        return held(peer.agreed == "h2", f"ALPN agreed on {peer.agreed}")


@SUITE.check(
    "differs",
    "prior-knowledge",
    f"{RFC9113}#name-starting-http-2-with-prior-",
    "Without TLS a client that knows it may speak HTTP/2 at once.",
    start="h2c",
)
def prior_knowledge(start: Start) -> Finding:
    """HTTP/2 without TLS."""
    answer, _ = _ask(start)
    return held(bytes(answer.body) == b"ok", answer.told)


@SUITE.check("must", "http-version", _SCOPE, 'http_version: one of "1.0", "1.1" or "2".')
def http_version(start: Start) -> Finding:
    """The version."""
    return _is(_scope(start).get("http_version"), "2")


@SUITE.check("must", "scope", _SCOPE, "method, scheme, path and query_string as over HTTP/1.1.")
def scope(start: Start) -> Finding:
    """What the request line has in HTTP/1.1."""
    found = _scope(start, path="/a%20b?c=%20d", method="PATCH")
    told = [found.get(name) for name in ("method", "scheme", "path", "query_string")]
    return _is(told, ["PATCH", start.endpoint.scheme, "/a b", b"c=%20d"])


@SUITE.check(
    "must",
    "no-pseudo-headers",
    _SCOPE,
    "Pseudo headers (present in HTTP/2 and HTTP/3) must be removed.",
)
def no_pseudo_headers(start: Start) -> Finding:
    """No name begins with a colon."""
    names = [name for name, _ in _scope(start)["headers"]]
    return held(not any(name.startswith(b":") for name in names), f"the names are {names!r}")


@SUITE.check(
    "must",
    "authority",
    _SCOPE,
    "If :authority is present its value must be added to the "
    "start of the iterable with host as the header name or replace any existing host header "
    "already present.",
)
def authority(start: Start) -> Finding:
    """The authority is the host."""
    headers = _scope(start)["headers"]
    found = [value for name, value in headers if name == b"host"]
    return _is(found, [start.endpoint.authority.encode()])


@SUITE.check(
    "must",
    "cookies",
    f"{WWW}#http",
    "In HTTP/2, RFC 9113 states that Cookie headers MAY "
    "appear repeatedly, OR be concatenated using the two-octet delimiter of 0x3b, 0x20.",
)
def cookies(start: Start) -> Finding:
    """Cookies in several fields."""
    headers = _scope(start, headers=[(b"cookie", b"a=1"), (b"cookie", b"b=2")])["headers"]
    found = b"; ".join(value for name, value in headers if name == b"cookie")
    return _is(found, b"a=1; b=2")


@SUITE.check(
    "must",
    "body",
    f"{WWW}#request-receive-event",
    "body: body of the request; more_body: additional content to come.",
)
def body(start: Start) -> Finding:
    """More than a window holds: the server has to open it again."""
    with Http2(start) as client:
        number, _ = client.request(["echo"], method="POST", ended=False)
        client.send_body(number, b"a" * _LARGE)
        answer = client.answer(number)
    return held(answer.body == b"a" * _LARGE, f"{len(answer.body)} bytes came back: {answer.told}")


@SUITE.check(
    "must",
    "no-body",
    f"{WWW}#request-receive-event",
    "If more_body is False, the request is complete.",
)
def no_body(start: Start) -> Finding:
    """A request without a body."""
    _, token = _ask(start)
    event = start.received(token)[0]
    empty = event.get("body", b"") == b"" and not event.get("more_body", False)
    return held(event["type"] == "http.request" and empty, f"the first event is {event!r}")


@SUITE.check(
    "must",
    "response",
    f"{WWW}#response-start-send-event",
    "status (int): HTTP status code; headers: order must be preserved.",
)
def response(start: Start) -> Finding:
    """Status and fields."""
    pairs = [("x-b", "2"), ("x-a", "1"), ("x-b", "3")]
    answer, _ = _ask(start, ["read"], start_of(299, *pairs, length=2), body_of("ok"))
    found = [(n.decode(), v.decode()) for n, v in answer.fields if n.startswith(b"x-")]
    right = (answer.status, bytes(answer.body), found) == (299, b"ok", pairs)
    return held(right, f"{answer.told}, fields {found!r}")


@SUITE.check(
    "should",
    "connection-field",
    f"{RFC9113}#name-connection-specific-header-",
    "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields.",
)
def connection_field(start: Start) -> Finding:
    """What an app says of the connection is left out."""
    steps = (["read"], start_of(200, ("connection", "close"), length=2), body_of("ok"))
    try:
        answer, _ = _ask(start, *steps)
    except Unanswered as fault:
        return no(str(fault))
    names = [name for name, _ in answer.fields]
    return held(b"connection" not in names and answer.status == 200, f"{answer.told}, {names!r}")


@SUITE.check(
    "must", "head", f"{RFC9110}#name-head", "The server MUST NOT send content in the response."
)
def head(start: Start) -> Finding:
    """HEAD."""
    answer, _ = _ask(start, ["read"], start_of(length=5), body_of("hello"), method="HEAD")
    right = answer.status == 200 and answer.is_ended and not answer.body
    return held(right, answer.told)


@SUITE.check(
    "must",
    "parts",
    f"{WWW}#response-body-send-event",
    "Protocol servers must flush any "
    "data passed to them into the send buffer before returning from a send call.",
)
def parts(start: Start) -> Finding:
    """A part reaches the client before the app goes on."""
    steps = (["read"], start_of(), body_of("first", more=True), ["gate"], body_of("last"))
    with Http2(start) as client:
        number, token = client.request(*steps)
        found = client.responses[number]
        client.read_until(lambda: found.body == b"first", "first part")
        start.journal.let_on(token)
        answer = client.answer(number)
    return held(answer.body == b"firstlast", answer.told)


@SUITE.check(
    "must",
    "side-by-side",
    f"{WWW}#http",
    "A protocol server should give different scopes "
    "to different requests on the same HTTP/2 connection, and correctly multiplex the "
    "responses back to the same stream in which they came.",
)
def side_by_side(start: Start) -> Finding:
    """A quick answer overtakes a slow one."""
    slow_steps = (["read"], ["gate"], start_of(length=4), body_of("slow"))
    with Http2(start) as client:
        slow, token = client.request(*slow_steps)
        start.awaited(token, "scope")
        quick, _ = client.request(["read"], start_of(length=5), body_of("quick"))
        first = bytes(client.answer(quick).body)
        start.journal.let_on(token)
        second = bytes(client.answer(slow).body)
    return _is([first, second], [b"quick", b"slow"])


@SUITE.check(
    "must",
    "window",
    _FLOW,
    "A sender MUST NOT send a flow-controlled frame with a length "
    "that exceeds the space available in either of the flow-control windows advertised by the "
    "receiver.",
)
def window(start: Start) -> Finding:
    """A client that opens no window any further."""
    with Http2(start) as client:
        number, _ = client.request(["read"], start_of(), ["fill", _LARGE], body_of(""))
        found = client.responses[number]
        client.read_until(lambda: len(found.body) >= _WINDOW, "full window", acknowledge=False)
        client.read_for(start.patience.quiet_s, acknowledge=False)
    return held(len(found.body) == _WINDOW, f"{len(found.body)} bytes came into {_WINDOW}")


@SUITE.check(
    "must",
    "window-small",
    _FLOW,
    "Both endpoints of the connection can set the initial "
    "window size for new streams (SETTINGS_INITIAL_WINDOW_SIZE).",
)
def window_small(start: Start) -> Finding:
    """A window of a hundred bytes."""
    with Http2(start, window=100) as client:
        client.read_until(lambda: client.is_acknowledged, "acknowledgement of the settings")
        number, _ = client.request(["read"], start_of(), ["fill", 1000], body_of(""))
        found = client.responses[number]
        client.read_until(lambda: len(found.body) >= 100, "full window", acknowledge=False)
        client.read_for(start.patience.quiet_s, acknowledge=False)
        early = len(found.body)
        client.h2.increment_flow_control_window(10_000, number)
        client.flush()
        answer = client.answer(number)
    return _is([early, len(answer.body)], [100, 1000])


@SUITE.check("must", "window-opens", _FLOW, "Flow control is based on WINDOW_UPDATE frames.")
def window_opens(start: Start) -> Finding:
    """A body of many windows comes whole."""
    steps = (["read"], start_of(), ["fill", 100_000, 10], body_of("end"))
    answer, _ = _ask(start, *steps)
    right = len(answer.body) == 1_000_003 and answer.body.endswith(b"end")
    return held(right, f"{len(answer.body)} bytes came: {answer.told}")


@SUITE.check(
    "must",
    "reset",
    _DISCONNECT,
    "http.disconnect: sent to the application if receive is "
    "called after the HTTP connection has been closed.",
)
def reset(start: Start) -> Finding:
    """A client that takes back one request; another goes on."""
    with Http2(start) as client:
        number, token = client.request(["read"], ["hold"])
        other, other_token = client.request(["read"], ["gate"], start_of(length=2), body_of("ok"))
        start.awaited(token, "receive")
        client.h2.reset_stream(number, 8)
        client.flush()
        start.awaited(token, "receive", type="http.disconnect")
        start.journal.let_on(other_token)
        answer = client.answer(other)
    return held(bytes(answer.body) == b"ok", f"the other stream: {answer.told}")


@SUITE.check(
    "must",
    "lost",
    _DISCONNECT,
    "http.disconnect: sent to the application if receive is "
    "called after the HTTP connection has been closed.",
)
def lost(start: Start) -> Finding:
    """A connection that is lost."""
    with Http2(start) as client:
        _, token = client.request(["read"], ["hold"])
        start.awaited(token, "receive")
    start.awaited(token, "receive", type="http.disconnect")
    return YES


@SUITE.check(
    "must",
    "ping",
    f"{RFC9113}#name-ping",
    "Receivers of a PING frame that does not include "
    "an ACK flag MUST send a PING frame with the ACK flag set in response, with an identical "
    "frame payload.",
)
def ping(start: Start) -> Finding:
    """A ping."""
    with Http2(start) as client:
        client.h2.ping(_PING)
        client.flush()
        client.read_until(lambda: client.pings, "answer to the ping")
    return _is(client.pings, [_PING])


@SUITE.check(
    "must",
    "settings",
    f"{RFC9113}#name-settings-synchronization",
    "Once all values have been "
    "processed, the recipient MUST immediately emit a SETTINGS frame with the ACK flag set.",
)
def settings(start: Start) -> Finding:
    """Settings are acknowledged."""
    with Http2(start) as client:
        client.read_until(lambda: client.is_acknowledged, "acknowledgement of the settings")
    return YES


@SUITE.check(
    "should",
    "streams",
    f"{RFC9113}#name-defined-settings",
    "SETTINGS_MAX_CONCURRENT_STREAMS: "
    "it is recommended that this value be no smaller than 100, so as to not unnecessarily "
    "limit parallelism.",
)
def streams(start: Start) -> Finding:
    """How many streams a client may open."""
    with Http2(start) as client:
        number, _ = client.request()
        client.answer(number)
        allowed = client.settings.get(_MAX_STREAMS)
    return held(allowed is None or allowed >= 100, f"it allows {allowed}")


def _refused(start: Start, change: Any) -> Finding:
    """Whether a request with changed fields is refused, and not handed to the app."""
    with Http2(start) as client:
        token, fields = client.fields((), ())
        number = client.send_headers(change(fields))
        try:
            answer = client.answer(number)
        except Unanswered as fault:
            return held(client.goaway is not None or client.peer.is_ended, str(fault))
    if start.was_called(token):
        return no(f"the app was called, and the answer is {answer.told}")
    return held(answer.reset is not None or 400 <= answer.status < 500, answer.told)


@SUITE.check(
    "must",
    "upper-case",
    _MALFORMED,
    f"Field names MUST be converted to lowercase when constructing an HTTP/2 message. {_TREATED}",
)
def upper_case(start: Start) -> Finding:
    """A name in upper case."""
    return _refused(start, lambda fields: [*fields, (b"X-Bench", b"1")])


@SUITE.check(
    "must",
    "path-missing",
    _MALFORMED,
    "All HTTP/2 requests MUST include exactly one valid "
    f"value for the :method, :scheme, and :path pseudo-header fields. {_TREATED}",
)
def path_missing(start: Start) -> Finding:
    """No path."""
    return _refused(start, lambda fields: [one for one in fields if one[0] != b":path"])


@SUITE.check(
    "must",
    "pseudo-late",
    _MALFORMED,
    "All pseudo-header fields MUST appear in a field block "
    f"before all regular field lines. {_TREATED}",
)
def pseudo_late(start: Start) -> Finding:
    """A pseudo-header behind a header."""

    def change(fields: list[Field]) -> list[Field]:
        return [*(one for one in fields if one[0] != b":path"), (b":path", b"/")]

    return _refused(start, change)


@SUITE.check(
    "must",
    "connection-field-refused",
    _MALFORMED,
    "Any message containing "
    f"connection-specific header fields MUST be treated as malformed. {_TREATED}",
)
def connection_field_refused(start: Start) -> Finding:
    """A field that HTTP/2 doesn't have."""
    return _refused(start, lambda fields: [*fields, (b"connection", b"close")])


@SUITE.check(
    "should",
    "exception",
    f"{RFC9110}#name-500-internal-server-error",
    "The server encountered an unexpected condition that prevented it from fulfilling the request.",
)
def exception(start: Start) -> Finding:
    """An app that fails before its response."""
    answer, _ = _ask(start, ["read"], ["raise"])
    return held(answer.status == 500 or answer.reset is not None, answer.told)


@SUITE.check(
    "must",
    "exception-midway",
    f"{WWW}#http-connection-scope",
    "Servers must terminate the "
    "application instance and its associated connection if this happens.",
)
def exception_midway(start: Start) -> Finding:
    """An app that fails within its response: the stream doesn't end as if all were well."""
    steps = (["read"], start_of(), body_of("hello", more=True), ["raise"])
    try:
        answer, _ = _ask(start, *steps)
    except Unanswered as fault:
        return held("closed" in str(fault) or "GOAWAY" in str(fault), str(fault))
    return held(answer.reset is not None or answer.status == 500, answer.told)


@SUITE.check(
    "differs",
    "websocket",
    f"{RFC8441}#section-3",
    "SETTINGS_ENABLE_CONNECT_PROTOCOL: the server takes WebSockets over HTTP/2.",
)
def websocket(start: Start) -> Finding:
    """WebSocket over HTTP/2."""
    with Http2(start) as client:
        number, _ = client.request()
        client.answer(number)
        found = client.settings.get(_CONNECT_PROTOCOL, 0)
    return held(found == 1, "not announced")
