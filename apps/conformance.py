"""The application that servers are checked with: it plays the script that a request brings.

A request names itself (`bench-token`) and says what is to be done with it, a list of steps in JSON
(`bench-script`). What the server hands over, and what became of each step, is written into a
journal as a line of JSON: the file that ASGI_BENCH_JOURNAL names, which outlives the process. So a
check sees both ends of a connection. A request without a token is answered as `hello` does.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Event: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

JOURNAL, LIFESPAN = "ASGI_BENCH_JOURNAL", "ASGI_BENCH_LIFESPAN"
HELLO = b"Hello, world!"
# Longer ones are told by their beginning and their size.
MOST_BYTES = 256
# So that a script always ends.
LONGEST_WAIT_S = 20.0
_POLL_S = 0.01
CLEANUP_S = 0.2


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """Play the script of a connection, or the lifespan that ASGI_BENCH_LIFESPAN names."""
    if scope["type"] == "lifespan":
        await _live(scope, receive, send)
        return
    fields = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
    token = fields.get(b"bench-token")
    if token is None:
        await _hello(receive, send)
        return
    playing = Playing(token.decode(), scope, receive, send)
    playing.note("scope", scope)
    await playing.play(json.loads(fields.get(b"bench-script", b"[]")))


async def _hello(receive: Receive, send: Send) -> None:
    await receive()
    length = (b"content-length", b"%d" % len(HELLO))
    headers = [(b"content-type", b"text/plain"), length]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": HELLO})


async def _live(scope: Event, receive: Receive, send: Send) -> None:
    """A lifespan; `raise`, `startup-failed` and `shutdown-failed` go wrong."""
    kind = os.environ.get(LIFESPAN, "")
    note("lifespan", "scope", scope)
    if kind == "raise":
        raise RuntimeError("this application was told to know no lifespan")
    note("lifespan", "receive", await receive())
    if kind == "startup-failed":
        await send({"type": "lifespan.startup.failed", "message": "the startup was told to fail"})
        return
    if "state" in scope:
        scope["state"].update({"text": "kept", "shared": []})
    note("lifespan", "complete")
    await send({"type": "lifespan.startup.complete"})
    note("lifespan", "receive", await receive())
    await sleep(CLEANUP_S)
    note("lifespan", "cleaned")
    if kind == "shutdown-failed":
        await send({"type": "lifespan.shutdown.failed", "message": "the shutdown was told to fail"})
        return
    await send({"type": "lifespan.shutdown.complete"})


class Playing:
    """A connection while its script is played."""

    def __init__(self, token: str, scope: Event, receive: Receive, send: Send) -> None:
        self.token = token
        self.scope = scope
        self._receive, self._send = receive, send

    def note(self, what: str, data: Any = None) -> None:
        """Write down what happens to it."""
        note(self.token, what, data)

    async def play(self, steps: list[Any]) -> None:
        """Take the steps in turn; how that ends is written down."""
        try:
            for name, *arguments in steps:
                await getattr(self, f"do_{name}")(*arguments)
        except BaseException as fault:
            self.note("raised", _names(fault))
            raise
        self.note("done")

    async def receive(self) -> Event:
        """What the server hands over next."""
        event = await self._receive()
        self.note("receive", event)
        return event

    async def do_receive(self) -> None:
        """Take one event."""
        await self.receive()

    async def do_receive_within(self, seconds: float) -> None:
        """Take one event, or write down that none came so soon."""
        if not await within(seconds, self.receive):
            self.note("nothing")

    async def do_read(self) -> None:
        """Take the whole body of a request."""
        while (await self.receive()).get("more_body", False):
            pass

    async def do_hold(self) -> None:
        """Take events until the client is gone."""
        while not (await self.receive())["type"].endswith(".disconnect"):
            pass

    async def do_echo(self) -> None:
        """Answer with the body of the request."""
        pieces, more = [], True
        while more:
            event = await self.receive()
            if event["type"] != "http.request":
                return
            pieces.append(bytes(event.get("body") or b""))
            more = event.get("more_body", False)
        body = b"".join(pieces)
        await self.do_start(200, [["content-length", str(len(body))]])
        await self._send({"type": "http.response.body", "body": body})

    async def do_start(self, status: int, headers: list[list[str]]) -> None:
        """Begin a response."""
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        self.note("sent", "http.response.start")

    async def do_body(self, text: str, more: bool = False) -> None:
        """Send a part of a response."""
        body = text.encode("latin-1")
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self.note("sent", "http.response.body")

    async def do_fill(self, size: int, times: int = 1) -> None:
        """Send parts of one size, more to come; each that the server took is written down."""
        part = bytes(size)
        for _ in range(times):
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
            self.note("filled", size)

    async def do_send(self, event: Event) -> None:
        """Send any event; text that begins with `b:` stands for bytes."""
        await self._send(_restored(event))
        self.note("sent", event.get("type"))

    async def do_try(self, step: list[Any]) -> None:
        """Take a step that may fail; what it raised is written down."""
        name, *arguments = step
        try:
            await getattr(self, f"do_{name}")(*arguments)
        except BaseException as fault:
            # Whatever a server raises is to be told; being cancelled is no refusal.
            if not isinstance(fault, Exception):
                raise
            self.note("refused", _names(fault))

    async def do_send_until_refused(self, event: Event, seconds: float) -> None:
        """Send an event again and again until that raises; at most so long."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            await self.do_send(event)
            await sleep(_POLL_S)
        self.note("never refused")

    async def do_sleep(self, seconds: float) -> None:
        """Wait."""
        await sleep(seconds)

    async def do_gate(self) -> None:
        """Wait until the client lets it go on: by a file beside the journal."""
        gate = Path(f"{os.environ[JOURNAL]}.{self.token}")
        end_s = time.monotonic() + LONGEST_WAIT_S
        while not gate.exists() and time.monotonic() < end_s:
            await sleep(_POLL_S)
        self.note("let on")

    async def do_raise(self) -> None:
        """Fail as an application with a bug does."""
        raise RuntimeError("this application was told to raise")

    async def do_mutate(self) -> None:
        """Leave traces in what was handed over."""
        self.scope["bench_trace"] = True
        if "state" in self.scope:
            self.scope["state"]["bench_trace"] = True
            self.scope["state"].setdefault("shared", []).append("trace")

    async def do_accept(self, subprotocol: str | None = None, *headers: list[str]) -> None:
        """Accept a WebSocket."""
        pairs = [(name.encode(), value.encode()) for name, value in headers]
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": pairs})
        self.note("sent", "websocket.accept")

    async def do_converse(self) -> None:
        """Send every message back until the client is gone."""
        while (event := await self.receive())["type"] == "websocket.receive":
            back = {name: event[name] for name in ("text", "bytes") if event.get(name) is not None}
            await self._send({"type": "websocket.send", **back})


