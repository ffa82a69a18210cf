"""What a server makes of an application's lifespan: its startup and its shutdown."""

from collections.abc import Callable

from asgi_bench.conformance.check import LIFESPAN, Judge, LifeSuite
from asgi_bench.conformance.findings import Finding, cant_tell, held, no, not_offered
from asgi_bench.conformance.lives import Life, Lives

SUITE = LifeSuite("lifespan")
_SCOPE, _STATE = f"{LIFESPAN}#scope", f"{LIFESPAN}#lifespan-state"
_STARTUP = f"{LIFESPAN}#startup-receive-event"
_SHUTDOWN = f"{LIFESPAN}#shutdown-receive-event"
_FAILED = f"{LIFESPAN}#startup-failed-send-event"


def _of(choose: Callable[[Lives], Life | None], judge: Callable[[Life], Finding]) -> Judge:
    """A judge of one life, where there is one; of none where the server runs no lifespan."""

    def judged(lives: Lives) -> Finding:
        if lives.why_not:
            return not_offered(lives.why_not)
        life = choose(lives)
        return cant_tell("the server was not started so") if life is None else judge(life)

    return judged


def _well(judge: Callable[[Life], Finding]) -> Judge:
    return _of(lambda lives: lives.well, judge)


def _startup_failed(judge: Callable[[Life], Finding]) -> Judge:
    return _of(lambda lives: lives.startup_failed, judge)


def _raising(judge: Callable[[Life], Finding]) -> Judge:
    return _of(lambda lives: lives.raising, judge)


def _shutdown_failed(judge: Callable[[Life], Finding]) -> Judge:
    return _of(lambda lives: lives.shutdown_failed, judge)


