"""What a server hands to an application beside the body: the scope of a request."""

from typing import Any

from asgi_bench.conformance.check import MAIN, RFC9112, WWW, Suite
from asgi_bench.conformance.clients.http1 import Field, read_answer
from asgi_bench.conformance.findings import NO_HTTP_1_0, YES, Finding, held, no, not_offered
from asgi_bench.conformance.start import ANSWERED, Start

SUITE = Suite("scope")
_SCOPE = f"{WWW}#http-connection-scope"
_MAIN = f"{MAIN}#applications"


def _is(scope: dict[str, Any], key: str, wanted: Any) -> Finding:
    """Whether the scope has a value, of the same type."""
    found = scope.get(key)
    same = found == wanted and isinstance(found, type(wanted))
    return held(same, f"{key} is {found!r}, not {wanted!r}")


def _values(scope: dict[str, Any], name: bytes) -> list[bytes]:
    return [value for found, value in scope["headers"] if found.lower() == name]


def _path(start: Start, target: str, wanted: str) -> Finding:
    return _is(start.scope_of(target=target), "path", wanted)


def _header(start: Start, value: bytes, wanted: bytes) -> Finding:
    """Whether a header's value arrives as it has to."""
    found = _values(start.scope_of(headers=[(b"x-bench", value)]), b"x-bench")
    return held(found == [wanted], f"{value!r} arrives as {found!r}")


@SUITE.check("must", "type", _SCOPE, 'type: "http".')
def type_is_http(start: Start) -> Finding:
    """The type."""
    return _is(start.scope_of(), "type", "http")


@SUITE.check(
    "must",
    "asgi-version",
    _MAIN,
    'The key scope["asgi"] will also be present as a dictionary containing a '
    'scope["asgi"]["version"] key that corresponds to the ASGI version the server implements.',
)
def asgi_version(start: Start) -> Finding:
    """The version of ASGI."""
    asgi = start.scope_of().get("asgi")
    version = asgi.get("version") if isinstance(asgi, dict) else None
    return held(isinstance(version, str) and bool(version), f"asgi is {asgi!r}")


@SUITE.check(
    "must",
    "spec-version",
    _SCOPE,
    'asgi["spec_version"]: version of the ASGI HTTP spec this server understands, a string like '
    '"2.0"; optional.',
)
def spec_version(start: Start) -> Finding:
    """The version of the specification."""
    asgi = start.scope_of().get("asgi") or {}
    if "spec_version" not in asgi:
        return not_offered("no spec_version")
    version = asgi["spec_version"]
    right = isinstance(version, str) and version.startswith("2.")
    return held(right, f"spec_version is {version!r}")


@SUITE.check(
    "differs", "spec-version-2-4", _SCOPE, "The server says that it keeps to version 2.4 or later."
)
def spec_version_is_new(start: Start) -> Finding:
    """Whether send may raise."""
    version = str((start.scope_of().get("asgi") or {}).get("spec_version", "2.0"))
    parts = tuple(int(part) for part in version.split(".") if part.isdigit())
    return held(parts >= (2, 4), f"spec_version is {version}")


@SUITE.check("must", "http-version", _SCOPE, 'http_version: one of "1.0", "1.1" or "2".')
def http_version(start: Start) -> Finding:
    """HTTP/1.1."""
    return _is(start.scope_of(), "http_version", "1.1")


@SUITE.check("must", "http-version-1-0", _SCOPE, 'http_version: one of "1.0", "1.1" or "2".')
def http_version_old(start: Start) -> Finding:
    """HTTP/1.0."""
    seen = start.ask_old()
    return NO_HTTP_1_0 if seen is None else _is(start.scope(seen), "http_version", "1.0")


@SUITE.check("must", "method", _SCOPE, "method: the HTTP method name, uppercased.")
def method(start: Start) -> Finding:
    """A usual method."""
    return _is(start.scope_of(method="PATCH"), "method", "PATCH")


