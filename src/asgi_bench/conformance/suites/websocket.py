"""WebSocket: the handshake and what the app is handed of it."""

from typing import Any

from asgi_bench.conformance.check import EXTENSIONS, RFC6455, WWW, Suite
from asgi_bench.conformance.clients.http1 import Answer, read_answer
from asgi_bench.conformance.clients.websocket import Handshake, Socket, handshake
from asgi_bench.conformance.findings import YES, Finding, Unanswered, held, no, not_offered
from asgi_bench.conformance.start import Start

SUITE = Suite("websocket")
_SCOPE = f"{WWW}#websocket-connection-scope"
_CONNECT, _ACCEPT = f"{WWW}#connect-receive-event", f"{WWW}#accept-send-event"
_CLOSE = f"{WWW}#close-send-event"
_SERVER = f"{RFC6455}#section-4.2.2"
_OPENED: tuple[list[Any], ...] = (["receive"], ["accept"], ["converse"])


def _answer(start: Start, asked: Handshake) -> Answer:
    with start.open() as peer:
        peer.send(asked.data)
        return read_answer(peer)


def _scope(start: Start, **how: Any) -> dict[str, Any]:
    """The scope of a handshake."""
    with Socket(start, **how) as socket:
        scope: dict[str, Any] = start.awaited(socket.token, "scope").data
    return scope


def _is(found: Any, wanted: Any) -> Finding:
    return held(found == wanted, f"it is {found!r}, not {wanted!r}")


@SUITE.check(
    "must",
    "accept-key",
    _SERVER,
    "Sec-WebSocket-Accept: the value is constructed by "
    "concatenating the key with the GUID, taking the SHA-1 hash of that, and base64-encoding it.",
)
def accept_key(start: Start) -> Finding:
    """The key is answered."""
    asked = handshake(start, *_OPENED)
    answer = _answer(start, asked)
    right = answer.status == 101 and answer.values("sec-websocket-accept") == [asked.accept]
    return held(right, answer.told)


@SUITE.check(
    "must",
    "upgrade-fields",
    _SERVER,
    'An Upgrade header field with value "websocket", a '
    'Connection header field with value "Upgrade".',
)
def upgrade_fields(start: Start) -> Finding:
    """What the answer has to have."""
    answer = _answer(start, handshake(start, *_OPENED))
    upgrade = [value.lower() for value in answer.values("upgrade")]
    connection = [value.lower() for value in answer.values("connection")]
    return held((upgrade, connection) == ([b"websocket"], [b"upgrade"]), answer.told)


@SUITE.check(
    "must",
    "version-refused",
    f"{RFC6455}#section-4.4",
    "If the version doesn't match, the "
    "server MUST abort the WebSocket handshake and send an appropriate HTTP error code (such "
    "as 426 Upgrade Required) and a Sec-WebSocket-Version header field indicating the "
    "version(s) it understands.",
)
def version_refused(start: Start) -> Finding:
    """A version that doesn't exist."""
    answer = _answer(start, handshake(start, *_OPENED, version=b"99"))
    told = any(b"13" in value for value in answer.values("sec-websocket-version"))
    return held(400 <= answer.status < 500 and told, answer.told)


@SUITE.check(
    "must",
    "key-missing",
    f"{RFC6455}#section-4.2.1",
    "If the server, while reading the "
    "handshake, finds that the client did not send a handshake that matches the description "
    "..., the server MUST stop processing and return an HTTP response with an appropriate "
    "error code (such as 400 Bad Request).",
)
def key_missing(start: Start) -> Finding:
    """No key."""
    answer = _answer(start, handshake(start, *_OPENED, has_key=False))
    return held(400 <= answer.status < 500, answer.told)


@SUITE.check("must", "scope-type", _SCOPE, 'type: "websocket".')
def scope_type(start: Start) -> Finding:
    """The type."""
    return _is(_scope(start)["type"], "websocket")


@SUITE.check(
    "must",
    "scope-scheme",
    _SCOPE,
    'scheme: URL scheme portion (likely "ws" or "wss"); default is "ws".',
)
def scope_scheme(start: Start) -> Finding:
    """The scheme."""
    return _is(_scope(start).get("scheme", "ws"), "ws")


