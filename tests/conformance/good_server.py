"""A small ASGI server that does everything right, with a switch for each way to do it wrong.

Bytes in, bytes out, on asyncio: HTTP/1.1 and WebSocket here, HTTP/2 in `good_http2`. A fault is a
function by the name of the place where it comes in; without one, nothing is altered.
"""

import asyncio
import contextlib
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from tests.conformance.good_http2 import PREFACE, Multiplexer
from tests.conformance.good_websocket import talk

App: TypeAlias = Callable[..., Any]
Faults: TypeAlias = dict[str, Any]

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
EXTENSIONS = ("http.response.early_hint", "http.response.pathsend", "http.response.trailers")
MOST_HEAD = 65_536
HIGH_WATER = 65_536


class Refused(Exception):
    """A request that is answered with a status and no more."""


class Gone(OSError):
    """What an app is told that sends to a client that has left."""


class Server:
    """The server with an app; it runs in a thread between `start` and `stop`."""

    def __init__(self, app: App, faults: Faults | None = None, port: int = 0) -> None:
        self.app = app
        self._wanted_port = port
        self.faults: Faults = faults or {}
        self.state: dict[str, Any] = {}
        self.printed: list[str] = []
        self.exit_code: int | None = None
        self.connections: set[Connection] = set()
        self.port = 0
        self.path = ""
        self.tls_port = 0
        self.tls: ssl.SSLContext | None = None
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._has_hung = False
        self.turn = asyncio.Lock()
        self.listeners: list[asyncio.Server] = []
        self._up = threading.Event()
        self._main = self._loop.create_task(self._serve())
        self._thread = threading.Thread(target=self._run, daemon=True)

    def altered(self, place: str, value: Any, *more: Any) -> Any:
        """A value as a fault makes it at that place."""
        return self.faults[place](value, *more) if place in self.faults else value

    def has(self, fault: str) -> bool:
        """Whether a fault is switched on that has nothing to alter."""
        return fault in self.faults

    def start(self, path: str = "", tls: ssl.SSLContext | None = None) -> None:
        """Start it; returns when it serves, or has ended."""
        self.path, self.tls = path, tls
        self._thread.start()
        self._up.wait(30)

    def request_stop(self) -> None:
        """As SIGTERM does."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stopping.set)

    def ended_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """End it by force."""

        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join(30)

    def log(self) -> str:
        """What it has printed."""
        return "\n".join(self.printed)

    def _run(self) -> None:
        try:
            self.exit_code = self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            pass
        finally:
            self._up.set()
            self._loop.run_until_complete(self._sweep())
            self._loop.close()

    async def _sweep(self) -> None:
        """Leave nothing open."""
        for listener in self.listeners:
            listener.close()
        # Connections that were just taken have a transport by then.
        await self._turns()
        for transport in list(getattr(self._loop, "_transports", {}).values()):
            transport.abort()
        await self._turns()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._turns()

    async def _turns(self) -> None:
        """Let what is due in the loop come by."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def _serve(self) -> int:
        lifespan = Lifespan(self)
        if self.has("serve-early"):
            await self._listen()
            self._up.set()
            await asyncio.sleep(0.2)
        if not await lifespan.startup():
            self._up.set()
            if self.has("stays"):
                await asyncio.sleep(3600)
            return 0 if self.has("exit-0") else 3
        if not self.has("serve-early"):
            await self._listen()
        self._up.set()
        await self._stopping.wait()
        if self.has("shutdown-first"):
            await lifespan.shutdown()
        if not self.has("takes-on"):
            for listener in self.listeners:
                listener.close()
        await self._drain()
        if self.has("takes-on"):
            for listener in self.listeners:
                listener.close()
        if not self.has("no-shutdown"):
            await lifespan.shutdown()
        if self.has("stays"):
            await asyncio.sleep(3600)
        return 1 if self.has("exit-1") else 0

    async def _listen(self) -> None:
        where = ("127.0.0.1", self._wanted_port)
        first = await asyncio.start_server(self._accepted, *where, backlog=256)
        self.listeners = [first]
        self.port = first.sockets[0].getsockname()[1]
        if self.path:
            self.listeners.append(await asyncio.start_unix_server(self._accepted, self.path))
        if self.tls:
            over = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self.tls)
            self.listeners.append(over)
            self.tls_port = over.sockets[0].getsockname()[1]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        self.connections.add(connection)
        if self._stopping.is_set() and self.has("hangs-once") and not self._has_hung:
            self._has_hung = True
            await asyncio.sleep(0.8)
        try:
            if len(self.connections) <= self.faults.get("most-connections", 1000):
                await connection.serve()
        except asyncio.CancelledError:
            pass
        except OSError:
            if self.has("dies-of-reset"):
                for listener in self.listeners:
                    listener.close()
        finally:
            self.connections.discard(connection)
            writer.close()

    async def _drain(self) -> None:
        """Close what is idle, and wait for the others."""
        if self.has("cuts"):
            for connection in list(self.connections):
                connection.writer.transport.abort()
            return
        end = self._loop.time() + 3
        # One that takes on new connections serves them as ever.
        leaving = set(self.connections)
        while self.connections & leaving and self._loop.time() < end:
            for connection in self.connections & leaving:
                connection.is_stopping = True
                if connection.is_idle and not self.has("keeps-idle"):
                    connection.writer.close()
                if connection.going_away is not None:
                    connection.going_away()
            await asyncio.sleep(0.01)