@SUITE.check(
    "differs", "method-unknown", _SCOPE, "A method that is registered nowhere reaches the app."
)
def method_unknown(start: Start) -> Finding:
    """Any method."""
    return _is(start.scope_of(method="BREW"), "method", "BREW")


@SUITE.check(
    "must", "scheme", _SCOPE, 'scheme: optional (but must not be empty); default is "http".'
)
def scheme(start: Start) -> Finding:
    """The scheme."""
    scope = start.scope_of()
    return _is(scope, "scheme", "http") if "scheme" in scope else not_offered("no scheme")


@SUITE.check("must", "scheme-https", _SCOPE, 'scheme: URL scheme portion, "https".', start="tls")
def scheme_https(start: Start) -> Finding:
    """The scheme over TLS."""
    return _is(start.scope_of(), "scheme", "https")


@SUITE.check("must", "path", _SCOPE, "path: HTTP request target excluding any query string.")
def path(start: Start) -> Finding:
    """A plain path."""
    return _path(start, "/some/where?not=this", "/some/where")


@SUITE.check(
    "must", "path-percent", _SCOPE, "path: with percent-encoded sequences decoded into characters."
)
def path_percent(start: Start) -> Finding:
    """What is encoded."""
    return _path(start, "/a%20b%3Fc", "/a b?c")


@SUITE.check("must", "path-utf-8", _SCOPE, "path: UTF-8 byte sequences decoded into characters.")
def path_utf8(start: Start) -> Finding:
    """Letters beyond ASCII."""
    return _path(start, "/caf%C3%A9/%E2%82%AC", "/caf\u00e9/\u20ac")


@SUITE.check("must", "path-encoded-slash", _SCOPE, "path: with percent-encoded sequences decoded.")
def path_slash(start: Start) -> Finding:
    """A slash that is encoded."""
    return _path(start, "/a%2Fb", "/a/b")


@SUITE.check("must", "path-once", _SCOPE, "path: with percent-encoded sequences decoded, once.")
def path_once(start: Start) -> Finding:
    """What is encoded twice."""
    return _path(start, "/a%252Fb", "/a%2Fb")


@SUITE.check("must", "path-plus", _SCOPE, "path: the request target, in which a plus is a plus.")
def path_plus(start: Start) -> Finding:
    """A plus is no space here."""
    return _path(start, "/a+b", "/a+b")


@SUITE.check(
    "must", "path-empty-segments", _SCOPE, "path: HTTP request target excluding any query string."
)
def path_empty_segments(start: Start) -> Finding:
    """Two slashes at the beginning are no host."""
    return _path(start, "//a//b", "//a//b")


@SUITE.check("differs", "path-dots", _SCOPE, "/a/../b reaches the app as it was sent.")
def path_dots(start: Start) -> Finding:
    """Segments of dots."""
    return _path(start, "/a/../b", "/a/../b")


@SUITE.check(
    "differs",
    "path-absolute-form",
    f"{RFC9112}#name-absolute-form",
    "Of a target like http://host/x the app is given the path /x.",
)
def path_absolute(start: Start) -> Finding:
    """A target with a host."""
    return _path(start, f"http://{start.endpoint.authority}/x?y", "/x")


@SUITE.check("must", "path-bad-utf-8", _SCOPE, "path: a Unicode string.")
def path_bad_utf8(start: Start) -> Finding:
    """Bytes that are no UTF-8 are refused, or become some text."""
    seen = start.ask(target="/%ff")
    if not start.was_called(seen.token):
        refused = 400 <= seen.answer.status < 500
        return held(refused, f"the app was not called, the answer: {seen.answer.told}")
    found = start.scope(seen).get("path")
    return held(isinstance(found, str) and seen.answer.status == 200, f"path is {found!r}")


@SUITE.check(
    "must",
    "raw-path",
    _SCOPE,
    "raw_path: the original HTTP path component, unmodified from the bytes that were received.",
)
def raw_path(start: Start) -> Finding:
    """The path as it was sent."""
    scope = start.scope_of(target="/a%2fb%20%C3%a9+c")
    if scope.get("raw_path") is None:
        return not_offered("no raw_path")
    return _is(scope, "raw_path", b"/a%2fb%20%C3%a9+c")


