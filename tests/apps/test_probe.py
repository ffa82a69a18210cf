import asyncio
import importlib
import json
import socket
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from apps import probe

SCOPE: dict[str, Any] = {
    "type": "http",
    "http_version": "1.1",
    "asgi": {"version": "3.0"},
    "query_string": b"",
}


class Parser:
    """What a server's parser looks like from outside."""


class Protocol:
    """It holds its parser and sends what the application gives it."""

    def __init__(self) -> None:
        self.parser = Parser()
        self.sent: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        """Keep the message."""
        self.sent.append(message)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_one_answer_tells_what_serves_it() -> None:
    """The nearest protocol and parser, the loop and the versions, with a content length."""
    protocol = Protocol()
    asyncio.run(probe.app(SCOPE, _receive, protocol.send))
    start, body = protocol.sent
    told = json.loads(body["body"])
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert told["protocol"] == f"{__name__}.Protocol"
    assert told["parser"] == f"{__name__}.Parser"
    assert told["loop"] == "asyncio.unix_events._UnixSelectorEventLoop"
    assert (told["http_version"], told["asgi_version"]) == ("1.1", "3.0")
    assert (told["asgi_spec_version"], told["tcp_nodelay"], told["transport"]) == (None,) * 3
    assert told["python"].endswith(sys.version.split()[0])
    assert "pytest" in told["packages"]


@pytest.mark.parametrize("is_on", [True, False])
def test_a_build_without_a_lock_is_told(monkeypatch: pytest.MonkeyPatch, is_on: bool) -> None:
    """How the interpreter was built, and whether its lock is on all the same."""
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: name == "Py_GIL_DISABLED")
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: is_on, raising=False)
    protocol = Protocol()
    asyncio.run(probe.app(SCOPE, _receive, protocol.send))
    told = json.loads(protocol.sent[1]["body"])
    assert told["python"].endswith(f"{sys.version.split()[0]} free-threaded")
    assert told["gil"] is is_on


def test_other_scopes_are_refused() -> None:
    """A server then goes on without lifespan events, as for any application without them."""
    with pytest.raises(NotImplementedError, match="not lifespan"):
        asyncio.run(probe.app({**SCOPE, "type": "lifespan"}, _receive, Protocol().send))


def test_what_a_callable_closes_over_is_reached() -> None:
    """Closures, partials and bound methods lead to the server; modules and classes nowhere."""
    protocol = Protocol()

    async def closure(message: dict[str, Any]) -> None:
        await protocol.send(message)

    for root in (closure, partial(protocol.send), protocol.send):
        found = list(probe.reachable([root]))
        assert any(thing is protocol.parser for thing in found)
        assert not any(isinstance(thing, probe.NO_WAY) for thing in found)


def test_the_nearest_match_counts() -> None:
    """By the class's own name or by the full one; nothing where none matches."""
    names = ["a.Thing", "b.c.HTTPChannel", "x.H11Protocol", "h11._connection.Connection"]
    assert probe.nearest(probe.PROTOCOL, names) == "b.c.HTTPChannel"
    assert probe.nearest(probe.PARSER, names) == "h11._connection.Connection"
    assert probe.nearest(probe.TRANSPORT, names) is None
    # trio's channels carry messages, not HTTP.
    assert probe.nearest(probe.PROTOCOL, ["trio.MemoryReceiveChannel"]) is None


@pytest.mark.parametrize("is_on", [True, False])
def test_the_option_is_read_from_the_accepted_socket(is_on: bool) -> None:
    """The socket whose peer has that port is asked, among all others of the process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            with accepted:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, is_on)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not is_on)
                port = client.getsockname()[1]
                descriptors = len(list(Path("/proc/self/fd").iterdir()))
                assert probe.tcp_nodelay(port) is is_on
                assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert probe.tcp_nodelay(1) is None


def test_trio_is_told_by_its_runner() -> None:
    """Under trio there is no asyncio loop; outside both there is none at all."""
    import trio

    async def ask() -> str | None:
        return probe.loop_name()

    assert trio.run(ask) == "trio._core._run.Runner"
    assert probe.loop_name() is None


def test_modes_for_debugging_are_told() -> None:
    """What slows a server down and is no part of it: asyncio's debug mode, traces, profiles."""

    async def ask() -> list[str]:
        return probe.debugging()

    assert asyncio.run(ask(), debug=True) == ["asyncio's debug mode"]
    before = sys.getprofile()
    sys.setprofile(lambda *_: None)
    try:
        assert "a profile function" in probe.debugging()
    finally:
        sys.setprofile(before)
    assert asyncio.run(ask()) == []


def test_modules_of_the_users_own_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that is loaded and not installed, with a digest that changes with its source."""
    file = tmp_path / "mine_alone.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = []
    for source in ("A = 1\n", "A = 22\n"):
        file.write_text(source)
        monkeypatch.delitem(sys.modules, "mine_alone", raising=False)
        importlib.invalidate_caches()
        importlib.import_module("mine_alone")
        digests.append(probe.own_modules()["mine_alone"])
    assert len(set(digests)) == 2
    assert not {"json", "pytest", "asyncio"} & probe.own_modules().keys()
