"""What becomes of connections that are in use when a server is stopped (SIGTERM)."""

from asgi_bench.conformance.check import LIFESPAN, RFC6455, WWW, Judge, LifeSuite
from asgi_bench.conformance.findings import Finding, cant_tell, held, not_offered
from asgi_bench.conformance.lives import Lives

SUITE = LifeSuite("drain")
_SHUTDOWN = f"{LIFESPAN}#shutdown-receive-event"


def _drained(name: str) -> Judge:
    """A judge that takes what was found while the server was stopped."""

    def judge(lives: Lives) -> Finding:
        return lives.drained.get(name) or cant_tell("the server was not stopped in use")

    return judge


_FOUND = (
    ("should", "in-flight", _SHUTDOWN, "A request that was taken before is answered in full."),
    (
        "should",
        "refuses-new",
        _SHUTDOWN,
        "lifespan.shutdown: sent when the server has stopped "
        "accepting connections: while one request is still at work new ones are refused.",
    ),
    (
        "should",
        "idle",
        _SHUTDOWN,
        "lifespan.shutdown: sent when the server has closed all active "
        "connections: those that are idle too.",
    ),
    (
        "should",
        "websocket-code",
        f"{RFC6455}#section-7.4.1",
        "1001 indicates that an endpoint is "
        "going away, such as a server going down (1012: service restart).",
    ),
    (
        "must",
        "websocket-disconnect",
        f"{WWW}#disconnect-receive-event-ws",
        "websocket.disconnect: "
        "sent to the application when either connection to the client is lost, either from the "
        "client closing the connection, the server closing the connection, or loss of the socket.",
    ),
)
for _level, _name, _link, _says in _FOUND:
    SUITE.check(_level, _name, _link, _says)(_drained(_name))  # type: ignore[arg-type]


@SUITE.check(
    "should",
    "shutdown",
    _SHUTDOWN,
    "lifespan.shutdown: sent when the server has closed all active connections: it comes also "
    "where there were some.",
)
def shutdown(lives: Lives) -> Finding:
    """The app's shutdown is run though the server was in use."""
    if lives.why_not:
        return not_offered(lives.why_not)
    began = lives.well.moment("receive", "lifespan.shutdown")
    return held(began is not None, "the app never received lifespan.shutdown")


@SUITE.check(
    "should",
    "order",
    _SHUTDOWN,
    "lifespan.shutdown: sent when the server has closed all active connections.",
)
def order(lives: Lives) -> Finding:
    """The app's shutdown begins after the last answer."""
    if lives.why_not:
        return not_offered(lives.why_not)
    began = lives.well.moment("receive", "lifespan.shutdown")
    if began is None:
        return cant_tell("the app never received lifespan.shutdown")
    if lives.answered_at_s is None:
        return cant_tell("the request that was at work was not answered")
    return held(lives.answered_at_s <= began, "a request was at work when the shutdown began")


@SUITE.check("should", "ends", _SHUTDOWN, "A server that was asked to end does so.")
def ends(lives: Lives) -> Finding:
    """It ends by itself."""
    return held(not lives.well.end.was_killed, "it had to be killed after 10 s")


@SUITE.check(
    "differs",
    "exit-code",
    _SHUTDOWN,
    "A server that was asked to end (SIGTERM) ends with exit code 0.",
)
def exit_code(lives: Lives) -> Finding:
    """What supervisors see."""
    return held(lives.well.end.exit_code == 0, f"its exit code is {lives.well.end.exit_code}")
