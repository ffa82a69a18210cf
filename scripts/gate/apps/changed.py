"""An app as small as `hello:app` that does for each request what a variable says.

`none` does nothing, `stat` asks the kernel for a file, `near` and `far` read the same number of
bytes by the same instructions, from one page of memory or from all over 128 MiB.
"""

from __future__ import annotations

import os
import random
from array import array
from collections.abc import Awaitable, Callable
from itertools import cycle
from typing import Any

CHANGE_VARIABLE = "ASGI_BENCH_CHANGE"
CHANGE = os.environ.get(CHANGE_VARIABLE, "none")
READS, PLACES = 300, 2**20
FAR_BYTES = 2**27
# Of a place as 4 bytes, the lowest first: which bits are drawn, and which are set. No place is so
# small that CPython has its number ready.
DRAWN = {"near": b"\xff\x0f\x00\x00", "far": b"\xff\xff\xff\x07"}
SET = b"\x00\x10\x00\x00"
BODY = b"Hello, world!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]


def draw(drawn: bytes) -> array[int]:
    """Draw places, the same for the same bits; as one large number, for that is fast."""
    number, bits, least = (
        int.from_bytes(content, "little")
        for content in (random.Random(1).randbytes(4 * PLACES), drawn * PLACES, SET * PLACES)
    )
    return array("I", (number & bits | least).to_bytes(4 * PLACES, "little"))


places = draw(DRAWN[CHANGE]) if CHANGE in DRAWN else array("I")
# Filled, for untouched memory is one and the same page of zeros.
data = b"\x01" * FAR_BYTES if CHANGE in DRAWN else b""
starts = cycle(range(0, PLACES - READS, READS))


def read() -> None:
    """Read the bytes at the next places: none that is read again soon."""
    start = next(starts)
    for place in places[start : start + READS]:
        data[place]


CHANGES: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "stat": lambda: os.stat("/"),  # noqa: PTH116  (one call, and no more)
    "near": read,
    "far": read,
}
change = CHANGES[CHANGE]


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
