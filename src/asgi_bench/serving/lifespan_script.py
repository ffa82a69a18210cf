"""Starts an application's lifespan and reports where it waits; run by the servers' interpreter.

    python -c SOURCE module:attribute RESULT SECONDS

Its source is passed as text, so that the module path begins with the current folder, as it does for
`python -m SERVER`. It only needs the standard library of Python 3.9 or newer. RESULT is only
written if the startup has not ended within SECONDS: as JSON, the place where it waits.
"""

import asyncio
import importlib
import inspect
import json
import operator
import os
import sys
import threading
import time
from types import FrameType
from typing import Any

LIBRARY = os.path.dirname(os.__file__)  # noqa: PTH120  (less to import)
SCOPE = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
tasks: "list[Any]" = []


def tell() -> None:
    """Write where the application waits, and end at once."""
    time.sleep(float(sys.argv[3]))
    frames = [frame for frame in (*_running(), *_awaiting()) if _is_own(frame)]
    place = {}
    if frames:
        code = frames[-1].f_code
        place = {"file": code.co_filename, "line": frames[-1].f_lineno, "name": code.co_name}
    with open(sys.argv[2], "w", encoding="utf-8") as result:  # noqa: PTH123  (less to import)
        json.dump(place, result)
    os._exit(0)


def _running() -> "list[FrameType]":
    """The frames of the main thread, the outermost first: an app may hold up the loop itself."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    frames: list[FrameType] = []
    while frame is not None:
        frames.insert(0, frame)
        frame = frame.f_back
    return frames


def _awaiting() -> "list[FrameType]":
    """The frames of what the application's task awaits, the outermost first."""
    frames: list[FrameType] = []
    waiting = tasks[0].get_coro() if tasks else None
    while waiting is not None:
        frame = _first_of(waiting, ("cr_frame", "gi_frame", "ag_frame"))
        if frame is not None:
            frames.append(frame)
        inner = _first_of(waiting, ("cr_await", "gi_yieldfrom", "ag_await"))
        if inner is not None and type(inner).__name__ == "async_generator_asend" and frame:
            # It tells nothing of its generator; the context manager that called it does.
            inner = getattr(frame.f_locals.get("self"), "gen", None)
        waiting = inner
    return frames


def _first_of(holder: Any, names: "tuple[str, ...]") -> Any:
    return next((found for name in names if (found := getattr(holder, name, None))), None)


def _is_own(frame: FrameType) -> bool:
    """Whether a frame is neither this script's nor a library's."""
    name = frame.f_code.co_filename
    return not name.startswith(("<", LIBRARY)) and "site-packages" not in name


async def start(app: Any) -> None:
    """Send the application its startup, until it has reported the result."""
    answered = asyncio.Event()
    events = [{"type": "lifespan.startup"}]

    async def receive() -> "dict[str, Any]":
        if not events:
            await asyncio.Event().wait()
        return events.pop()

    async def send(message: "dict[str, Any]") -> None:
        answered.set()

    async def call() -> None:
        try:
            if len(inspect.signature(app).parameters) == 1:
                await app(SCOPE)(receive, send)
            else:
                await app(SCOPE, receive, send)
        finally:
            answered.set()

    tasks.append(asyncio.ensure_future(call()))
    await answered.wait()
    os._exit(0)


def main() -> None:
    """Import, start, and look after some seconds."""
    module, _, attribute = sys.argv[1].partition(":")
    app = operator.attrgetter(attribute)(importlib.import_module(module))
    threading.Thread(target=tell, daemon=True).start()
    asyncio.run(start(app))


main()
