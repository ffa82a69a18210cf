"""Which requests a server takes, and what it makes of those that are wrong."""

from asgi_bench.conformance.check import RFC9110, RFC9112, Suite
from asgi_bench.conformance.clients.http1 import Field, read_answer
from asgi_bench.conformance.findings import YES, Finding, Unanswered, held
from asgi_bench.conformance.start import Asked, Start

SUITE = Suite("http")
_HOST = f"{RFC9112}#name-request-target"
_FRAMING = f"{RFC9112}#name-message-body-length"
_SYNTAX = f"{RFC9112}#name-field-line-parsing"
_VALUES = f"{RFC9110}#name-field-values"
_CODING = f"{RFC9112}#name-transfer-encoding"


def _refused(start: Start, asked: Asked, *statuses: int, may_close: bool = False) -> Finding:
    """Whether a request is refused, with one of these statuses where any are named."""
    with start.open() as peer:
        peer.send(asked.data)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            return held(may_close and peer.is_ended, str(fault))
    right = answer.status in statuses if statuses else 400 <= answer.status < 600
    return held(right, answer.told)


def _wrong(
    start: Start, old: bytes, new: bytes, *statuses: int, may_close: bool = False
) -> Finding:
    """Whether a request is refused of which a part is replaced."""
    asked = start.request(headers=[(b"x-bench", b"1")])
    return _refused(
        start, Asked(asked.token, asked.data.replace(old, new, 1)), *statuses, may_close=may_close
    )


@SUITE.check(
    "must",
    "host-missing",
    _HOST,
    "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message "
    "that lacks a Host header field.",
)
def host_missing(start: Start) -> Finding:
    """No Host."""
    return _refused(start, start.request(host=False), 400)


@SUITE.check(
    "must",
    "host-twice",
    _HOST,
    "... and to any request message that contains more than one Host header field line.",
)
def host_twice(start: Start) -> Finding:
    """Two Hosts."""
    return _refused(start, start.request(headers=[(b"Host", b"other.example")]), 400)


@SUITE.check(
    "must",
    "absolute-form",
    f"{RFC9112}#name-absolute-form",
    "A server MUST accept the absolute-form in requests even though most HTTP/1.1 clients will "
    "only send the absolute-form to a proxy.",
)
def absolute_form(start: Start) -> Finding:
    """A target with a host."""
    answer = start.ask(target=f"http://{start.endpoint.authority}/x").answer
    return held(answer.status == 200, answer.told)


@SUITE.check(
    "differs",
    "asterisk-form",
    f"{RFC9112}#name-asterisk-form",
    "OPTIONS * reaches the app.",
)
def asterisk_form(start: Start) -> Finding:
    """A request for the server as a whole."""
    answer = start.ask(method="OPTIONS", target="*").answer
    return held(answer.status == 200, answer.told)


@SUITE.check(
    "must",
    "space-before-colon",
    _SYNTAX,
    "A server MUST reject, with a response status code of 400 (Bad Request), any received request "
    "message that contains whitespace between a header field name and colon.",
)
def space_before_colon(start: Start) -> Finding:
    """A space after a name."""
    return _wrong(start, b"x-bench:", b"x-bench :", 400)


@SUITE.check(
    "must",
    "line-folding",
    f"{RFC9112}#name-obsolete-line-folding",
    "A server that receives an obs-fold MUST either reject the message by sending a 400 (Bad "
    "Request), or replace each received obs-fold with one or more SP octets.",
)
def line_folding(start: Start) -> Finding:
    """A value that goes on on the next line."""
    asked = start.request(headers=[(b"x-bench", b"1\r\n 2")])
    with start.open() as peer:
        peer.send(asked.data)
        answer = read_answer(peer)
    if answer.status != 200:
        return held(answer.status == 400, answer.told)
    found = [value for name, value in start.scope(asked)["headers"] if name.lower() == b"x-bench"]
    right = len(found) == 1 and found[0].split() == [b"1", b"2"] and b"\n" not in found[0]
    return held(right, f"the value is {found!r}")


@SUITE.check(
    "must",
    "nul-in-value",
    _VALUES,
    "A recipient of CR, LF, or NUL within a field value MUST either reject the message or replace "
    "each of those characters with SP before further processing.",
)
def nul_in_value(start: Start) -> Finding:
    """A zero byte."""
    return _cleaned(start, b"a\x00b")


