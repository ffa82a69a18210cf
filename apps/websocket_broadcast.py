"""Rooms over WebSocket: what one connection sends, all connections to the same path receive.

No framework. A room lies within a worker, which sends to one connection after the other.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]
ROOMS: "defaultdict[str, set[Send]]" = defaultdict(set)


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send
) -> None:
    """Accept, enter the room, pass every message on to all; other scopes are refused."""
    if scope["type"] != "websocket":
        raise NotImplementedError(f"this application speaks websocket, not {scope['type']}")
    await receive()
    await send({"type": "websocket.accept"})
    room = ROOMS[scope["path"]]
    room.add(send)
    try:
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            message = {"type": "websocket.send", "text": event["text"]}
            for each in tuple(room):
                await each(message)
    finally:
        room.discard(send)
        if not room:
            ROOMS.pop(scope["path"], None)