@SUITE.check("must", "scope-scheme-tls", _SCOPE, 'scheme: URL scheme portion, "wss".', start="tls")
def scope_scheme_tls(start: Start) -> Finding:
    """The scheme over TLS."""
    return _is(_scope(start).get("scheme", "ws"), "wss")


@SUITE.check(
    "must",
    "scope-path",
    _SCOPE,
    "path: with percent-encoded sequences and UTF-8 byte sequences decoded into characters.",
)
def scope_path(start: Start) -> Finding:
    """The path."""
    return _is(_scope(start, target="/a%20b/caf%C3%A9?x")["path"], "/a b/caf\u00e9")


@SUITE.check(
    "must",
    "scope-raw-path",
    _SCOPE,
    "raw_path: excluding any query string, unmodified "
    "from the bytes that were received by the web server.",
)
def scope_raw_path(start: Start) -> Finding:
    """The path as it was sent."""
    found = _scope(start, target="/a%20b/caf%C3%A9?x").get("raw_path")
    return not_offered("no raw_path") if found is None else _is(found, b"/a%20b/caf%C3%A9")


@SUITE.check("must", "scope-query", _SCOPE, "query_string (byte string): URL portion after the ?.")
def scope_query(start: Start) -> Finding:
    """The query."""
    return _is(_scope(start, target="/ws?a=%20b&c").get("query_string"), b"a=%20b&c")


@SUITE.check(
    "must", "scope-http-version", _SCOPE, 'http_version: one of "1.1" or "2"; default is "1.1".'
)
def scope_http_version(start: Start) -> Finding:
    """The version of HTTP."""
    return _is(_scope(start).get("http_version", "1.1"), "1.1")


@SUITE.check(
    "must",
    "scope-headers",
    _SCOPE,
    "headers: duplicates are possible and must be preserved in the message as received.",
)
def scope_headers(start: Start) -> Finding:
    """Fields of the handshake."""
    scope = _scope(start, headers=[(b"x-bench", b"1"), (b"x-bench", b"2")])
    found = [value for name, value in scope["headers"] if name.lower() == b"x-bench"]
    return _is(found, [b"1", b"2"])


@SUITE.check(
    "must",
    "scope-subprotocols",
    _SCOPE,
    "subprotocols: subprotocols the client advertised, Unicode strings.",
)
def scope_subprotocols(start: Start) -> Finding:
    """What the client speaks."""
    scope = _scope(start, headers=[(b"sec-websocket-protocol", b"chat, superchat")])
    return _is(list(scope.get("subprotocols") or []), ["chat", "superchat"])


@SUITE.check(
    "must", "scope-no-subprotocols", _SCOPE, "subprotocols: if missing defaults to empty list."
)
def scope_no_subprotocols(start: Start) -> Finding:
    """A client that names none."""
    return _is(list(_scope(start).get("subprotocols") or []), [])


@SUITE.check(
    "must",
    "connect",
    _CONNECT,
    "websocket.connect: sent to the application when the client initially opens a connection.",
)
def connect(start: Start) -> Finding:
    """The first event."""
    with Socket(start) as socket:
        return _is(start.received(socket.token)[0], {"type": "websocket.connect"})


@SUITE.check(
    "must",
    "waits-for-accept",
    _CONNECT,
    "The protocol server must send this message "
    "during the handshake phase of the WebSocket and not complete the handshake until it "
    "gets a reply.",
)
def waits_for_accept(start: Start) -> Finding:
    """The handshake waits for the app."""
    asked = handshake(start, ["receive"], ["gate"], ["accept"], ["converse"])
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "receive")
        early = peer.more_within(start.patience.quiet_s)
        start.journal.let_on(asked.token)
        answer = read_answer(peer)
    if early:
        return no(f"before the app accepted came {early!r}")
    return held(answer.status == 101, answer.told)


