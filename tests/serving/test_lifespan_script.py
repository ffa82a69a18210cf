"""Where the script says that a startup waits, called here as `python -c` calls it."""

import asyncio
import contextlib
import gc
import json
import os
import runpy
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from asgi_bench.serving.lifespan import SCRIPT

SECONDS = 0.25
# An app sets it when it waits: the script's thread looks then, and not by the clock.
WAITS = threading.Event()
LOOPS: list[asyncio.AbstractEventLoop] = []
RECEIVED: list[Any] = []

Look = Callable[[str], dict[str, Any] | None]


class Ended(SystemExit):
    """Stands for the end of the process."""


async def connect() -> None:
    """Wait, and let the script look as soon as the loop has nothing else to do."""
    LOOPS.append(asyncio.get_running_loop())
    LOOPS[-1].call_soon(WAITS.set)
    await asyncio.sleep(60)


class Connection:
    """Waits in a generator."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from connect().__await__()


@contextlib.asynccontextmanager
async def startup() -> AsyncIterator[None]:
    """Wait in a generator that only its context manager knows."""
    await connect()
    yield


async def steps() -> AsyncIterator[None]:
    """Wait in a generator that nobody knows."""
    await connect()
    yield


class Apps:
    """Applications that the script finds by their dotted name."""

    @staticmethod
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        """Wait after the event."""
        await receive()
        await connect()

    @staticmethod
    async def manages(scope: Any, receive: Any, send: Any) -> None:
        """Wait in a context manager."""
        async with startup():
            pass

    @staticmethod
    async def iterates(scope: Any, receive: Any, send: Any) -> None:
        """Wait in a loop."""
        async for _ in steps():
            pass

    @staticmethod
    async def awaits(scope: Any, receive: Any, send: Any) -> None:
        """Wait in an object."""
        await Connection()

    @staticmethod
    def old(scope: Any) -> Any:
        """Wait as an app of ASGI 2."""

        async def run(receive: Any, send: Any) -> None:
            await connect()

        return run

    @staticmethod
    async def completes(scope: Any, receive: Any, send: Any) -> None:
        """Look what there is to receive."""
        RECEIVED.append(scope["type"])
        RECEIVED.append(await receive())
        more = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        RECEIVED.append(more.done())
        await send({"type": "lifespan.startup.complete"})
        await more

    @staticmethod
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        """Fail."""
        raise RuntimeError("no database")

    @staticmethod
    async def returns(scope: Any, receive: Any, send: Any) -> None:
        """Leave lifespan to others."""


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Runs the script on an app, up to where it would end its process; what it has written."""
    result = tmp_path / "result"
    over = threading.Event()

    def end(code: int) -> None:
        if threading.current_thread() is threading.main_thread():
            raise Ended(code)
        if not over.is_set():
            LOOPS[-1].call_soon_threadsafe(end, code)

    def wait(seconds: float) -> None:
        assert seconds == SECONDS
        WAITS.wait(30)

    def run(app: str) -> dict[str, Any] | None:
        WAITS.clear()
        argv = ["-c", f"{__name__}:Apps.{app}", str(result), str(SECONDS)]
        monkeypatch.setattr(sys, "argv", argv)
        before = set(threading.enumerate())
        with pytest.raises(Ended):
            runpy.run_path(str(SCRIPT), run_name="asgi_bench.serving.lifespan_script")
        told = json.loads(result.read_text()) if result.exists() else None
        over.set()
        WAITS.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
            assert not thread.is_alive()
        # What a task raised is logged when it goes: not in the midst of another test.
        gc.collect()
        return told

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(time, "sleep", wait)
    return run


@pytest.mark.parametrize(
    ("app", "name", "line"),
    [
        ("waits", "connect", "await asyncio.sleep(60)"),
        ("manages", "connect", "await asyncio.sleep(60)"),
        ("old", "connect", "await asyncio.sleep(60)"),
        ("awaits", "__await__", "yield from connect().__await__()"),
        ("iterates", "iterates", "async for _ in steps():"),
    ],
)
def test_the_innermost_place_that_can_be_known_is_told(
    look: Look, app: str, name: str, line: str
) -> None:
    """Through calls, context managers and generators, down to the last of the user's own lines."""
    told = look(app)
    assert told is not None
    assert (told["file"], told["name"]) == (__file__, name)
    assert Path(__file__).read_text().splitlines()[told["line"] - 1].strip() == line


@pytest.mark.parametrize("app", ["completes", "fails", "returns"])
def test_what_ends_is_told_by_nothing(look: Look, app: str) -> None:
    """A startup that is answered, fails or is left out doesn't wait."""
    assert look(app) is None


def test_an_app_gets_its_startup_alone(look: Look) -> None:
    """One event, and nothing more as long as the app lives."""
    RECEIVED.clear()
    look("completes")
    assert RECEIVED == ["lifespan", {"type": "lifespan.startup"}, False]