class Lifespan:
    """The app's lifespan, run by the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._told: asyncio.Queue[str] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> bool:
        """Whether the server may serve."""
        server = self._server
        if server.has("no-lifespan"):
            return True
        for _ in range(2 if server.has("twice") else 1):
            scope = {
                "type": "lifespan",
                "asgi": {"version": "3.0", "spec_version": "2.0"},
                "state": server.state,
            }
            self._task = asyncio.create_task(self._call(server.altered("lifespan-scope", scope)))
            if not server.has("no-startup"):
                self._events.put_nowait({"type": "lifespan.startup"})
                told = await self._told.get()
        if server.has("no-startup"):
            return True
        if told == "raised":
            self._task = None
            return not server.has("raise-ends")
        return told == "lifespan.startup.complete" or server.has("serves-failed")

    async def shutdown(self) -> None:
        """Tell the app, and wait for it."""
        server = self._server
        if self._task is None or self._task.done():
            if server.has("tells-raised"):
                self._task = asyncio.create_task(self._call({"type": "lifespan", "asgi": {}}))
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        if server.has("no-wait"):
            await asyncio.sleep(0)
            self._task.cancel()
            return
        await self._told.get()

    async def _call(self, scope: dict[str, Any]) -> None:
        async def send(event: dict[str, Any]) -> None:
            if event.get("message") and not self._server.has("mute"):
                self._server.printed.append(event["message"])
            self._told.put_nowait(event["type"])

        try:
            await self._server.app(scope, self._events.get, send)
        except Exception:  # noqa: BLE001  (an app may raise anything)
            self._told.put_nowait("raised")


class Connection:
    """A connection of HTTP/1.1, which may become one of WebSocket."""

    def __init__(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.is_idle = True
        self.is_stopping = False
        self.going_away: Callable[[], None] | None = None
        self._buffer = bytearray()
        self._is_ended = False
        self.shared: dict[str, Any] | None = None
        writer.transport.set_write_buffer_limits(high=HIGH_WATER)

    async def more(self) -> bool:
        """Read what comes next; False at the end."""
        new = b"" if self._is_ended else await self.reader.read(65_536)
        self._is_ended = not new
        self._buffer += new
        return not self._is_ended

    async def line(self, most: int = MOST_HEAD) -> bytes:
        """The next line without its end."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > most:
                if self.server.has("closes-large"):
                    raise Gone
                raise Refused(431)
            if not await self.more():
                raise Gone
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        if not line.endswith(b"\r"):
            if not self.server.has("takes-lf"):
                raise Refused(400)
            return line
        return line[:-1]

    async def exactly(self, size: int) -> bytes:
        """The next bytes, so many."""
        while len(self._buffer) < size:
            if not await self.more():
                raise Gone
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def some(self, most: int) -> bytes:
        """The next bytes, at most so many."""
        if not self._buffer and not await self.more():
            raise Gone
        taken = bytes(self._buffer[:most])
        del self._buffer[: len(taken)]
        return taken

    async def serve(self) -> None:
        """Answer requests until the connection ends."""
        count = 0
        while not self.is_stopping:
            self.is_idle = True
            if not self._buffer and not await self.more():
                return
            if self._buffer.startswith(PREFACE[:8]) and not self.server.has("no-http2"):
                await Multiplexer(self).run(await self.some(65_536))
                return
            if self.server.has("wants-whole") and b"\r\n\r\n" not in self._buffer:
                raise Gone
            self.is_idle = False
            count += 1
            try:
                keeps = await self._exchange(await self._head())
            except Refused as refusal:
                await self._refuse(refusal.args[0])
                return
            most = self.server.faults.get("most-requests")
            if not keeps or (most is not None and count >= most):
                return

    async def _refuse(self, status: int) -> None:
        self.write(b"HTTP/1.1 %d Refused\r\ncontent-length: 0\r\nconnection: close\r\n" % status)
        self.write(b"date: %b\r\n\r\n" % formatdate(usegmt=True).encode())
        await self.writer.drain()
        # What the client still sends must not reset what it has to read.
        self.writer.write_eof()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._discard(), 1)

    async def _discard(self) -> None:
        while await self.more():
            self._buffer.clear()

    async def _head(self) -> "Head":
        lenient = self.server.has
        line = await self.line()
        if not line and not lenient("no-empty-line"):
            line = await self.line()
        words = line.split(b" ")
        if len(words) != 3 and not lenient("any-request-line"):
            raise Refused(400)
        method, target, version = words[0], words[1], words[-1]
        if version not in (b"HTTP/1.0", b"HTTP/1.1") and not lenient("any-version"):
            raise Refused(505)
        if len(target) > self.server.faults.get("most-target", MOST_HEAD):
            raise Refused(414)
        fields: list[tuple[bytes, bytes]] = []
        size = 0
        while line := await self.line():
            size += len(line)
            if size > MOST_HEAD:
                if lenient("closes-large"):
                    raise Gone
                raise Refused(431)
            fields.append(self._field(line, fields))
        return Head(method, target, version[5:], fields)

    def _field(self, line: bytes, before: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
        lenient = self.server.has
        if line[:1] in b" \t":
            if lenient("takes-fold") and before:
                name, value = before.pop()
                return name, value + b"\n" + line
            raise Refused(400)
        name, colon, value = line.partition(b":")
        if lenient("takes-space"):
            name = name.strip()
        if not colon or not name or (set(name) - TOKEN and not lenient("any-name")):
            raise Refused(400)
        if not lenient("keeps-spaces"):
            value = value.strip(b" \t")
        if b"\x00" in value and not lenient("takes-nul"):
            raise Refused(400)
        if b"\r" in value and not lenient("takes-cr"):
            raise Refused(400)
        return name, value

    async def _exchange(self, head: "Head") -> bool:
        """Answer a request; whether the connection is kept."""
        lenient = self.server.has
        if head.version == b"1.1" and not head.values(b"host") and not lenient("no-host"):
            raise Refused(400)
        if len(head.values(b"host")) > 1 and not lenient("two-hosts"):
            raise Refused(400)
        body = Body(self, head)
        if any(value.lower() == b"websocket" for value in head.values(b"upgrade")):
            await talk(self, head, scope_of(self, head, "websocket"))
            return False
        if head.values(b"upgrade") and lenient("refuses-upgrade"):
            raise Refused(400)
        if head.method == b"OPTIONS" and head.target == b"*" and lenient("no-asterisk"):
            raise Refused(400)
        if lenient("wants-whole") and len(self._buffer) < body.left:
            raise Refused(400)
        exchange = Exchange(self, head, body, scope_of(self, head, "http"))
        if lenient("one-at-a-time"):
            async with self.server.turn:
                return await exchange.run()
        return await exchange.run()

    def write(self, data: bytes) -> None:
        """Send bytes, as far as the buffers take them."""
        self.writer.write(data)

    async def flushed(self) -> None:
        """Wait until there is room for more."""
        if not self.server.has("no-back-pressure"):
            await self.writer.drain()

    @property
    def is_gone(self) -> bool:
        """Whether the client has left: an end of its side is taken for that, as most do."""
        ended = self._is_ended and not self.server.has("takes-half-closed")
        return ended or self.writer.transport.is_closing()


class Head:
    """The head of a request."""

    def __init__(
        self, method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.fields = fields

    def values(self, name: bytes) -> list[bytes]:
        """The values of a name."""
        return [value for found, value in self.fields if found.lower() == name]


class Body:
    """The body of a request, read as it is asked for."""

    def __init__(self, connection: Connection, head: Head) -> None:
        self._connection = connection
        lenient = connection.server.has
        codings = [value.lower() for value in head.values(b"transfer-encoding")]
        lengths = head.values(b"content-length")
        self.is_chunked = bool(codings) and codings[-1] == b"chunked"
        if codings and not self.is_chunked and not lenient("any-coding"):
            raise Refused(501)
        if len(set(lengths)) > 1 and not lenient("any-lengths"):
            raise Refused(400)
        if not all(length.isdigit() for length in lengths) and not lenient("any-length"):
            raise Refused(400)
        self.must_close = self.is_chunked and bool(lengths) and not lenient("smuggles")
        self.left = 0 if self.is_chunked or not lengths else int(lengths[0])
        if head.method == b"GET" and lenient("no-get-body"):
            self.left = 0
        self.is_done = not self.is_chunked and self.left == 0
        self.wants_asking = (
            any(value.lower() == b"100-continue" for value in head.values(b"expect"))
            and not self.is_done
        )
        if self.wants_asking and lenient("asks-at-once"):
            self.ask()

    def ask(self) -> None:
        """Ask for it, where the client waits for that."""
        if self.wants_asking and not self._connection.server.has("never-asks"):
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.wants_asking = False

    async def part(self) -> tuple[bytes, bool]:
        """The next part, and whether more comes."""
        self.ask()
        connection = self._connection
        if connection.server.has("raw-chunks") and self.is_chunked:
            self.is_done = True
            return await connection.some(65_536), False
        if not self.is_chunked:
            part = await connection.some(min(self.left, 65_536))
            self.left -= len(part)
            self.is_done = self.left == 0
            return part, not self.is_done
        if connection.server.has("wants-trailers-gone"):
            size = await self._size()
            if size == 0:
                await connection.exactly(2)
                self.is_done = True
                return b"", False
        else:
            size = await self._size()
        if size == 0:
            while await connection.line():
                pass
            self.is_done = True
            return b"", False
        part = await connection.exactly(size)
        if await connection.exactly(2) != b"\r\n":
            raise Refused(400)
        return part, True

    async def _size(self) -> int:
        connection = self._connection
        line = await connection.line()
        number, semicolon, _ = line.partition(b";")
        if semicolon and connection.server.has("no-extensions"):
            raise Refused(400)
        digits = number.strip()
        if connection.server.has("lower-sizes") and digits != digits.lower():
            raise Refused(400)
        if set(digits.lower()) - set(b"0123456789abcdef") or not digits:
            if connection.server.has("any-sign"):
                return int(digits, 16)
            if connection.server.has("any-size"):
                return 0
            raise Refused(400)
        return int(digits, 16)


def scope_of(connection: Connection, head: Head, kind: str) -> dict[str, Any]:
    """The scope of a request."""
    server = connection.server
    target = head.target
    if target.startswith((b"http://", b"https://")):
        if server.has("no-absolute"):
            raise Refused(400)
        if not server.has("absolute-path"):
            target = b"/" + target.split(b"/", 3)[3]
    path, _, query = target.partition(b"?")
    try:
        decoded: str | None = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        if not server.has("any-path"):
            raise Refused(400) from None
        decoded = None
    peer = connection.writer.get_extra_info("peername")
    here = connection.writer.get_extra_info("sockname")
    schemes = ("http", "https") if kind == "http" else ("ws", "wss")
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": head.version.decode(),
        "method": head.method.decode(),
        "scheme": schemes[connection.writer.get_extra_info("ssl_object") is not None],
        "path": decoded,
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in head.fields],
        "client": peer[:2] if isinstance(peer, tuple) else None,
        "server": here[:2] if isinstance(here, tuple) else (here, None),
        "state": server.state if server.has("shares-state") else dict(server.state),
        "extensions": {name: {} for name in EXTENSIONS},
    }
    if kind == "websocket":
        scope["extensions"] = {"websocket.http.response": {}}
        del scope["method"]
    altered: dict[str, Any] = server.altered("scope", scope, connection)
    return altered


