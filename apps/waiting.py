"""Answers that the event loop waits for: a pause, a thread, what start-up left behind."""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

PAUSE_S = 0.01
BODY = b"Hello, world!"
# Work of some 10 us that releases the interpreter lock: what is measured is the way to a thread
# and back.
WORK = bytes(16 * 1024)


async def pause(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer after 10 ms in which there is nothing to do, as while a database works."""
    _refuse_others(scope)
    await receive()
    if (trio := _trio()) is not None:
        await trio.sleep(PAUSE_S)
    else:
        await asyncio.sleep(PAUSE_S)
    await _answer(send, BODY)


async def thread(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with a digest that a thread of the loop's own pool has made."""
    _refuse_others(scope)
    await receive()
    if (trio := _trio()) is not None:
        digest = await trio.to_thread.run_sync(_digest)
    else:
        digest = await asyncio.to_thread(_digest)
    await _answer(send, digest)


async def lifespan_state(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with what start-up put into the state that the server hands to each request."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["greeting"] = BODY
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    _refuse_others(scope)
    await receive()
    await _answer(send, scope["state"]["greeting"])


def _digest() -> bytes:
    return hashlib.sha256(WORK).hexdigest().encode()


def _trio() -> Any:
    """Trio, where a server runs the app on it: there asyncio's pauses and threads don't work."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


def _refuse_others(scope: dict[str, Any]) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
