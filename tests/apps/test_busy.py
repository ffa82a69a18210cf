import os
import subprocess
import sys

from asgi_bench.definitions.folders import shipped_apps

_ASK = """
import asyncio, busy
sent = []
async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}
async def send(message):
    sent.append(message)
asyncio.run(busy.app({"type": "http"}, receive, send))
print(busy.TURNS, sent[0]["status"], sent[1]["body"].decode())
"""


def _ask(**variables: str) -> str:
    """What the app answers in a process of its own, where the servers' variables are set."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK],
        cwd=shipped_apps(),
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


def test_it_answers_as_hello_does_after_its_turns() -> None:
    """The answer is that of `hello:app`, whatever work is injected before it."""
    assert _ask(ASGI_BENCH_BUSY_TURNS="000250") == "250 200 Hello, world!"
    assert _ask() == "0 200 Hello, world!"
