"""Stopping a server that is in use: what becomes of its connections."""

import time
from collections.abc import Callable
from contextlib import ExitStack

from asgi_bench.conformance.clients.http1 import read_answer
from asgi_bench.conformance.clients.peer import Peer
from asgi_bench.conformance.clients.websocket import TEXT, Socket, frame
from asgi_bench.conformance.findings import Finding, Unanswered, held, not_offered
from asgi_bench.conformance.journal import Entry
from asgi_bench.conformance.start import Start, body_of, start_of

# What is at work is let on then; some servers give it 3 s (their runner files say so).
_AT_WORK_S = 1.0
_POLL_S = 0.05
# Who serves on has answered by then.
_ANSWER_S = 0.5
_GOING_AWAY = (1001, 1012)


def drain(start: Start, stop: Callable[[], None]) -> tuple[dict[str, Finding], str]:
    """Stop a server in use; returns what was found, and the token of what was running."""
    working = start.request(["read"], ["gate"], start_of(length=2), body_of("ok"))
    with ExitStack() as stack:
        at_work = stack.enter_context(start.open())
        idle = stack.enter_context(start.open())
        at_work.send(working.data)
        start.awaited(working.token, "receive")
        idle.send(start.request().data)
        is_kept = not read_answer(idle).closes
        talking = _talking(start, stack)
        stop()
        refuses = _refuses(start, _AT_WORK_S)
        start.journal.let_on(working.token)
        found = {
            "in-flight": _answered(at_work),
            "refuses-new": held(refuses, f"{_AT_WORK_S:g} s later it still answers new requests"),
        }
        if is_kept:
            closed = idle.is_closed_within(start.patience.answer_s)
            found["idle"] = held(closed, f"after {start.patience.answer_s:g} s it is still open")
        found |= _left(start, talking)
        return found, working.token


def _talking(start: Start, stack: ExitStack) -> Socket | None:
    """A WebSocket on which the app waits for the next message."""
    if "websocket" not in start.features:
        return None
    socket = stack.enter_context(Socket(start))
    socket.send(frame(TEXT, b"hello"))
    socket.message()
    return socket


def _left(start: Start, socket: Socket | None) -> dict[str, Finding]:
    """What a WebSocket's ends hear of the stop."""
    if socket is None:
        none = not_offered("its runner file states no WebSocket")
        return {"websocket-code": none, "websocket-disconnect": none}
    try:
        code = socket.closing().code
        told = held(code in _GOING_AWAY, f"it closes with code {code}")
    except Unanswered as fault:
        told = Finding("no", str(fault))
    socket.peer.close()
    try:
        start.awaited(socket.token, "receive", type="websocket.disconnect")
        heard = held(True, "")
    except Unanswered as fault:
        heard = Finding("no", str(fault))
    return {"websocket-code": told, "websocket-disconnect": heard}


def done_at_s(entries: list[Entry]) -> float | None:
    """When a script ended; None if it never did."""
    return next((entry.at_s for entry in entries if entry.what == "done"), None)


def _answered(peer: Peer) -> Finding:
    try:
        answer = read_answer(peer)
    except Unanswered as fault:
        return Finding("no", f"the request that was at work: {fault}")
    return held((answer.status, answer.body) == (200, b"ok"), answer.told)


def _refuses(start: Start, within_s: float) -> bool:
    """Whether requests on new connections are no longer answered within this time.

    Two in succession must be refused: a server that hangs for a moment on a busy machine isn't
    one that refuses.
    """
    end_s = time.monotonic() + within_s
    refused = 0
    while refused < 2:
        is_last = time.monotonic() >= end_s
        if not _answers(start):
            refused += 1
        elif is_last:
            return False
        else:
            refused = 0
        time.sleep(_POLL_S)
    return True


def _answers(start: Start) -> bool:
    """Whether a request on a new connection is answered, at once or not.

    The kernel may still take connections for whoever holds the socket.
    """
    try:
        with Peer(start.endpoint, _ANSWER_S) as peer:
            peer.send(start.request().data)
            peer.read_some()
            return bool(peer.came)
    except Unanswered:
        return False
