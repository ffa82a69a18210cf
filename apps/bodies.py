"""Bodies of many bytes, both ways: echoed, uploaded, downloaded, sent from a file by the server.

All of them are numbered lines, so that a line lost, doubled or moved on its way shows.
"""

import tempfile
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeAlias

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

LINE_BYTES = 8
UPLOAD = 1024 * 1024


@cache
def lines(size: int) -> bytes:
    """Return a body of that size: lines of seven digits that count from 0, the last one cut."""
    return b"".join(b"%07d\n" % number for number in range(-(-size // LINE_BYTES)))[:size]


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with the body that came."""
    _refuse_others(scope)
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    await _answer(send, 200, b"".join(pieces))


async def upload(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Compare what comes with what has to come, piece by piece, and answer with its size.

    To compare is one pass over the bytes in C, little beside what a server does with them.
    """
    _refuse_others(scope)
    expected, size, right, more = lines(UPLOAD), 0, True, True
    while more:
        message = await receive()
        piece = message.get("body", b"")
        right = right and expected.startswith(piece, size)
        size += len(piece)
        more = message.get("more_body", False)
    if right and size == UPLOAD:
        await _answer(send, 200, b"%d bytes" % size)
    else:
        await _answer(send, 422, b"%d bytes, not those that were sent" % size)


async def download(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with as many bytes as the path says, in one message."""
    _refuse_others(scope)
    await receive()
    await _answer(send, 200, lines(int(scope["path"].rpartition("/")[2])))


@cache
def file_of(size: int) -> str:
    """Return the path of a file with such a body, made once in each process."""
    # It is to outlive this function, and goes with the process.
    file = tempfile.NamedTemporaryFile(prefix="asgi-bench-")  # noqa: SIM115
    file.write(lines(size))
    file.flush()
    _FILES.append(file)
    return file.name


_FILES: list[Any] = []


async def pathsend(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer with a file that the server sends itself (extension `http.response.pathsend`)."""
    _refuse_others(scope)
    await receive()
    if "http.response.pathsend" not in scope.get("extensions", {}):
        await _answer(send, 501, b"this server does not offer http.response.pathsend")
        return
    size = int(scope["path"].rpartition("/")[2])
    await send({"type": "http.response.start", "status": 200, "headers": _headers(size)})
    await send({"type": "http.response.pathsend", "path": file_of(size)})


def _refuse_others(scope: dict[str, Any]) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(f"this application speaks http, not {scope['type']}")


def _headers(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"text/plain"), (b"content-length", b"%d" % size)]


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = _headers(len(body))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