@SUITE.check(
    "must", "subprotocol", _ACCEPT, "subprotocol: the subprotocol the server wishes to accept."
)
def subprotocol(start: Start) -> Finding:
    """The one that the app chose."""
    asks = [(b"sec-websocket-protocol", b"chat, superchat")]
    steps = (["receive"], ["accept", "superchat"], ["converse"])
    answer = _answer(start, handshake(start, *steps, headers=asks))
    return held(answer.values("sec-websocket-protocol") == [b"superchat"], answer.told)


@SUITE.check(
    "must",
    "no-subprotocol",
    _SERVER,
    "The absence of such a field is equivalent to the "
    "null value: if the server does not wish to agree to one of the suggested "
    "subprotocols, it MUST NOT send back a Sec-WebSocket-Protocol header field.",
)
def no_subprotocol(start: Start) -> Finding:
    """An app that chooses none."""
    asks = [(b"sec-websocket-protocol", b"chat")]
    answer = _answer(start, handshake(start, *_OPENED, headers=asks))
    right = answer.status == 101 and not answer.values("sec-websocket-protocol")
    return held(right, answer.told)


@SUITE.check(
    "must", "accept-headers", _ACCEPT, "headers: order must be preserved in the HTTP response."
)
def accept_headers(start: Start) -> Finding:
    """Fields of the app's own."""
    pairs = (["x-bench", "1"], ["set-cookie", "a=b"], ["x-bench", "2"])
    steps = (["receive"], ["accept", None, *pairs], ["converse"])
    answer = _answer(start, handshake(start, *steps))
    found = (answer.values("x-bench"), answer.values("set-cookie"))
    return held(found == ([b"1", b"2"], [b"a=b"]), answer.told)


@SUITE.check(
    "must",
    "refused",
    _CLOSE,
    "If this is sent before the socket is accepted, the server "
    "must close the connection with a HTTP 403 error code (Forbidden), and not complete the "
    "WebSocket handshake.",
)
def refused(start: Start) -> Finding:
    """An app that refuses."""
    steps = (["receive"], ["send", {"type": "websocket.close"}])
    answer = _answer(start, handshake(start, *steps))
    return held(answer.status == 403, answer.told)


@SUITE.check(
    "must",
    "denial-response",
    f"{EXTENSIONS}#websocket-denial-response",
    "These messages "
    "cannot be followed by any other websocket messages as the server should send a HTTP "
    "response and then close the connection.",
)
def denial_response(start: Start) -> Finding:
    """An app that refuses in its own words."""
    name = "websocket.http.response"
    if name not in (_scope(start).get("extensions") or {}):
        return not_offered("not among its extensions")
    pairs = [["b:x-bench", "b:1"], ["b:content-length", "b:2"]]
    begin = {"type": f"{name}.start", "status": 401, "headers": pairs}
    body = {"type": f"{name}.body", "body": "b:no"}
    asked = handshake(start, ["receive"], ["send", begin], ["send", body])
    with start.open() as peer:
        peer.send(asked.data)
        answer = read_answer(peer)
    right = answer.status == 401 and answer.body == b"no" and answer.values("x-bench") == [b"1"]
    return held(right, answer.told)


@SUITE.check(
    "should",
    "exception-before-accept",
    f"{WWW}#websocket-connection-scope",
    "If the application dies the socket should be closed.",
)
def exception_before_accept(start: Start) -> Finding:
    """An app that fails at once."""
    asked = handshake(start, ["receive"], ["raise"])
    with start.open() as peer:
        peer.send(asked.data)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            return held(peer.is_ended, str(fault))
    return held(answer.status >= 400, answer.told)


@SUITE.check(
    "differs",
    "compression",
    f"{RFC6455}#section-9",
    "A client that offers permessage-deflate is answered with it.",
)
def compression(start: Start) -> Finding:
    """Compressed messages."""
    asks = [(b"sec-websocket-extensions", b"permessage-deflate")]
    answer = _answer(start, handshake(start, *_OPENED, headers=asks))
    told = b"permessage-deflate" in b"".join(answer.values("sec-websocket-extensions"))
    return YES if told else no("not agreed on")
