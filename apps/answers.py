"""Small answers that the app has to work for: from headers, as JSON, compressed."""

import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

USERS = 40
# What a page of an API holds: as JSON 3 KB, in gzip a fifth of that.
PAGE = [
    {"id": number, "name": f"user {number}", "email": f"user{number}@example.com", "active": True}
    for number in range(USERS)
]


async def headers(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with how many headers came, and the cookie among them."""
    _refuse_others(scope)
    await receive()
    found = scope["headers"]
    cookies = [value for name, value in found if name == b"cookie"]
    await _answer(send, b"text/plain", b"%d headers, %b" % (len(found), b"; ".join(cookies)))


async def json_object(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with a small object, serialized anew for each request."""
    _refuse_others(scope)
    await receive()
    body = json.dumps({"message": "Hello, world!", "path": scope["path"], "numbers": [1, 2, 3]})
    await _answer(send, b"application/json", body.encode())


async def compressed(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with a page of JSON, compressed anew for each request that accepts gzip."""
    _refuse_others(scope)
    await receive()
    body = json.dumps(PAGE).encode()
    accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
    if b"gzip" not in accepted:
        await _answer(send, b"application/json", body)
        return
    # Level 6 is what middleware for it takes by default.
    coded = gzip.compress(body, compresslevel=6, mtime=0)
    await _answer(send, b"application/json", coded, (b"content-encoding", b"gzip"))


def _refuse_others(scope: dict[str, Any]) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")


async def _answer(send: Send, kind: bytes, body: bytes, *extra: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    start = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(b"content-type", kind), length, *extra]})
    await send({"type": "http.response.body", "body": body})
