"""`--explain` on a real server: which Python functions a request calls, exactly."""

from pathlib import Path

import msgspec
import pytest

from asgi_bench.counting import run
from asgi_bench.counting.backends.monitoring import Monitoring
from asgi_bench.model.counts import CountsReport
from tests.command_line import in_process

SHOP = """
import os

async def app(scope, receive, send):
    assert scope["type"] == "http"
    for _ in range(3):
        work()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})

def work():
    os.stat("/")
"""


@pytest.mark.slow
def test_calls_per_request_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an app calls three times for each request is told as three, in all workers together."""
    (tmp_path / "shop.py").write_text(SHOP)
    # What judges, and valgrind, have tests of their own.
    monkeypatch.setattr(run, "passes", lambda *_, **__: (run.Pass(Monitoring(), 0),))
    monkeypatch.setattr(run, "MORE_ANSWERS", 300)
    done = in_process(
        *("count", "shop:app", "-s", "uvicorn", "-w", "1,2", "--explain", "--rounds", "1"),
        *("-o", "kept", "--format", "json"),
        folder=tmp_path,
    )
    assert done.code == 0, done.stderr
    report = msgspec.json.decode(done.stdout, type=CountsReport)
    assert len(report.cells) == 2
    for cell in report.cells:
        (figures,) = cell.figures
        assert (figures.counter, figures.backend) == ("python_calls", "monitoring")
        calls = figures.parts["python_function"]
        assert calls["shop.app"] == 1
        assert calls["shop.work"] == 3
        assert calls["posix.stat"] == pytest.approx(3, abs=0.1)
