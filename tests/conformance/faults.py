"""For each check a fault of the small server that makes it fail."""

from typing import Any

Faults = dict[str, Any]


def _scope(**values: Any) -> Faults:
    """A scope with other values."""
    return {"scope": lambda scope, _: scope | values}


def _without(*names: str) -> Faults:
    return {"scope": lambda scope, _: {n: v for n, v in scope.items() if n not in names}}


def _header(change: Any) -> Faults:
    """A scope whose headers are changed, as a list of pairs."""
    return {"scope": lambda scope, _: scope | {"headers": change(scope["headers"])}}


def _path(change: Any) -> Faults:
    return {"scope": lambda scope, _: scope | {"path": change(scope)}}


def _raw(scope: dict[str, Any]) -> str:
    return str(scope["raw_path"].decode("latin-1"))


_SHARED: dict[str, Any] = {}


def _one_scope(scope: dict[str, Any], connection: Any) -> dict[str, Any]:
    """One scope for all requests of a connection."""
    connection.shared = {**(connection.shared or {}), **scope}
    kept: dict[str, Any] = connection.shared

    class Kept(dict[str, Any]):
        def __setitem__(self, name: str, value: Any) -> None:
            super().__setitem__(name, value)
            kept[name] = value

    return Kept(kept)


def _values(pairs: Any, change: Any) -> Any:
    """The headers with the values of x-bench changed."""
    return [(name, change(value) if name == b"x-bench" else value) for name, value in pairs]


def _headers(change: Any) -> Faults:
    """A response whose headers are changed."""
    return {"headers": lambda pairs, _: change(pairs)}


def _head(old: bytes, new: bytes) -> Faults:
    return {"head": lambda head, _: head.replace(old, new)}


def _on(*names: str) -> Faults:
    return dict.fromkeys(names, True)


def _part(old: bytes, new: bytes) -> Faults:
    return {"part": lambda part, _: part.replace(old, new)}


def _only_last(pairs: Any) -> Any:
    return list(dict(pairs).items())


