"""`hello:app` after so many turns of an empty loop, to be a known amount slower than it."""

import os
from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Any

# It lies beside this file, where only the servers look for modules.
from hello import app as hello  # type: ignore[import-not-found]

TURNS_VARIABLE = "ASGI_BENCH_BUSY_TURNS"
TURNS = int(os.environ.get(TURNS_VARIABLE, "0"))


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Turn the loop, then answer as `hello:app` does."""
    # Not a range: its numbers cost more from 257 on, where CPython has none ready.
    for _ in repeat(None, TURNS):
        pass
    await hello(scope, receive, send)
