"""The echo app, called as a server calls it."""

import asyncio
import runpy
from typing import Any

import pytest

from asgi_bench.definitions.folders import shipped_apps

APP: Any = runpy.run_path(str(shipped_apps() / "websocket_echo.py"))["app"]


async def _converse(*events: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    left = [{"type": "websocket.connect"}, *events, {"type": "websocket.disconnect", "code": 1000}]

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    await APP({"type": "websocket"}, receive, send)
    assert left == []
    return sent


def test_every_message_comes_back_as_it_came() -> None:
    """Text as text, bytes as bytes, whichever of both servers leave out; then the app ends."""
    sent = asyncio.run(
        _converse(
            {"type": "websocket.receive", "text": "hi"},
            {"type": "websocket.receive", "bytes": b"\xff", "text": None},
            {"type": "websocket.receive", "text": "", "bytes": None},
        )
    )
    assert sent == [
        {"type": "websocket.accept"},
        {"type": "websocket.send", "text": "hi"},
        {"type": "websocket.send", "bytes": b"\xff"},
        {"type": "websocket.send", "text": ""},
    ]


def test_other_scopes_are_refused() -> None:
    """The exception that makes servers go on without lifespan."""
    with pytest.raises(NotImplementedError, match="not lifespan"):
        asyncio.run(APP({"type": "lifespan"}, None, None))