class Exchange:
    """A request and its response."""

    def __init__(
        self, connection: Connection, head: Head, body: Body, scope: dict[str, Any]
    ) -> None:
        self.connection = connection
        self.server = connection.server
        self.head = head
        self.body = body
        self.scope = scope
        self.started: dict[str, Any] | None = None
        self.is_head_sent = False
        self.is_complete = False
        self.is_chunked = False
        self.left: int | None = None
        self.waits_for_trailers = False
        asks = [value.lower() for value in head.values(b"connection")]
        self.keeps = head.version == b"1.1" and b"close" not in asks
        if head.version == b"1.0" and b"keep-alive" in asks and not self.server.has("drops-1.0"):
            self.keeps = True
        if self.server.has("always-keeps"):
            self.keeps = True
        if self.server.has("never-keeps"):
            self.keeps = False
        if body.must_close:
            self.keeps = False
        self.has_no_body = False

    async def run(self) -> bool:
        """Call the app; whether the connection is kept."""
        watcher = asyncio.create_task(self._watch())
        task = asyncio.create_task(self.server.app(self.scope, self.receive, self.send))
        try:
            if self.server.has("cancels"):
                await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
                if not task.done():
                    task.cancel()
            await task
        except Gone:
            if self.server.has("prints-gone"):
                self.server.printed.append(traceback.format_exc())
            return False
        except asyncio.CancelledError:
            return False
        except Refused:
            raise
        except Exception:  # noqa: BLE001  (an app may raise anything)
            self.server.printed.append(traceback.format_exc())
            return await self._failed()
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await watcher
        if not self.is_complete:
            return await self._failed()
        if not self.keeps:
            return False
        return await self._rest()

    async def _watch(self) -> None:
        """See the client leave while nothing is read."""
        while True:
            reads = self.body.is_done or self.server.has("cancels") or self.server.has("swallows")
            if not reads:
                await asyncio.sleep(0.005)
            elif not await self.connection.more():
                return

    async def _rest(self) -> bool:
        """Read what the app has left of the body; whether the connection can be used on."""
        if self.server.has("leaves-body"):
            return True
        if self.body.wants_asking:
            return False
        while not self.body.is_done:
            await self.body.part()
        return True

    async def _failed(self) -> bool:
        """The app has failed: tell the client."""
        if self.connection.is_gone:
            return False
        if self.server.has("hangs-on-failure"):
            await asyncio.sleep(3600)
        if not self.is_head_sent:
            status = 200 if self.server.has("fails-well") else 500
            self.started = {"status": status, "headers": [(b"content-length", b"0")]}
            self._send_head(b"", False)
            await self.connection.flushed()
            return self.keeps
        if self.is_chunked and self.server.has("fails-whole"):
            self.connection.write(b"0\r\n\r\n")
        return False

    async def receive(self) -> dict[str, Any]:
        """What the app is handed next."""
        event: dict[str, Any]
        if not self.body.is_done or not hasattr(self, "_has_begun"):
            self._has_begun = True
            try:
                part, more = (b"", False) if self.body.is_done else await self.body.part()
                if self.server.has("holds-body"):
                    while more:
                        new, more = await self.body.part()
                        part += new
                event = {"type": "http.request", "body": part, "more_body": more}
            except Gone:
                self.body.is_done = True
                cut = {"type": "http.request", "body": b"", "more_body": False}
                event = cut if self.server.has("hides-cut") else {"type": "http.disconnect"}
        else:
            await self._until_gone()
            event = {"type": "http.disconnect"}
        handed: dict[str, Any] = self.server.altered("event", event, self)
        return handed

    async def _until_gone(self) -> None:
        if self.server.has("at-once"):
            return
        if self.server.has("tells-once"):
            if hasattr(self, "_has_told"):
                await asyncio.sleep(3600)
            self._has_told = True
        while not (
            (self.is_complete and not self.server.has("never-tells-complete"))
            or (self.connection.is_gone and not self.server.has("never-tells"))
        ):
            await asyncio.sleep(0.005)

    async def send(self, event: dict[str, Any]) -> None:
        """What the app sends."""
        server, kind = self.server, event.get("type")
        if server.has("no-extra-keys") and "bench" in event:
            raise ValueError("an unknown key")
        if self.connection.is_gone and not self.is_complete:
            if server.has("silent-send"):
                return
            if server.has("odd-send"):
                raise RuntimeError("gone")
            raise Gone("the client has left")
        if kind == "http.response.start":
            self._start(event)
        elif kind == "http.response.body":
            await self._body(event)
        elif kind == "http.response.early_hint":
            links = b"".join(b"link: " + link + b"\r\n" for link in event["links"])
            name = b"200 OK" if server.has("bad-hint") else b"103 Early Hints"
            self.connection.write(b"HTTP/1.1 " + name + b"\r\n" + links + b"\r\n")
        elif kind == "http.response.pathsend":
            content = Path(event["path"]).read_bytes()
            await self._body({"body": server.altered("file", content)})
        elif kind == "http.response.trailers":
            if not server.has("no-trailers"):
                lines = [name + b": " + value + b"\r\n" for name, value in event["headers"]]
                self.connection.write(b"0\r\n" + b"".join(lines) + b"\r\n")
            else:
                self.connection.write(b"0\r\n\r\n")
            self.is_complete = True
            await self.connection.flushed()
        elif not server.has("any-event"):
            raise ValueError(f"an event of type {kind!r}")

    def _start(self, event: dict[str, Any]) -> None:
        for pair in event.get("headers", ()):
            for part in pair:
                if not isinstance(part, bytes):
                    if self.server.has("any-type"):
                        event["headers"] = []
                        break
                    raise TypeError("headers are bytes")
                if set(part) & set(b"\r\n\0") and not self.server.has("injects"):
                    raise ValueError("a line end in a header")
        self.started = event
        self.waits_for_trailers = bool(event.get("trailers"))
        if self.server.has("head-early"):
            self._send_head(b"", True)

    async def _body(self, event: dict[str, Any]) -> None:
        body, more = event.get("body", b""), event.get("more_body", False)
        server = self.server
        if self.is_complete:
            if server.has("sends-after-end"):
                self.connection.write(body)
            return
        while server.has("answers-late") and not self.body.is_done:
            await self.body.part()
        if not self.is_head_sent:
            self._send_head(body, more)
        if self.left is not None and not server.has("any-size-of-body"):
            if len(body) > self.left:
                body = body[: self.left]
            self.left -= len(body)
        if server.has("gathers") and more:
            self._gathered = getattr(self, "_gathered", b"") + body
            return
        if server.has("gathers"):
            body = getattr(self, "_gathered", b"") + body
        self._write(body, more)
        if not more:
            self.is_complete = not self.waits_for_trailers
            if self.left and not server.has("keeps-short"):
                self.keeps = False
        if server.has("slow-parts"):
            await asyncio.sleep(0.05)
        await self.connection.flushed()

    def _write(self, body: bytes, more: bool) -> None:
        if self.has_no_body:
            if self.server.has("body-anyway"):
                self.connection.write(self._framed(body, more))
            return
        self.connection.write(self.server.altered("part", self._framed(body, more), self))

    def _framed(self, body: bytes, more: bool) -> bytes:
        if not self.is_chunked:
            return body
        framed = (
            b"%x\r\n%b\r\n" % (len(body), body) if body or self.server.has("empty-ends") else b""
        )
        return framed if more or self.waits_for_trailers else framed + b"0\r\n\r\n"

    def _send_head(self, body: bytes, more: bool) -> None:
        assert self.started is not None
        status = self.started["status"]
        headers = [tuple(pair) for pair in self.started.get("headers", ())]
        if not self.server.has("trusts-coding"):
            headers = [pair for pair in headers if pair[0].lower() != b"transfer-encoding"]
        names = {name.lower() for name, _ in headers}
        if b"close" in [value for name, value in headers if name == b"connection"]:
            self.keeps = self.server.has("ignores-close")
        self.has_no_body = self.head.method == b"HEAD" or status in (204, 304)
        lengths = [int(value) for name, value in headers if name == b"content-length"]
        self.left = lengths[0] if lengths else None
        if status == 204 and self.server.has("length-of-204"):
            headers.append((b"content-length", b"0"))
        elif (status == 204 and self.server.has("chunks-of-204")) or (
            lengths and self.server.has("chunks-beside-length")
        ):
            headers.append((b"transfer-encoding", b"chunked"))
        elif not lengths and status not in (204, 304):
            if not more and not self.waits_for_trailers:
                headers.append((b"content-length", b"%d" % len(body)))
            elif self.head.version == b"1.1" or self.server.has("chunks-1.0"):
                self.is_chunked = True
                headers.append((b"transfer-encoding", b"chunked"))
            else:
                self.keeps = False
        if b"date" not in names or self.server.has("two-dates"):
            headers.append((b"date", formatdate(usegmt=True).encode()))
        headers.append((b"server", b"good"))
        if not self.keeps and b"connection" not in names:
            headers.append((b"connection", b"close"))
        elif self.keeps and self.head.version == b"1.0":
            headers.append((b"connection", b"keep-alive"))
        headers = self.server.altered("headers", headers, self)
        lines = [b"%b: %b\r\n" % pair for pair in headers]
        line = b"HTTP/1.1 %d OK\r\n" % status
        head = line + b"".join(lines) + b"\r\n"
        self.connection.write(self.server.altered("head", head, self))
        self.is_head_sent = True


@contextlib.contextmanager
def running(
    app: App, faults: Faults | None = None, path: str = "", tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """The server, up."""
    server = Server(app, faults)
    server.start(path, tls)
    try:
        yield server
    finally:
        server.request_stop()
        server.abandon()
        if path:
            with contextlib.suppress(OSError):
                Path(path).unlink()
