"""An app as small as `hello:app` that does for each request what a variable says, once more.

`none` does nothing, `stat` asks the kernel for a file, `wait` sleeps 0.2 ms.
"""

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

CHANGE_VARIABLE = "ASGI_BENCH_CHANGE"
CHANGES: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "stat": lambda: os.stat("/"),  # noqa: PTH116  (one call, and no more)
    "wait": lambda: time.sleep(0.0002),
}
change = CHANGES[os.environ.get(CHANGE_VARIABLE, "none")]
BODY = b"Hello, world!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Do what the variable says, then answer as `hello:app` does."""
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")
    change()
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
