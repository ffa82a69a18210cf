import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "apps" / "proof"
SHOP = """
import asyncio


class Makers:
    async def app(scope, receive, send):
        assert scope["type"] == "lifespan"
        asyncio.get_running_loop().set_debug(True)
        await send({"type": "lifespan.startup.complete"})
"""
ASK = """
import asyncio, json
from asgi_bench_proof import app


async def main():
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    try:
        await app({"type": "lifespan"}, receive, send)
    except NotImplementedError as refusal:
        sent.append(str(refusal))
    await app({"type": "http", "asgi": {}}, receive, send)
    print(json.dumps([sent[0], json.loads(sent[-1]["body"])["debugging"]]))


asyncio.run(main())
"""


def _told(folder: Path, own: str | None) -> Any:
    """The first thing sent, and the modes for debugging that a request was told."""
    env = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{FOLDER}"}
    env.pop("ASGI_BENCH_PROVEN", None)
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=env if own is None else {**env, "ASGI_BENCH_PROVEN": own},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return json.loads(done.stdout)


def test_the_users_app_starts_and_the_probe_answers(tmp_path: Path) -> None:
    """Its lifespan runs, so that what it changes is told; a request never reaches it."""
    (tmp_path / "shop.py").write_text(SHOP)
    told = _told(tmp_path, "shop:Makers.app")
    assert told == [{"type": "lifespan.startup.complete"}, ["asyncio's debug mode"]]


def test_an_app_without_a_lifespan_has_none(tmp_path: Path) -> None:
    """As ASGI 2 has it, or with no app of the user's: the scope is refused, as by the probe."""
    (tmp_path / "old.py").write_text("def app(scope):\n    raise ValueError\n")
    for own in ("old:app", None):
        assert _told(tmp_path, own) == ["this application speaks http, not lifespan", []]