@SUITE.check(
    "must",
    "bare-cr",
    f"{RFC9112}#name-message-parsing",
    "A recipient of such a bare CR MUST consider that element to be invalid or replace each bare "
    "CR with SP before processing the element.",
)
def bare_cr(start: Start) -> Finding:
    """A carriage return alone."""
    return _cleaned(start, b"a\rb")


def _cleaned(start: Start, value: bytes) -> Finding:
    """Whether a value with a forbidden byte is refused, or has a space in its place."""
    asked = start.request(headers=[(b"x-bench", value)])
    with start.open() as peer:
        peer.send(asked.data)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            return held(peer.is_ended, str(fault))
    if answer.status != 200:
        return held(400 <= answer.status < 500, answer.told)
    found = [each for name, each in start.scope(asked)["headers"] if name.lower() == b"x-bench"]
    return held(found == [b"a b"], f"the value is {found!r}")


@SUITE.check(
    "should",
    "field-name",
    f"{RFC9110}#name-field-names",
    "field-name = token.",
)
def field_name(start: Start) -> Finding:
    """A name with a letter that no name may have."""
    return _wrong(start, b"x-bench:", b"x(bench):", 400, may_close=True)


@SUITE.check(
    "should",
    "request-line",
    f"{RFC9112}#name-request-line",
    "Recipients of an invalid request-line SHOULD respond with either a 400 (Bad Request) error "
    "or a 301 (Moved Permanently) redirect.",
)
def request_line(start: Start) -> Finding:
    """A space too many in the target."""
    return _wrong(start, b"GET / HTTP", b"GET / x HTTP", 400, 301)


@SUITE.check(
    "should",
    "major-version",
    f"{RFC9110}#name-505-http-version-not-suppor",
    "The server does not support the major version of HTTP that was used in the request message.",
)
def major_version(start: Start) -> Finding:
    """A version that doesn't exist."""
    return _wrong(start, b"HTTP/1.1", b"HTTP/9.1", 400, 505)


@SUITE.check(
    "should",
    "empty-line-first",
    f"{RFC9112}#name-message-parsing",
    "A server that is expecting to receive and parse a request-line SHOULD ignore at least one "
    "empty line (CRLF) received prior to the request-line.",
)
def empty_line_first(start: Start) -> Finding:
    """An empty line before a request."""
    asked = start.request()
    with start.open() as peer:
        peer.send(b"\r\n" + asked.data)
        answer = read_answer(peer)
    return held(answer.status == 200, answer.told)


@SUITE.check(
    "differs",
    "bare-lf",
    f"{RFC9112}#name-message-parsing",
    "A line that ends with LF alone is taken.",
)
def bare_lf(start: Start) -> Finding:
    """A line feed alone."""
    asked = start.request(headers=[(b"x-bench", b"1")])
    data = asked.data.replace(b"x-bench: 1\r\n", b"x-bench: 1\n")
    with start.open() as peer:
        peer.send(data)
        answer = read_answer(peer)
    return held(answer.status == 200, answer.told)


@SUITE.check(
    "must",
    "lengths-differ",
    _FRAMING,
    "If a message is received without Transfer-Encoding and with an invalid Content-Length header "
    "field, ... the server MUST respond with a 400 (Bad Request) status code and then close the "
    "connection.",
)
def lengths_differ(start: Start) -> Finding:
    """Two lengths."""
    twice: list[Field] = [(b"content-length", b"5"), (b"content-length", b"6")]
    return _refused(start, start.request(method="POST", headers=twice, body=b"hello!"), 400)


@SUITE.check(
    "must",
    "length-invalid",
    _FRAMING,
    "With an invalid Content-Length header field the server MUST respond with a 400 (Bad Request) "
    "status code and then close the connection.",
)
def length_invalid(start: Start) -> Finding:
    """A length with a sign."""
    length: list[Field] = [(b"content-length", b"+5")]
    return _refused(start, start.request(method="POST", headers=length, body=b"hello"), 400)