@SUITE.check("must", "raw-path-without-query", _SCOPE, "raw_path: excluding any query string.")
def raw_path_query(start: Start) -> Finding:
    """No query in it."""
    scope = start.scope_of(target="/a%20b?c=d")
    if scope.get("raw_path") is None:
        return not_offered("no raw_path")
    return _is(scope, "raw_path", b"/a%20b")


@SUITE.check(
    "must",
    "query-string",
    _SCOPE,
    "query_string (byte string): URL portion after the ?, percent-encoded.",
)
def query_string(start: Start) -> Finding:
    """The query as it was sent."""
    return _is(
        start.scope_of(target="/x?a=%20b&c=+%C3%A9&a"), "query_string", b"a=%20b&c=+%C3%A9&a"
    )


@SUITE.check("must", "query-string-empty", _SCOPE, "query_string (byte string).")
def query_string_empty(start: Start) -> Finding:
    """No query."""
    return _is(start.scope_of(target="/x"), "query_string", b"")


@SUITE.check("must", "query-string-marks", _SCOPE, "query_string: URL portion after the ?.")
def query_string_marks(start: Start) -> Finding:
    """A question mark in it."""
    return _is(start.scope_of(target="/x?a?b=c"), "query_string", b"a?b=c")


@SUITE.check("must", "root-path", _SCOPE, 'root_path (Unicode string): if missing defaults to "".')
def root_path(start: Start) -> Finding:
    """Mounted nowhere."""
    scope = start.scope_of()
    return _is(scope, "root_path", "") if "root_path" in scope else not_offered("no root_path")


@SUITE.check(
    "must",
    "header-bytes",
    _SCOPE,
    "headers: an iterable of [name, value] two-item iterables of byte strings.",
)
def header_bytes(start: Start) -> Finding:
    """Pairs of bytes."""
    pairs = start.scope_of()["headers"]
    wrong = [pair for pair in pairs if [isinstance(part, bytes) for part in pair] != [True, True]]
    return held(not wrong, f"among headers is {wrong[:1]!r}")


@SUITE.check("should", "header-lower-case", _SCOPE, "Header names should be lowercased.")
def header_lower_case(start: Start) -> Finding:
    """Names in lower case."""
    names = [name for name, _ in start.scope_of(headers=[(b"X-BENCH", b"1")])["headers"]]
    return held(b"x-bench" in names, f"the names are {names!r}")


@SUITE.check(
    "must",
    "header-duplicates",
    _SCOPE,
    "Duplicates are possible and must be preserved in the message as received.",
)
def header_duplicates(start: Start) -> Finding:
    """Fields of one name stay apart."""
    twice: list[Field] = [(b"x-bench", b"1"), (b"x-other", b"-"), (b"x-bench", b"2, 3")]
    found = sorted(_values(start.scope_of(headers=twice), b"x-bench"))
    return held(found == [b"1", b"2, 3"], f"the values are {found!r}")


@SUITE.check(
    "must",
    "header-order",
    _SCOPE,
    "Order of header values must be preserved from the original HTTP request.",
)
def header_order(start: Start) -> Finding:
    """Values of one name in their order."""
    sent: list[Field] = [(b"x-bench", b"%d" % number) for number in (3, 1, 2)]
    found = b",".join(_values(start.scope_of(headers=sent), b"x-bench"))
    return held(found.replace(b" ", b"") == b"3,1,2", f"the values are {found!r}")


@SUITE.check(
    "must",
    "header-spaces",
    f"{RFC9112}#name-field-syntax",
    "A field line value does not include leading or trailing whitespace.",
)
def header_spaces(start: Start) -> Finding:
    """Spaces around a value."""
    return _header(start, b"\t one  two \t", b"one  two")


@SUITE.check("must", "header-empty", _SCOPE, "headers: preserved as they were provided.")
def header_empty(start: Start) -> Finding:
    """A field without a value."""
    return _header(start, b"", b"")


