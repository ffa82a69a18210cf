"""An app of one's own under several weighted requests."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_bench.model import RESPONSE_TIME, ErrorCounts, Trial
from tests.command_line import Finished, in_process

pytestmark = pytest.mark.slow

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    message = await receive()
    status = 201 if scope["method"] == "POST" else 200
    body = b"no such item" if scope["path"] == "/gone" else scope["path"].encode() + message["body"]
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
REQUESTS = """
[list]
path = "/items"
weight = 6

[order]
method = "POST"
path = "/orders"
body = "x"
weight = 3

[gone]
path = "/gone"
expect_status = 404
"""
WEIGHTS = {"list": 0.6, "order": 0.3, "gone": 0.1}
UVICORN = ("-s", "uvicorn", "--variant", "default", "-w", "1", "--rounds", "1")


def run(folder: Path, *args: str) -> Finished:
    """A run of the app above."""
    (folder / "shop.py").write_text(APP)
    (folder / "requests.toml").write_text(REQUESTS)
    return in_process("run", "shop:app", "--requests", "requests.toml", *args, folder=folder)


def assert_parted(trial: Trial) -> None:
    """The counts by request add up to the trial's; each answer was held to its own request."""
    assert [each.name for each in trial.by_request] == list(WEIGHTS)
    sent = sum(piece.sent for piece in trial.slices)
    assert sum(each.sent for each in trial.by_request) == sent
    assert sum(each.requests for each in trial.by_request) == trial.requests
    errors = sum((each.errors for each in trial.by_request), start=ErrorCounts())
    assert errors == trial.errors
    for each in trial.by_request:
        # Within two of each block of 64, and of each slice's last.
        blocks = sent / 64 + len(trial.slices)
        assert abs(each.sent - WEIGHTS[each.name] * sent) < 2 * blocks
        if each.name == "gone":
            assert (each.requests, each.errors.status) == (0, each.sent)
        else:
            assert each.requests == each.sent
            assert each.response_bytes is not None


def assert_reported(finished: Finished, cells: Sequence[str]) -> None:
    """Each cell's table has the requests below it, in the report's JSON too."""
    printed = in_process("report", "--format", "json", folder=finished.folder).stdout
    report = json.loads(printed)
    entries = {each["cell"]: each for each in (*report["cells"], *report["sweeps"])}
    assert sorted(entries) == sorted(cells)
    for entry in entries.values():
        parts = entry["by_request"]
        assert [(part["name"], part["share"]) for part in parts] == list(WEIGHTS.items())
        assert [part["method"] for part in parts] == ["GET", "POST", "GET"]
        assert sum(part["requests"] for part in parts) == entry["requests"]
        assert parts[2]["errors"]["status"] == parts[2]["sent"]


def test_an_app_is_loaded_with_several_requests(tmp_path: Path) -> None:
    """Counts, errors and times by request stand beside the cell's own."""
    finished = run(tmp_path, *UVICORN, "--duration", "200ms", "-c", "8")
    (trial,) = finished.run.trials
    assert_parted(trial)
    assert all(each.times_hdr.get(RESPONSE_TIME) for each in trial.by_request[:2])
    assert_reported(finished, ["uvicorn/default/w1/shop/c8"])
    assert "GET /items of list returns 200" in finished.stderr
    (scenario,) = finished.run.header.preparation.scenarios
    assert (scenario.path, scenario.expect_body) == ("/items", "/items")


@pytest.mark.slow
def test_every_load_draws_from_the_requests(tmp_path: Path) -> None:
    """Closed and open loops and a sweep, with two load processes that share them."""
    finished = run(
        tmp_path,
        *UVICORN,
        *("--duration", "300ms", "-c", "8", "-r", "500", "--closed", "--sweep"),
        *("--load-processes", "2"),
    )
    trials = {trial.cell: trial for trial in finished.run.trials}
    for trial in trials.values():
        assert_parted(trial)
    assert_reported(finished, list(trials))
    sweep = trials["uvicorn/default/w1/shop/sweep"]
    assert not any(each.times_hdr.get(RESPONSE_TIME) for each in sweep.by_request)