def note(token: str, what: str, data: Any = None) -> None:
    """Append a line to the journal; a line of this size is written whole."""
    entry = {"token": token, "what": what, "at_s": time.monotonic(), "data": _telling(data)}
    line = json.dumps({**entry, "pid": os.getpid()}) + "\n"
    handle = os.open(os.environ[JOURNAL], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def _telling(value: Any) -> Any:
    """A value as JSON: bytes as an object, so that they can be told from text."""
    if isinstance(value, bytes | bytearray | memoryview):
        told = bytes(value)
        return {"bytes": told[:MOST_BYTES].decode("latin-1"), "size": len(told)}
    if isinstance(value, Mapping):
        return {str(name): _telling(one) for name, one in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    try:
        return [_telling(one) for one in value]
    except TypeError:
        return {"type": type(value).__name__}


def _restored(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("b:"):
        return value[2:].encode("latin-1")
    if isinstance(value, dict):
        return {name: _restored(one) for name, one in value.items()}
    return [_restored(one) for one in value] if isinstance(value, list) else value


def _names(fault: BaseException) -> list[str]:
    return [kind.__name__ for kind in type(fault).__mro__[:-1]]


def _trio() -> Any:
    """The module trio, where the server runs on it."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


async def sleep(seconds: float) -> None:
    """Wait, on whatever loop the server has."""
    await (asyncio if (trio := _trio()) is None else trio).sleep(seconds)


async def within(seconds: float, call: Callable[[], Awaitable[Any]]) -> bool:
    """Whether a call ended within the time."""
    trio = _trio()
    if trio is None:
        try:
            await asyncio.wait_for(call(), seconds)
        except TimeoutError:
            return False
        return True
    with trio.move_on_after(seconds) as bounds:
        await call()
    return not bounds.cancelled_caught
