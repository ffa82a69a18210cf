"""Connections of HTTP/1.1: how long they last, and several requests on one."""

import time
from contextlib import ExitStack
from itertools import pairwise

from asgi_bench.conformance.check import RFC9112, Suite
from asgi_bench.conformance.clients.http1 import Field, read_answer
from asgi_bench.conformance.findings import NO_HTTP_1_0, YES, Finding, Unanswered, held, no
from asgi_bench.conformance.start import Start, body_of, start_of

SUITE = Suite("connections")
_PERSISTENCE = f"{RFC9112}#name-persistence"
_PIPELINING = f"{RFC9112}#name-pipelining"
_TEAR_DOWN = f"{RFC9112}#name-tear-down"
_PARSING = f"{RFC9112}#name-message-parsing"
_IN_ORDER = (
    "A server MAY process a sequence of pipelined requests in parallel if they all have safe "
    "methods, but it MUST send the corresponding responses in the same order that the requests "
    "were received."
)
_CLOSE: list[Field] = [(b"connection", b"close")]
_REQUESTS = 1_100
_AT_ONCE = 50
# So that pieces don't reach the server as one.
_APART_S = 0.01
# An acknowledgement that is delayed comes after 40 ms.
_DELAYED_S = 0.035


@SUITE.check(
    "should", "kept", _PERSISTENCE, "HTTP implementations SHOULD support persistent connections."
)
def kept(start: Start) -> Finding:
    """A second request on a connection."""
    with start.open() as peer:
        for _ in range(2):
            peer.send(start.request().data)
            answer = read_answer(peer)
    return held(answer.body == b"ok", answer.told)


@SUITE.check(
    "must",
    "close",
    _TEAR_DOWN,
    "A server that receives a close connection option MUST "
    "initiate closure of the connection after it sends the final response.",
)
def close(start: Start) -> Finding:
    """A client that wants it closed."""
    with start.open() as peer:
        peer.send(start.request(headers=_CLOSE).data)
        answer = read_answer(peer)
        is_closed = peer.is_closed_within(start.patience.answer_s)
    return held(is_closed and answer.body == b"ok", f"{answer.told}, and it stays open")


@SUITE.check(
    "should",
    "close-said",
    _TEAR_DOWN,
    "The server SHOULD send a close connection option in its final response on that connection.",
)
def close_said(start: Start) -> Finding:
    """The answer says so."""
    answer = start.ask(headers=_CLOSE).answer
    return held(answer.closes, answer.told)


@SUITE.check(
    "must",
    "close-by-app",
    _TEAR_DOWN,
    "A server that sends a close connection option MUST "
    "initiate closure of the connection after it sends the response containing it.",
)
def close_by_app(start: Start) -> Finding:
    """An app that wants it closed."""
    steps = (["read"], start_of(200, ("connection", "close"), length=2), body_of("ok"))
    with start.open() as peer:
        peer.send(start.request(*steps).data)
        answer = read_answer(peer)
        is_closed = peer.is_closed_within(start.patience.answer_s)
    seen = f"{answer.told}, and it stays open"
    # Whoever takes the option out of the answer may leave the connection open.
    return held(is_closed or not answer.closes, seen)


@SUITE.check(
    "must",
    "http-1-0",
    _PERSISTENCE,
    "If the received protocol is HTTP/1.0 and the "
    "keep-alive connection option isn't present, the connection will close after the "
    "current response.",
)
def http10(start: Start) -> Finding:
    """A client of HTTP/1.0."""
    with start.open() as peer:
        peer.send(start.request(version="1.0").data)
        answer = read_answer(peer)
        is_closed = peer.is_closed_within(start.patience.answer_s)
    if answer.status >= 400:
        return NO_HTTP_1_0
    return held(is_closed and answer.body == b"ok", f"{answer.told}, and it stays open")


@SUITE.check(
    "differs",
    "http-1-0-kept",
    _PERSISTENCE,
    "A client of HTTP/1.0 that asks for it keeps its connection.",
)
def http10_kept(start: Start) -> Finding:
    """Keep-alive of HTTP/1.0."""
    seen = start.ask_old(headers=[(b"connection", b"keep-alive")])
    if seen is None:
        return NO_HTTP_1_0
    kept = any(value.lower() == b"keep-alive" for value in seen.answer.values("connection"))
    return held(kept, seen.answer.told)


@SUITE.check("must", "pipelined", _PIPELINING, _IN_ORDER)
def pipelined(start: Start) -> Finding:
    """Ten requests at once."""
    asked = [
        start.request(["read"], start_of(length=1), body_of(str(number))) for number in range(10)
    ]
    with start.open() as peer:
        peer.send(b"".join(one.data for one in asked))
        bodies = b"".join(read_answer(peer).body for _ in asked)
    return held(bodies == b"0123456789", f"the bodies are {bodies!r}")


@SUITE.check("must", "pipelined-slow-first", _PIPELINING, _IN_ORDER)
def pipelined_slow_first(start: Start) -> Finding:
    """A quick request after a slow one."""
    slow = start.request(["read"], ["gate"], start_of(length=4), body_of("slow"))
    quick = start.request(["read"], start_of(length=5), body_of("quick"))
    with start.open() as peer:
        peer.send(slow.data + quick.data)
        start.awaited(slow.token, "scope")
        early = peer.more_within(start.patience.quiet_s)
        start.journal.let_on(slow.token)
        bodies = [read_answer(peer).body for _ in range(2)]
    if early:
        return no(f"before the first answer came {early!r}")
    return held(bodies == [b"slow", b"quick"], f"the bodies are {bodies!r}")


