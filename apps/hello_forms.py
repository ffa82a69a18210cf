"""`hello:app` in other forms: without its length, and as the double callable of ASGI 2."""

from collections.abc import Awaitable, Callable
from typing import Any

BODY = b"Hello, world!"
TYPE = (b"content-type", b"text/plain")


async def minimal(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer as `hello:app` does, but leave the framing to the server: no content-length."""
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [TYPE]})
    await send({"type": "http.response.body", "body": BODY})


class Double:
    """Answer as `hello:app` does, called twice: with the scope, then with the channels."""

    HEADERS = (TYPE, (b"content-length", str(len(BODY)).encode()))

    def __init__(self, scope: dict[str, Any]) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"this application speaks http, not {scope['type']}")

    async def __call__(
        self,
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer."""
        await receive()
        start = {"type": "http.response.start", "status": 200, "headers": list(self.HEADERS)}
        await send(start)
        await send({"type": "http.response.body", "body": BODY})