def _last(life: Life) -> str:
    """The end of what a server printed."""
    lines = [line for line in life.log.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed nothing"


@SUITE.check(
    "must",
    "startup",
    _STARTUP,
    "lifespan.startup: sent to the application when the "
    "server is ready to startup and receive connections.",
)
@_well
def startup(life: Life) -> Finding:
    """The startup is run."""
    came = life.moment("receive", "lifespan.startup")
    return held(came is not None, "the app never received lifespan.startup")


@SUITE.check(
    "must", "scope", _SCOPE, 'type: "lifespan"; asgi["version"]: the version of the ASGI spec.'
)
@_well
def scope(life: Life) -> Finding:
    """What the scope says."""
    found = next((entry.data for entry in life.entries if entry.what == "scope"), None)
    if found is None:
        return no("the app was never called with a lifespan")
    version = (found.get("asgi") or {}).get("version")
    return held(found["type"] == "lifespan" and isinstance(version, str), f"the scope is {found!r}")


@SUITE.check(
    "must",
    "waits-for-startup",
    f"{LIFESPAN}#startup-complete-send-event",
    "A server must wait for this message before it starts processing connections.",
)
@_well
def waits_for_startup(life: Life) -> Finding:
    """No request is handed over before."""
    complete = life.moment("complete")
    early = [entry for entry in life.requests if complete is None or entry.at_s < complete]
    return held(not early, "a request was handed over before the startup was complete")


@SUITE.check(
    "must",
    "once",
    f"{LIFESPAN}#lifespan-protocol",
    "Lifespans should be executed once per event loop that will be processing requests.",
)
@_well
def once(life: Life) -> Finding:
    """One lifespan a process."""
    pids = [entry.pid for entry in life.entries if entry.what == "complete"]
    return held(len(pids) == len(set(pids)), f"{len(pids)} lifespans in {len(set(pids))} processes")


@SUITE.check(
    "must",
    "state",
    _STATE,
    "The server will ensure that a shallow copy of the namespace "
    "is passed into each subsequent request/response call into the application.",
)
@_well
def state(life: Life) -> Finding:
    """What the startup left is there in requests."""
    found = next((entry.data for entry in life.entries if entry.what == "scope"), None)
    if found is None or "state" not in found:
        return not_offered("no state in the scope of the lifespan")
    states = [entry.data.get("state") for entry in life.requests if entry.data["type"] == "http"]
    lacking = [one for one in states if not isinstance(one, dict) or one.get("text") != "kept"]
    return held(not lacking, f"the state of a request is {lacking[:1]!r}")


@SUITE.check(
    "must",
    "state-copied",
    _STATE,
    "A shallow copy of the namespace is passed into each subsequent request/response call.",
)
@_well
def state_copied(life: Life) -> Finding:
    """What a request puts into its state isn't in the next one's, but within it things are shared.

    The script of `scope.own-scope` leaves a trace of both kinds.
    """
    states = [entry.data.get("state") for entry in life.requests]
    if not any(states):
        return not_offered("no state in requests")
    leaked = [one for one in states if one and "bench_trace" in one]
    return held(not leaked, f"a later request has what an earlier one set: {leaked[:1]!r}")


@SUITE.check(
    "must",
    "exception-continues",
    _SCOPE,
    "If an exception is raised when calling the "
    "application callable with a lifespan.startup message or a scope with type lifespan, "
    "the server must continue.",
)
@_raising
def exception_continues(life: Life) -> Finding:
    """An app that knows no lifespan is served."""
    return held(life.was_ready, f"it does not serve: {_last(life)}")


@SUITE.check(
    "must",
    "exception-silences",
    _SCOPE,
    "... the server must continue but not send any lifespan events.",
)
@_raising
def exception_silences(life: Life) -> Finding:
    """Such an app hears no more of it."""
    scopes = sum(entry.what == "scope" for entry in life.entries)
    pids = {entry.pid for entry in life.entries}
    events = [entry.data for entry in life.entries if entry.what == "receive"]
    if events:
        return no(f"the app received {events[0]!r}")
    return held(scopes <= len(pids), f"the app was called {scopes} times with a lifespan")


@SUITE.check(
    "should",
    "startup-failed-exits",
    _FAILED,
    "lifespan.startup.failed: if a server sees "
    "this it should log/print the message provided and then exit.",
)
@_startup_failed
def startup_failed_exits(life: Life) -> Finding:
    """A server whose app can't start ends."""
    if life.was_ready:
        return no("it serves requests")
    return held(not life.end.was_killed, "it neither serves nor ends")


@SUITE.check(
    "should",
    "startup-failed-is-told",
    _FAILED,
    "If a server sees this it should log/print the message provided and then exit.",
)
@_startup_failed
def startup_failed_is_told(life: Life) -> Finding:
    """The message is printed."""
    return held("the startup was told to fail" in life.log, f"it printed last: {_last(life)}")


@SUITE.check(
    "differs",
    "startup-failed-exit-code",
    _FAILED,
    "A server whose app can't start ends with an exit code that says so.",
)
@_startup_failed
def startup_failed_code(life: Life) -> Finding:
    """Whoever started it can tell."""
    return held(life.end.exit_code not in (0, None), f"its exit code is {life.end.exit_code}")


@SUITE.check(
    "must",
    "shutdown",
    _SHUTDOWN,
    "lifespan.shutdown: sent to the application when the "
    "server has stopped accepting connections and closed all active connections.",
)
@_shutdown_failed
def shutdown(life: Life) -> Finding:
    """The shutdown is run at SIGTERM."""
    came = life.moment("receive", "lifespan.shutdown")
    return held(came is not None, "the app never received lifespan.shutdown")


@SUITE.check(
    "must",
    "waits-for-shutdown",
    f"{LIFESPAN}#shutdown-complete-send-event",
    "A server must wait for this message before terminating.",
)
@_shutdown_failed
def waits_for_shutdown(life: Life) -> Finding:
    """The app is given the time to clean up."""
    if life.moment("receive", "lifespan.shutdown") is None:
        return cant_tell("the app never received lifespan.shutdown")
    return held(life.moment("cleaned") is not None, "it ended before the app had cleaned up")


@SUITE.check(
    "should",
    "shutdown-failed-is-told",
    f"{LIFESPAN}#shutdown-failed-send-event",
    "lifespan.shutdown.failed: if a server sees this it should log/print the message "
    "provided and then terminate.",
)
@_shutdown_failed
def shutdown_failed_is_told(life: Life) -> Finding:
    """The message is printed."""
    if life.moment("cleaned") is None:
        return cant_tell("the app never came to its shutdown")
    return held("the shutdown was told to fail" in life.log, f"it printed last: {_last(life)}")


@SUITE.check(
    "should",
    "shutdown-failed-ends",
    f"{LIFESPAN}#shutdown-failed-send-event",
    "... and then terminate.",
)
@_shutdown_failed
def shutdown_failed_ends(life: Life) -> Finding:
    """It ends all the same."""
    return held(not life.end.was_killed, "it had to be killed")
