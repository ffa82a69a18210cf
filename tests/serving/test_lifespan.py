"""Whether an app's startup holds up its server, and where."""

import sys
from pathlib import Path

import pytest

from asgi_bench.model import Cell, ClosedLoop, PlannedCell
from asgi_bench.serving import lifespan
from asgi_bench.serving.lifespan import startup_wait
from tests.situation import Said, situation

APPS = """
import asyncio, contextlib, time

async def connect():
    await asyncio.sleep(60)  # connect

async def waits(scope, receive, send):
    await receive()
    await connect()

async def blocks(scope, receive, send):
    time.sleep(60)  # blocks

@contextlib.asynccontextmanager
async def startup():
    await connect()
    yield

async def manages(scope, receive, send):
    async with startup():
        pass

def old(scope):
    async def run(receive, send):
        await connect()
    return run

async def completes(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()

async def fails(scope, receive, send):
    raise RuntimeError("no database")
"""
LINES = {line.partition("# ")[2]: n for n, line in enumerate(APPS.splitlines(), 1) if "# " in line}


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlannedCell:
    """A cell whose servers find the apps above; they are asked for a short time."""
    monkeypatch.setattr(lifespan, "PATIENCE_S", 0.3)
    (tmp_path / "it.py").write_text(APPS)
    cell = Cell("fake", "default", 1, "it", ClosedLoop(1))
    return PlannedCell(cell, command=(sys.executable, "-m", "fake"), working_dir=str(tmp_path))


@situation(
    "reasons",
    "The app's startup waits for ever: servers neither listen nor say why",
    says="the app's lifespan startup doesn't complete: run on its own it is still waiting after "
    "… s, in connect (…/it.py:5)",
)
def test_where_a_startup_waits_is_told(planned: PlannedCell, said: Said) -> None:
    """The innermost place in the user's own files, with its function."""
    said(startup_wait(planned, "it:waits") or "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "place"),
    [("blocks", "blocks"), ("manages", "connect"), ("old", "connect")],
)
def test_it_may_wait_in_any_way(planned: PlannedCell, app: str, place: str) -> None:
    """In a call that holds up the loop, in a context manager, in an app of ASGI 2."""
    told = startup_wait(planned, f"it:{app}")
    assert told is not None
    assert told.endswith(f", in {place} ({planned.working_dir}/it.py:{LINES[place]})")


@pytest.mark.slow
@pytest.mark.parametrize("app", ["completes", "fails", "missing"])
def test_what_ends_is_not_waited_for(planned: PlannedCell, app: str) -> None:
    """A startup that completes or fails, and an app that isn't there, are no wait."""
    assert startup_wait(planned, f"it:{app}") is None


def test_a_server_of_another_language_has_no_app_to_ask(planned: PlannedCell) -> None:
    """Where no Python is started, nothing is."""
    nginx = PlannedCell(planned.cell, command=("/usr/sbin/nginx",))
    assert startup_wait(nginx, "it:waits") is None
