"""The smallest ASGI 3 application: no framework, one plain-text answer to every HTTP request.

What it costs is what any application costs at least, so the servers' own work is what shows.
"""

from collections.abc import Awaitable, Callable
from typing import Any

BODY = b"Hello, world!"

# The content length is stated, else the servers would frame the answer in different ways:
# some would send chunks, others would close the connection.
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer `Hello, world!`; any scope but `http` is refused with an exception.

    The ASGI specification asks for the exception: a server then goes on without lifespan events
    (https://asgi.readthedocs.io/en/stable/specs/lifespan.html).
    """
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
