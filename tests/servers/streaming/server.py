"""Uvicorn, with an app around the app.

    python server.py APP PORT heavy|deaf

A `heavy` app holds 4 MiB for each request. A `deaf` one is never told that its clients leave.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import uvicorn
from uvicorn.importer import import_from_string

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

HELD_BYTES = 4 * 1024 * 1024


def deaf(app: App) -> App:
    """What the server says of clients that left doesn't reach the app."""

    async def around(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        async def hear() -> dict[str, Any]:
            message = await receive()
            if message["type"] == "http.disconnect":
                await asyncio.Event().wait()
            return message

        async def say(message: dict[str, Any]) -> None:
            with suppress(OSError):
                await send(message)

        await app(scope, hear, say)

    return around


def heavy(app: App) -> App:
    """Each request holds memory of its own, every page of it written."""

    async def around(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        held = bytearray(b"x") * HELD_BYTES
        await app(scope, receive, send)
        del held

    return around


def main() -> None:
    """Serve until stopped; an app that goes on is not waited for."""
    name, port, kind = sys.argv[1:]
    app = import_from_string(name)
    around = {"deaf": deaf, "heavy": heavy}[kind]
    uvicorn.run(
        around(app),
        host="127.0.0.1",
        port=int(port),
        log_level="error",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