@SUITE.check(
    "should",
    "header-beyond-ascii",
    f"{WWW}#wsgi-encoding-differences",
    "headers: byte strings of the exact byte sequences sent by the client.",
)
def header_beyond_ascii(start: Start) -> Finding:
    """Bytes that are no ASCII."""
    return _header(start, b"caf\xe9 \xe2\x82\xac", b"caf\xe9 \xe2\x82\xac")


@SUITE.check("must", "header-host", _SCOPE, "headers: preserved as they were provided.")
def header_host(start: Start) -> Finding:
    """Host is one of them."""
    found = _values(start.scope_of(), b"host")
    return held(found == [start.endpoint.authority.encode()], f"host is {found!r}")


@SUITE.check("differs", "header-underscore", _SCOPE, "A name with an underscore reaches the app.")
def header_underscore(start: Start) -> Finding:
    """Some leave such names out, for gateways that can't tell them from dashes."""
    found = _values(start.scope_of(headers=[(b"x_bench", b"1")]), b"x_bench")
    return held(found == [b"1"], f"the values are {found!r}")


@SUITE.check(
    "must",
    "client",
    _SCOPE,
    "client: a two-item iterable of [host, port], the remote host's address and port.",
)
def client(start: Start) -> Finding:
    """Where the request comes from."""
    asked = start.request()
    with start.open() as peer:
        peer.send(asked.data)
        read_answer(peer)
        ours = list(peer.name)
    found = start.scope(asked).get("client")
    return (
        not_offered("no client") if found is None else held(found == ours, f"client is {found!r}")
    )


@SUITE.check(
    "must", "server", _SCOPE, "server: a two-item iterable of [host, port], the listening address."
)
def server(start: Start) -> Finding:
    """Where the server listens."""
    found = start.scope_of().get("server")
    wanted = list(start.endpoint.address)
    if found is None:
        return not_offered("no server")
    return held(found == wanted, f"server is {found!r}, not {wanted!r}")


@SUITE.check(
    "must",
    "server-unix",
    _SCOPE,
    "server: or [path, None] where path is that of the unix socket.",
    start="unix",
)
def server_unix(start: Start) -> Finding:
    """Where the server listens, over a Unix socket."""
    found = start.scope_of().get("server")
    if found is None:
        return not_offered("no server")
    return held(found == [start.endpoint.path, None], f"server is {found!r}")


@SUITE.check(
    "must",
    "client-unix",
    _SCOPE,
    "client: a two-item iterable of a Unicode string and an int; optional.",
    start="unix",
)
def client_unix(start: Start) -> Finding:
    """A client over a Unix socket has no address."""
    found = start.scope_of().get("client")
    if found is None:
        return YES
    right = isinstance(found, list) and len(found) == 2 and isinstance(found[0], str)
    return held(right and isinstance(found[1], int), f"client is {found!r}")


@SUITE.check(
    "must",
    "extensions",
    f"{MAIN}#extensions",
    "The value of that entry should itself be a dict.",
)
def extensions(start: Start) -> Finding:
    """Extensions are dicts of dicts."""
    found = start.scope_of().get("extensions")
    if not found:
        return not_offered("no extensions")
    right = isinstance(found, dict) and all(isinstance(one, dict) for one in found.values())
    return held(right, f"extensions are {found!r}")


@SUITE.check(
    "must",
    "own-scope",
    _SCOPE,
    "HTTP connections have a single-request connection scope, even if the underlying socket is "
    "still open and serving multiple requests.",
)
def own_scope(start: Start) -> Finding:
    """What one request leaves in its scope isn't there in the next."""
    first, second = start.request(["mutate"], *ANSWERED), start.request()
    with start.open() as peer:
        for asked in (first, second):
            peer.send(asked.data)
            read_answer(peer)
    if "bench_trace" in start.scope(second):
        return no(
            "the second request of a connection has what the app wrote into the first's scope"
        )
    return YES
