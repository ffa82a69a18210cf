"""Every shipped scenario's app, called as a server calls it, gives the answer of its stanza."""

import asyncio
import runpy
from typing import Any

import pytest

from asgi_bench.definitions.folders import shipped_apps
from asgi_bench.definitions.scenarios import load_scenarios
from asgi_bench.model import Coding, Scenario
from asgi_bench.model.request import numbered_lines
from asgi_bench.wire.http1 import Response

SCENARIOS = load_scenarios(shipped_apps() / "scenarios.toml")
PIECE_BYTES = 65536
# What only a server can do is not asked of the apps here.
CALLED = [
    name
    for name, scenario in SCENARIOS.items()
    if not scenario.requires
    and not {"pathsend", "lifespan-state", "websocket", "wsgi", "rsgi"}.intersection(scenario.needs)
]


def _app(scenario: Scenario) -> Any:
    """By its path, as the servers find it: the folder is no package."""
    module, _, attribute = scenario.app.partition(":")
    return runpy.run_path(str(shipped_apps() / f"{module}.py"))[attribute]


async def _answered(scenario: Scenario) -> Response:
    """Call the app as a server does, the request's body in pieces."""
    headers = {"host": "127.0.0.1", **scenario.headers}
    scope = {
        "type": "http",
        "path": scenario.path,
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }
    content = scenario.content
    pieces = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)] or [b""]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            # The client leaves, after as many events as it wants.
            stream = scenario.stream
            while len(sent) <= (stream.leave_after or 0 if stream else 0):
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}
        body = pieces.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app = _app(scenario)
    if "EVENT_S" in getattr(app, "__globals__", {}):
        app.__globals__["EVENT_S"] = 0.001
    if "asgi2" in scenario.needs:
        await app(scope)(receive, send)
    else:
        await app(scope, receive, send)
    start, *rest = sent
    head = b"HTTP/1.1 200 OK\r\n"
    head += b"".join(b"%b: %b\r\n" % field for field in start["headers"])
    body = b"".join(message.get("body", b"") for message in rest)
    return Response(start["status"], body, len(body), closes=False, head=head)


@pytest.mark.parametrize("name", CALLED)
def test_the_app_gives_the_answer_of_its_stanza(name: str) -> None:
    """Status and body, without its coding, are what alone counts as correct."""
    scenario = SCENARIOS[name]
    response = asyncio.run(_answered(scenario))
    body = response.body_without(scenario.expect_coding)
    assert response.status == scenario.expect_status
    assert body is not None
    assert scenario.accepts(body)


def test_the_wsgi_app_answers_as_its_stanza_says() -> None:
    """Its status, headers and body are those of `hello`."""
    scenario = SCENARIOS["hello-wsgi"]
    told: list[Any] = []
    body = b"".join(_app(scenario)({}, lambda *start: told.append(start)))
    ((status, headers),) = told
    assert status == "200 OK"
    assert scenario.accepts(body)
    assert dict(headers)["content-length"] == str(len(body))


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_bounded(name: str) -> None:
    """A stanza says what it is for, by how many connections it may be loaded, and for how long."""
    scenario = SCENARIOS[name]
    assert scenario.description
    assert scenario.most_connections
    assert scenario.most_duration_s
    assert (scenario.connections or 64) <= scenario.most_connections


@pytest.mark.parametrize("size", [0, 1, 8, 1023, 65536, 1048576])
def test_both_sides_make_the_same_lines(size: int) -> None:
    """The app's large bodies are those that answers are compared with."""
    lines = runpy.run_path(str(shipped_apps() / "bodies.py"))["lines"](size)
    assert lines == numbered_lines(size)
    assert len(lines) == size


def test_an_upload_that_is_not_whole_is_told() -> None:
    """A byte that differs, or is missing, in the middle of an upload is no right answer."""
    scenario = SCENARIOS["upload-1m"]
    wrong = bytearray(scenario.content)
    wrong[500_000] ^= 1
    for content in (bytes(wrong), scenario.content[:-1]):
        spoilt = Scenario(
            name="x", app=scenario.app, method="POST", body_bytes=content, expect_status=422
        )
        assert asyncio.run(_answered(spoilt)).status == 422


@pytest.mark.parametrize(("coding", "found"), [(None, b"no gzip"), ("gzip", None)])
def test_a_body_in_another_coding_is_none(coding: Coding | None, found: bytes | None) -> None:
    """What isn't in the coding that was announced has no body to compare."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n"
    response = Response(200, b"no gzip", 7, closes=False, head=head)
    assert response.body_without(coding) == found