@SUITE.check("must", "pipelined-bodies", _PIPELINING, _IN_ORDER)
def pipelined_bodies(start: Start) -> Finding:
    """Requests with bodies, in chunks and of a length, one after the other."""
    coded: list[Field] = [(b"transfer-encoding", b"chunked")]
    asked = [
        start.request(["echo"], method="POST", body=b"one"),
        start.request(["echo"], method="POST", headers=coded, body=b"3\r\ntwo\r\n0\r\n\r\n"),
        start.request(["read"], start_of(length=5), body_of("three")),
    ]
    with start.open() as peer:
        peer.send(b"".join(one.data for one in asked))
        bodies = [read_answer(peer).body for _ in asked]
    return held(bodies == [b"one", b"two", b"three"], f"the bodies are {bodies!r}")


@SUITE.check(
    "must",
    "fragments",
    _PARSING,
    "A message is read from a stream of bytes, however it is cut into segments.",
)
def fragments(start: Start) -> Finding:
    """A request that comes in small pieces."""
    asked = start.request(["echo"], method="POST", body=b"hello")
    # Within the method, a name, the two ends of lines, and the body.
    end = asked.data.index(b"\r\n\r\n")
    cuts = [0, 1, 2, 20, end, end + 1, end + 3, end + 4, end + 6, len(asked.data)]
    with start.open() as peer:
        for begin, stop in pairwise(cuts):
            peer.send(asked.data[begin:stop])
            peer.is_closed_within(_APART_S)
        answer = read_answer(peer)
    return held(answer.body == b"hello", answer.told)


@SUITE.check(
    "must",
    "body-later",
    _PARSING,
    "A message is read from a stream of bytes, however it is cut into segments.",
)
def body_later(start: Start) -> Finding:
    """A body that comes in a segment of its own, when the app may wait for it already."""
    asked = start.request(["echo"], method="POST", headers=[(b"content-length", b"5")])
    with start.open() as peer:
        peer.send(asked.data)
        peer.is_closed_within(start.patience.quiet_s)
        peer.send(b"hello")
        answer = read_answer(peer)
    return held(answer.body == b"hello", answer.told)


@SUITE.check(
    "differs",
    "without-delay",
    f"{RFC9112}#name-connection-management",
    "An answer in two parts does not wait for the client's delayed acknowledgement (TCP_NODELAY).",
    is_alone=True,
)
def without_delay(start: Start) -> Finding:
    """The quickest of ten answers on one connection."""
    steps = (["read"], start_of(length=4), body_of("on", more=True), body_of("ce"))
    times_s = []
    with start.open() as peer:
        for _ in range(10):
            began_s = time.monotonic()
            peer.send(start.request(*steps).data)
            read_answer(peer)
            times_s.append(time.monotonic() - began_s)
    # The first come before the kernel delays acknowledgements.
    quickest_s = min(times_s[3:])
    return held(quickest_s < _DELAYED_S, f"the quickest of seven took {quickest_s * 1e3:.0f} ms")


@SUITE.check(
    "differs",
    "without-limit",
    _PERSISTENCE,
    "A connection lasts for 1,100 requests (its "
    "runner file lifts the limit of a server that has one).",
)
def without_limit(start: Start) -> Finding:
    """How many requests until it is closed."""
    asked = start.request(["read"], start_of(length=2), body_of("ok")).data
    done = 0
    with start.open() as peer:
        try:
            while done < _REQUESTS:
                peer.send(asked * _AT_ONCE)
                for _ in range(_AT_ONCE):
                    read_answer(peer)
                    done += 1
        except Unanswered as fault:
            return no(f"after {done} requests: {fault}")
    return YES


@SUITE.check(
    "differs",
    "half-closed",
    _TEAR_DOWN,
    "A client that has ended its own side still gets its answer.",
)
def half_closed(start: Start) -> Finding:
    """A client that sends no more."""
    asked = start.request(["read"], ["sleep", 0.05], start_of(length=2), body_of("ok"))
    with start.open() as peer:
        peer.send(asked.data)
        peer.end_sending()
        answer = read_answer(peer)
    return held(answer.body == b"ok", answer.told)


@SUITE.check(
    "must",
    "reset",
    f"{RFC9112}#name-connection-management",
    "A connection that is lost is no matter of others.",
)
def reset(start: Start) -> Finding:
    """Clients that vanish within a request, an answer, or before."""
    for data in (b"", b"GET / HT", start.request(["read"], ["sleep", 0.05], start_of()).data):
        with start.open() as peer:
            peer.send(data)
            peer.drop()
    with start.open() as peer:
        # What a lost connection does to the server is done by then.
        peer.is_closed_within(start.patience.quiet_s)
    answer = start.ask().answer
    return held(answer.body == b"ok", answer.told)


@SUITE.check(
    "must",
    "many",
    f"{RFC9112}#name-concurrency",
    "A server might need to hold several connections of one client open.",
)
def many(start: Start) -> Finding:
    """A hundred connections, all open at once."""
    with ExitStack() as stack:
        peers = [stack.enter_context(start.open()) for _ in range(100)]
        for peer in peers:
            peer.send(start.request().data)
        bodies = [read_answer(peer).body for peer in peers]
    return held(bodies == [b"ok"] * 100, f"{bodies.count(b'ok')} of 100 were answered")
