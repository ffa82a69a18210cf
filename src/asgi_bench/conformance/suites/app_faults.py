"""What a server makes of applications that fail, or send what they may not."""

from asgi_bench.conformance.check import MAIN, RFC9110, Suite
from asgi_bench.conformance.clients.http1 import read_answer
from asgi_bench.conformance.findings import Finding, Unanswered, held, no
from asgi_bench.conformance.start import Start, body_of, start_of

SUITE = Suite("http")
_ERRORS = f"{MAIN}#error-handling"


@SUITE.check(
    "should",
    "exception",
    f"{RFC9110}#name-500-internal-server-error",
    "The 500 status code indicates that the server encountered an unexpected condition that "
    "prevented it from fulfilling the request.",
)
def exception(start: Start) -> Finding:
    """An app that fails before its response."""
    answer = start.ask(["read"], ["raise"]).answer
    return held(answer.status == 500, answer.told)


@SUITE.check(
    "must",
    "exception-midway",
    _ERRORS,
    "Servers must terminate the application instance and its associated connection if this "
    "happens.",
)
def exception_midway(start: Start) -> Finding:
    """An app that fails within its response: the client must see that it isn't whole."""
    asked = start.request(["read"], start_of(), body_of("hello", more=True), ["raise"])
    with start.open() as peer:
        peer.send(asked.data)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            return held(peer.is_ended, str(fault))
        if answer.status == 500 or (not answer.is_chunked and not answer.values("content-length")):
            # Either nothing was sent yet, or the end of the connection is all there is to see.
            return held(True, "")
        return no(f"the answer looks whole: {answer.told}")


@SUITE.check(
    "should",
    "no-response",
    _ERRORS,
    "An application that returns without a response has failed: its client has to be told.",
)
def no_response(start: Start) -> Finding:
    """An app that returns without a word."""
    asked = start.request(["read"])
    with start.open() as peer:
        peer.send(asked.data)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            return held(peer.is_ended, f"the client is left waiting: {fault}")
        return held(answer.status >= 500, answer.told)


@SUITE.check(
    "should",
    "half-response",
    _ERRORS,
    "An application that returns within its response has failed: its client has to be told.",
)
def half_response(start: Start) -> Finding:
    """An app that returns while there is more to come."""
    asked = start.request(["read"], start_of(), body_of("hello", more=True))
    with start.open() as peer:
        peer.send(asked.data)
        try:
            answer = read_answer(peer)
        except Unanswered as fault:
            return held(peer.is_ended, f"the client is left waiting: {fault}")
        if answer.status >= 500 or not (answer.is_chunked or answer.values("content-length")):
            return held(True, "")
        return no(f"the answer looks whole: {answer.told}")


@SUITE.check(
    "should",
    "unknown-event",
    _ERRORS,
    "If a server receives an invalid event dictionary, for example, having an unknown type, it "
    "should raise an exception out of the send awaitable.",
)
def unknown_event(start: Start) -> Finding:
    """An event of an unknown type."""
    asked = start.request(["read"], ["try", ["send", {"type": "http.bench"}]], start_of(length=0))
    with start.open() as peer:
        peer.send(asked.data)
        start.awaited(asked.token, "scope")
        return _refused(start, asked.token)


@SUITE.check(
    "should",
    "wrong-event-type",
    _ERRORS,
    "... or with wrong Python types for objects (e.g. Unicode strings for HTTP headers), it "
    "should raise an exception out of the send awaitable.",
)
def wrong_type(start: Start) -> Finding:
    """Headers that are no bytes."""
    event = {"type": "http.response.start", "status": 200, "headers": [["x-bench", "1"]]}
    body = {"type": "http.response.body", "body": "b:ok"}
    asked = start.request(["read"], ["try", ["send", event]], ["try", ["send", body]])
    with start.open() as peer:
        peer.send(asked.data)
        return _refused(start, asked.token)


def _refused(start: Start, token: str) -> Finding:
    """Whether a step was refused before the script ended."""

    def is_end(what: str) -> bool:
        return what in ("refused", "done", "raised")

    entry = start.journal.awaited(
        token, lambda one: is_end(one.what), "end of the script", start.patience.answer_s
    )
    return held(entry.what == "refused", f"send took it; the app saw {start.journal.seen(token)}")
