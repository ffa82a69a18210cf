"""Answers in parts: many chunks at once, and events that go on until the client leaves."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeAlias

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

CHUNKS = 64
CHUNK_BYTES = 1024
LINE_BYTES = 8
EVENT_S = 0.05
RUNNING_PATH = "/running"

# How many event streams this process runs: those whose client's leaving nobody told us of, too.
running = 0


@cache
def chunks() -> list[bytes]:
    """The chunks of an answer of numbered lines."""
    lines = b"".join(b"%07d\n" % number for number in range(CHUNKS * CHUNK_BYTES // LINE_BYTES))
    return [lines[at : at + CHUNK_BYTES] for at in range(0, len(lines), CHUNK_BYTES)]


async def stream(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer in chunks, one message each, as fast as the server takes them."""
    _refuse_others(scope)
    await receive()
    await _start(send, b"text/plain")
    for chunk in chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def events(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send an event every 50 ms until the client has gone; `/running` tells how many do that."""
    global running
    _refuse_others(scope)
    await receive()
    if scope["path"] == RUNNING_PATH:
        await _tell_running(send)
        return
    running += 1
    try:
        await _events(receive, send)
    finally:
        running -= 1


async def _events(receive: Receive, send: Send) -> None:
    """Send events until `http.disconnect`, which a task waits for as frameworks have it.

    A server may also raise OSError where something is sent then (ASGI 2.4).
    """
    if (trio := _trio()) is not None:
        await _on_trio(trio, receive, send)
        return
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await _start(send, b"text/event-stream")
        number = 0
        while not gone.done():
            await send(_event(number))
            number += 1
            await asyncio.wait([gone], timeout=EVENT_S)
    except OSError:
        pass
    finally:
        gone.cancel()


async def _tell_running(send: Send) -> None:
    """Answer for this process alone: with several workers each has to be asked."""
    body = json.dumps({"pid": os.getpid(), "streams": running}).encode()
    await _start(send, b"application/json")
    await send({"type": "http.response.body", "body": body})


async def _on_trio(trio: Any, receive: Receive, send: Send) -> None:
    """The same with trio's tasks."""
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await _disconnect(receive)
            nursery.cancel_scope.cancel()

        nursery.start_soon(end)
        await _start(send, b"text/event-stream")
        number = 0
        while True:
            await send(_event(number))
            number += 1
            await trio.sleep(EVENT_S)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(number: int) -> dict[str, Any]:
    return {"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True}


def _trio() -> Any:
    """Trio, where a server runs the app on it: there asyncio's pauses and tasks don't work."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


def _refuse_others(scope: dict[str, Any]) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")


async def _start(send: Send, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