# By the check's name; the small server without a fault passes all of them.
SCOPE: dict[str, Faults] = {
    "type": _scope(type="https"),
    "asgi-version": _scope(asgi={}),
    "spec-version": _scope(asgi={"version": "3.0", "spec_version": 2.4}),
    "spec-version-2-4": _scope(asgi={"version": "3.0", "spec_version": "2.3"}),
    "http-version": _scope(http_version="1"),
    "http-version-1-0": _scope(http_version="1.1"),
    "method": {"scope": lambda scope, _: scope | {"method": scope["method"].lower()}},
    "method-unknown": _scope(method="GET"),
    "scheme": _scope(scheme=""),
    "scheme-https": _scope(scheme="http"),
    "path": _path(lambda scope: scope["path"] + "?not=this"),
    "path-percent": _path(_raw),
    "path-utf-8": _path(lambda scope: scope["path"].encode().decode("latin-1")),
    "path-encoded-slash": _path(_raw),
    "path-once": _path(lambda scope: scope["path"].replace("%2F", "/")),
    "path-plus": _path(lambda scope: scope["path"].replace("+", " ")),
    "path-empty-segments": _path(lambda scope: scope["path"].replace("//", "/")),
    "path-dots": _path(lambda scope: scope["path"].replace("/a/..", "")),
    "path-absolute-form": _on("absolute-path"),
    "path-bad-utf-8": _on("any-path"),
    "raw-path": {"scope": lambda scope, _: scope | {"raw_path": scope["path"].encode()}},
    "raw-path-without-query": {"scope": lambda s, _: s | {"raw_path": s["raw_path"] + b"?c=d"}},
    "query-string": {"scope": lambda s, _: s | {"query_string": s["query_string"].decode()}},
    "query-string-empty": _without("query_string"),
    "query-string-marks": {
        "scope": lambda s, _: s | {"query_string": s["query_string"].rpartition(b"?")[2]}
    },
    "root-path": _scope(root_path="/"),
    "header-bytes": _header(lambda pairs: [(n.decode(), v) for n, v in pairs[:-2]] + pairs[-2:]),
    "header-lower-case": _header(lambda pairs: [(n.title(), v) for n, v in pairs]),
    "header-duplicates": _header(_only_last),
    "header-order": _header(lambda pairs: pairs[::-1]),
    "header-spaces": _on("keeps-spaces"),
    "header-empty": _header(lambda pairs: [pair for pair in pairs if pair[1]]),
    "header-beyond-ascii": _header(lambda p: _values(p, lambda v: v.decode("latin-1").encode())),
    "header-host": _header(lambda pairs: [pair for pair in pairs if pair[0] != b"host"]),
    "header-underscore": _header(lambda pairs: [pair for pair in pairs if b"_" not in pair[0]]),
    "client": _scope(client=("127.0.0.1", 1)),
    "server": _scope(server=("0.0.0.0", 80)),
    "server-unix": _scope(server=("", 0)),
    "client-unix": _scope(client=("", None)),
    "extensions": _scope(extensions={"http.response.pathsend": True}),
    "own-scope": {"scope": _one_scope},
}
REQUESTS: dict[str, Faults] = {
    "host-missing": _on("no-host"),
    "host-twice": _on("two-hosts"),
    "absolute-form": _on("no-absolute"),
    "asterisk-form": _on("no-asterisk"),
    "space-before-colon": _on("takes-space"),
    "line-folding": _on("takes-fold"),
    "nul-in-value": _on("takes-nul"),
    "bare-cr": _on("takes-cr"),
    "field-name": _on("any-name"),
    "request-line": _on("any-request-line"),
    "major-version": _on("any-version"),
    "empty-line-first": _on("no-empty-line"),
    "bare-lf": {},
    "lengths-differ": _on("any-lengths"),
    "length-invalid": _on("any-length"),
    "length-and-coding": _on("smuggles"),
    "coding-not-chunked": _on("any-coding"),
    "chunk-size-invalid": _on("any-size"),
    "chunk-size-sign": _on("any-sign"),
    "header-too-large": _on("closes-large"),
    "long-target": {"most-target": 4096},
    "upgrade-unknown": _on("refuses-upgrade"),
}
RESPONSES: dict[str, Faults] = {
    "status": _head(b" 299 ", b" 200 "),
    "version": _head(b"HTTP/1.1 ", b"HTTP/1.0 "),
    "headers": _headers(lambda pairs: sorted(pairs)),
    "set-cookie": _headers(_only_last),
    "header-beyond-ascii": _head(b"\xe9", b"\xc3\xa9"),
    "header-injection": _on("injects"),
    "content-length": _on("chunks-beside-length"),
    "without-length": _head(b"content-length: 5", b"content-length: 4"),
    "transfer-encoding-ignored": _on("trusts-coding"),
    "head": _on("body-anyway"),
    "head-without-length": _on("body-anyway"),
    "head-length": _head(b"content-length: 5\r\n", b""),
    "no-content": {"head": lambda head, _: head + (b"0\r\n\r\n" if b" 204 " in head else b"")},
    "no-content-length": _on("length-of-204"),
    "no-content-coding": _on("chunks-of-204"),
    "not-modified": {"head": lambda head, _: head + (b"0\r\n\r\n" if b" 304 " in head else b"")},
    "no-content-with-body": _on("body-anyway"),
    "empty": _head(b"content-length: 0", b"content-length: 1"),
    "body-too-long": _on("any-size-of-body"),
    "body-too-short": _on("keeps-short"),
    "date": _headers(lambda pairs: [pair for pair in pairs if pair[0] != b"date"]),
    "date-once": _on("two-dates"),
    "server-name": _headers(lambda pairs: [pair for pair in pairs if pair[0] != b"server"]),
    "exception": _on("fails-well"),
    "exception-midway": _on("fails-whole"),
    "no-response": _on("fails-well"),
    "half-response": _on("fails-whole"),
    "unknown-event": _on("any-event"),
    "wrong-event-type": _on("any-type"),
    "extra-keys": _on("no-extra-keys"),
    "sent-after-end": _on("sends-after-end"),
    "start-held": _on("head-early"),
    "disconnect-after-response": _on("never-tells-complete"),
    "early-hint": _on("bad-hint"),
    "pathsend": {"file": lambda content: content[:-1] + b"!"},
    "trailers": _on("no-trailers"),
}
BODIES: dict[str, Faults] = {
    "length": {"event": lambda event, _: event | {"body": b"hello, other"}},
    "none": {"event": lambda event, _: event | {"body": None}},
    "length-zero": {"event": lambda event, _: event | {"body": b"x"}},
    "of-get": _on("no-get-body"),
    "chunked": _on("raw-chunks"),
    "chunk-extensions": _on("no-extensions"),
    "chunk-trailers": _on("wants-trailers-gone"),
    "chunk-case": _on("lower-sizes"),
    "large": {"event": lambda event, _: event | {"body": event.get("body", b"")[:-1]}},
    "streamed": _on("holds-body"),
    "held-back": _on("swallows"),
    "cut": _on("hides-cut"),
    "cut-chunked": _on("hides-cut"),
    "expect": _on("never-asks"),
    "expect-asked": _on("asks-at-once"),
    "unread": _on("leaves-body"),
    "answered-early": _on("answers-late"),
    "receive-waits": _on("at-once"),
}
STREAMING: dict[str, Faults] = {
    "flushed": _on("gathers"),
    "as-sent": _on("gathers"),
    "empty-part": _on("empty-ends"),
    "parts-of-a-length": _part(b"two", b"tow"),
    "http-1-0": _on("chunks-1.0"),
    "large": {"part": lambda part, _: part.replace(b"end", b"dne")},
    "held-back": _on("no-back-pressure"),
    "held-back-resumes": {"part": lambda part, _: part[:-1]},
    "disconnect": _on("never-tells"),
    "disconnect-before": _on("never-tells"),
    "disconnect-again": _on("tells-once"),
    "send-raises": _on("odd-send"),
    "send-raises-quietly": _on("prints-gone"),
    "left-running": _on("cancels"),
    "side-by-side": _on("one-at-a-time"),
}
CONNECTIONS: dict[str, Faults] = {
    "kept": _on("never-keeps"),
    "close": _on("always-keeps"),
    "close-said": _on("always-keeps"),
    "close-by-app": _on("ignores-close"),
    "http-1-0": _on("always-keeps"),
    "http-1-0-kept": _on("drops-1.0"),
    "pipelined": {"most-requests": 5},
    "pipelined-slow-first": {"most-requests": 1},
    "pipelined-bodies": {"most-requests": 2},
    "fragments": _on("wants-whole"),
    "body-later": _on("wants-whole"),
    "without-delay": _on("slow-parts"),
    "without-limit": {"most-requests": 1000},
    "half-closed": {},
    "reset": _on("dies-of-reset"),
    "many": {"most-connections": 50},
}
WEBSOCKET: dict[str, Faults] = {
    "accept-key": {"handshake": lambda lines: [*lines[:3], b"sec-websocket-accept: x="]},
    "upgrade-fields": {"handshake": lambda lines: [lines[0], *lines[2:]]},
    "version-refused": _on("hides-version"),
    "key-missing": _on("no-key"),
    "scope-type": _scope(type="http"),
    "scope-scheme": _scope(scheme="http"),
    "scope-scheme-tls": _scope(scheme="ws"),
    "scope-path": _path(_raw),
    "scope-raw-path": {"scope": lambda s, _: s | {"raw_path": s["raw_path"] + b"?x"}},
    "scope-query": _without("query_string"),
    "scope-http-version": _scope(http_version="1.0"),
    "scope-headers": _header(_only_last),
    "scope-subprotocols": {"subprotocols": lambda names: [", ".join(names)]},
    "scope-no-subprotocols": {"subprotocols": lambda names: names or [""]},
    "connect": _on("no-connect"),
    "waits-for-accept": _on("accepts-at-once"),
    "subprotocol": {"handshake": lambda lines: lines[:4]},
    "no-subprotocol": {"handshake": lambda lines: [*lines, b"sec-websocket-protocol: chat"]},
    "accept-headers": {"handshake": lambda lines: lines[:4]},
    "refused": {"refusal": 400},
    "denial-response": {"denial": 403},
    "exception-before-accept": _on("fails-well"),
    "compression": {},
    "receive-text": {"received": lambda event: {**event, "text": b"x"}},
    "receive-bytes": {"received": lambda event: {**event, "bytes": "x"}},
    "receive-one": {"received": lambda event: {**event, "bytes": b""}},
    "send-text": {"message": lambda message: (2, message[1])},
    "send-bytes": {"message": lambda message: (1, b"?")},
    "order": {"message": lambda message: (1, message[1].replace(b"7", b"8"))},
    "fragments": _on("hands-fragments"),
    "ping": {"pong": lambda payload: b""},
    "ping-within": _on("no-ping-within"),
    "large": {"most-message": 100_000},
    "unmasked": _on("takes-unmasked"),
    "reserved-bits": _on("takes-bits"),
    "unknown-code": _on("takes-code"),
    "invalid-utf-8": _on("takes-any-text"),
    "control-too-long": _on("takes-long-control"),
    "continued-from-nothing": _on("takes-continuation"),
    "close-answered": _on("no-close-back"),
    "disconnect-code": {"left": lambda event: event | {"code": 1000}},
    "disconnect-reason": {"left": lambda event: event | {"reason": ""}},
    "disconnect-no-code": {"left": lambda event: event | {"code": 1000}},
    "disconnect-lost": {"left": lambda event: event | {"code": 1005}},
    "close-code": {"closing": lambda closing: (1000, closing[1])},
    "close-reason": {"closing": lambda closing: (closing[0], "")},
    "close-default": {"closing": lambda closing: (1001, closing[1])},
    "app-returns": _on("hangs-on-failure"),
    "app-raises": _on("hangs-on-failure"),
    "app-raises-code": {"failure-code": lambda code: 1000},
    "send-raises": _on("silent-send"),
}
# What the small server is told where servers are free, and a plain one says no.
ALLOWED: dict[str, Faults] = {
    "http.bare-lf": _on("takes-lf"),
    "connections.half-closed": _on("takes-half-closed"),
    "websocket.compression": _on("agrees-compression"),
}
# Of how it starts and ends: the life that goes wrong, and the fault.
LIVES: dict[str, tuple[str, Faults]] = {
    "lifespan.startup": ("", _on("no-startup")),
    "lifespan.scope": ("", {"lifespan-scope": lambda scope: scope | {"asgi": {}}}),
    "lifespan.waits-for-startup": ("", _on("serve-early")),
    "lifespan.once": ("", _on("twice")),
    "lifespan.state": ("", {"scope": lambda scope, _: scope | {"state": {}}}),
    "lifespan.state-copied": ("", _on("shares-state")),
    "lifespan.exception-continues": ("raise", _on("raise-ends")),
    "lifespan.exception-silences": ("raise", _on("tells-raised")),
    "lifespan.startup-failed-exits": ("startup-failed", _on("serves-failed")),
    "lifespan.startup-failed-is-told": ("startup-failed", _on("mute")),
    "lifespan.startup-failed-exit-code": ("startup-failed", _on("exit-0")),
    "lifespan.shutdown": ("shutdown-failed", _on("no-shutdown")),
    "lifespan.waits-for-shutdown": ("shutdown-failed", _on("no-wait")),
    "drain.shutdown": ("", _on("no-shutdown")),
    "lifespan.shutdown-failed-is-told": ("shutdown-failed", _on("mute")),
    "lifespan.shutdown-failed-ends": ("shutdown-failed", _on("stays")),
    "drain.in-flight": ("", _on("cuts")),
    "drain.refuses-new": ("", _on("takes-on")),
    "drain.idle": ("", _on("keeps-idle")),
    "drain.websocket-code": ("", {"going-away": 1000}),
    "drain.websocket-disconnect": ("", _on("forgets-app")),
    "drain.order": ("", _on("shutdown-first")),
    "drain.ends": ("", _on("stays")),
    "drain.exit-code": ("", _on("exit-1")),
}
HTTP2: dict[str, Faults] = {
    "alpn": _on("no-alpn"),
    "prior-knowledge": _on("no-http2"),
    "http-version": _scope(http_version="2.0"),
    "scope": _path(_raw),
    "no-pseudo-headers": _header(lambda pairs: [(b":path", b"/"), *pairs]),
    "authority": _header(lambda pairs: [pair for pair in pairs if pair[0] != b"host"]),
    "cookies": _header(lambda pairs: [(n, v.replace(b"; ", b", ")) for n, v in pairs]),
    "body": _on("no-window-update"),
    "no-body": {"event": lambda event, _: event | {"body": None}},
    "response": _headers(sorted),
    "connection-field": _on("trusts-connection"),
    "head": _on("body-anyway"),
    "parts": _on("gathers"),
    "side-by-side": _on("one-at-a-time"),
    "window": _on("ignores-window"),
    "window-small": _on("ignores-window"),
    "window-opens": {"part": lambda part, _: part[:-1]},
    "reset": _on("never-tells"),
    "lost": _on("never-tells"),
    "ping": {"flush": lambda data: data.replace(b"asgi-b-2", b"asgi-b-3")},
    "settings": {"flush": lambda data: data.replace(b"\0\0\0\4\1\0\0\0\0", b"")},
    "streams": {"most-streams": 10},
    "upper-case": _on("any-head"),
    "path-missing": _on("any-head"),
    "pseudo-late": _on("any-head"),
    "connection-field-refused": _on("any-head"),
    "exception": _on("fails-well"),
    "exception-midway": _on("fails-whole"),
    "websocket": _on("no-connect-protocol"),
}
BY_CHECK: dict[str, Faults] = {
    f"{subject}.{name}": faults
    for subject, of_subject in (
        ("scope", SCOPE),
        ("http", REQUESTS | RESPONSES),
        ("bodies", BODIES),
        ("streaming", STREAMING),
        ("connections", CONNECTIONS),
        ("websocket", WEBSOCKET),
        ("http2", HTTP2),
    )
    for name, faults in of_subject.items()
}