@SUITE.check(
    "must",
    "length-and-coding",
    _CODING,
    "A server MAY reject a request that contains both Content-Length and Transfer-Encoding or "
    "process such a request in accordance with the Transfer-Encoding alone. Regardless, the "
    "server MUST close the connection after responding to such a request.",
)
def length_and_coding(start: Start) -> Finding:
    """A length beside chunks: how requests are smuggled."""
    both: list[Field] = [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")]
    asked = start.request(method="POST", headers=both, body=b"5\r\nhello\r\n0\r\n\r\n")
    with start.open() as peer:
        peer.send(asked.data)
        answer = read_answer(peer)
        is_closed = peer.is_closed_within(start.patience.answer_s)
    if answer.status == 200:
        body = b"".join(event.get("body") or b"" for event in start.received(asked.token))
        if body != b"hello":
            return held(False, f"the body is {body!r}")
    seen = f"{answer.told}, and the connection stays open"
    return held(is_closed and (answer.status == 200 or 400 <= answer.status < 500), seen)


@SUITE.check(
    "must",
    "coding-not-chunked",
    _FRAMING,
    "If Transfer-Encoding is present in a request and the chunked transfer coding is not the "
    "final encoding, the server MUST respond with the 400 (Bad Request) status code and then close "
    "the connection.",
)
def coding_not_chunked(start: Start) -> Finding:
    """A coding that leaves the end open."""
    coded: list[Field] = [(b"transfer-encoding", b"gzip")]
    return _refused(start, start.request(method="POST", headers=coded, body=b"hello"), 400, 501)


@SUITE.check(
    "must",
    "chunk-size-invalid",
    f"{RFC9112}#name-chunked-transfer-coding",
    "chunk-size = 1*HEXDIG.",
)
def chunk_size_invalid(start: Start) -> Finding:
    """A size that is no number: nothing may be made of it."""
    return _not_taken(start, b"x\r\nhello\r\n0\r\n\r\n")


@SUITE.check(
    "should",
    "chunk-size-sign",
    f"{RFC9112}#name-chunked-transfer-coding",
    "chunk-size = 1*HEXDIG.",
)
def chunk_size_sign(start: Start) -> Finding:
    """A size that only a lenient reader takes."""
    return _not_taken(start, b"+5\r\nhello\r\n0\r\n\r\n")


def _not_taken(start: Start, chunks: bytes) -> Finding:
    """Whether chunks are refused, or the app is told that its request was cut short."""
    coded: list[Field] = [(b"transfer-encoding", b"chunked")]
    asked = start.request(method="POST", headers=coded, body=chunks)
    finding = _refused(start, asked, may_close=True)
    events = start.received(asked.token)
    whole = any(one["type"] == "http.request" and not one.get("more_body") for one in events)
    # An app that is told may answer all the same.
    return YES if events and not whole else finding


@SUITE.check(
    "must",
    "header-too-large",
    f"{RFC9110}#name-field-limits",
    "A server that receives a request header field line, field value, or set of fields larger "
    "than it wishes to process MUST respond with an appropriate 4xx (Client Error) status code.",
)
def header_too_large(start: Start) -> Finding:
    """A field of 256 KiB is refused in words, or taken."""
    asked = start.request(headers=[(b"x-bench", b"a" * 262_144)])
    with start.open() as peer:
        peer.send_until_held(asked.data, start.patience.answer_s)
        answer = read_answer(peer)
    return held(answer.status == 200 or 400 <= answer.status < 500, answer.told)


@SUITE.check(
    "should",
    "long-target",
    f"{RFC9112}#name-request-line",
    "It is RECOMMENDED that all HTTP senders and recipients support, at a minimum, request-line "
    "lengths of 8000 octets.",
)
def long_target(start: Start) -> Finding:
    """A target of 7,900 bytes."""
    answer = start.ask(target="/" + "a" * 7_899).answer
    return held(answer.status == 200, answer.told)


@SUITE.check(
    "must",
    "upgrade-unknown",
    f"{RFC9110}#name-upgrade",
    "A server MAY ignore a received Upgrade header field if it wishes to continue using the "
    "current protocol on that connection.",
)
def upgrade_unknown(start: Start) -> Finding:
    """An upgrade to something that nobody knows."""
    asks: list[Field] = [(b"connection", b"upgrade"), (b"upgrade", b"bench/1")]
    answer = start.ask(headers=asks).answer
    return held(answer.status == 200, answer.told)
