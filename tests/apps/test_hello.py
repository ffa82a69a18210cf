import asyncio
import runpy
from typing import Any

import pytest

from asgi_bench.definitions.folders import shipped_apps

# By its path, as the servers find it: the folder is no package.
app = runpy.run_path(str(shipped_apps() / "hello.py"))["app"]


async def _converse(scope: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Call the app as a server does; return what it sent, and how often it received."""
    sent: list[dict[str, Any]] = []
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent, received


def test_answers_with_a_length_and_a_body() -> None:
    """The answer is a start with status, type and length, then the body of that length."""
    (start, body), received = asyncio.run(_converse({"type": "http"}))
    assert received == 1
    assert start["type"] == "http.response.start"
    assert start["status"] == 200
    assert dict(start["headers"]) == {b"content-type": b"text/plain", b"content-length": b"13"}
    assert body["type"] == "http.response.body"
    assert body["body"] == b"Hello, world!"
    assert not body.get("more_body", False)


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "webtransport"])
def test_refuses_scopes_it_does_not_speak(kind: str) -> None:
    """Any other scope raises before anything is received or sent, as the specification asks."""
    with pytest.raises(NotImplementedError, match=kind):
        asyncio.run(_converse({"type": kind}))
