"""The smallest ASGI WebSocket application: it sends every message back as it came.

No framework: what it costs is what any application costs at least.
"""

from collections.abc import Awaitable, Callable
from typing import Any


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Accept, then echo until the client has gone; any scope but `websocket` is refused."""
    if scope["type"] != "websocket":
        raise NotImplementedError(f"this application speaks websocket, not {scope['type']}")
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        # Servers may leave the other kind out, or send it as None.
        if event.get("text") is not None:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})
