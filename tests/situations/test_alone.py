"""One bad thing costs itself alone: whole commands."""

from pathlib import Path

import pytest

from tests.command_line import in_process
from tests.situation import Said, situation

NEEDS_LIFESPAN = """
POOL = {}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        POOL["ready"] = b"Hello"
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = POOL["ready"]
    head = {"type": "http.response.start", "status": 200}
    await send(head | {"headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.slow
@situation(
    "alone",
    "Your app needs its start-up, and one of the servers never runs it",
    says="failed daphne/default/w1/required: answered status 500, expected 200… (daphne has no "
    "lifespan: it never runs the app's start-up)",
)
def test_a_server_without_lifespan_fails_alone(said: Said, tmp_path: Path) -> None:
    """The other servers are checked with the answer that they give."""
    (tmp_path / "required.py").write_text(NEEDS_LIFESPAN)
    finished = in_process(
        *("check", "required:app", "-s", "daphne", "-s", "granian", "--variant", "default"),
        *("-w", "1"),
        folder=tmp_path,
    )
    said(finished.stdout)
    assert "ok       granian/default/w1/required" in finished.stdout
    assert finished.code == 1
