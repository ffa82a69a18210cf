"""The small server's HTTP/2, on the library h2."""

import asyncio
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame

if TYPE_CHECKING:
    from tests.conformance.good_server import Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CONNECTION_FIELDS = (b"connection", b"keep-alive", b"transfer-encoding", b"upgrade")


class Left(OSError):
    """What an app is told that sends on a stream that was taken back."""


class Multiplexer:
    """A connection of HTTP/2: streams by their numbers."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self.server = connection.server
        has = self.server.has
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=not has("any-head"),
            normalize_inbound_headers=not has("any-head"),
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = H2Connection(config)
        self.h2.local_settings = type(self.h2.local_settings)(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: self.server.faults.get("most-streams", 100),
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 0 if has("no-connect-protocol") else 1,
            },
        )
        self.opened = asyncio.Event()
        self._streams: dict[int, Stream] = {}

    async def run(self, data: bytes) -> None:
        """Take what comes until the connection ends."""
        self.h2.initiate_connection()
        try:
            while data:
                for event in self.h2.receive_data(data):
                    self._take(event)
                self.flush()
                data = await self.connection.some(65_536)
        except ProtocolError:
            self.flush()
        finally:
            for stream in self._streams.values():
                stream.leave()
            await asyncio.sleep(0.05)
            for stream in self._streams.values():
                stream.end()

    def flush(self) -> None:
        """Send what is to be sent."""
        self.connection.write(self.server.altered("flush", self.h2.data_to_send()))

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                stream = Stream(self, event.stream_id, list(event.headers))
                self._streams[event.stream_id] = stream
                stream.start()
            case DataReceived():
                if not self.server.has("no-window-update"):
                    size = event.flow_controlled_length
                    self.h2.acknowledge_received_data(size, event.stream_id)
                self._streams[event.stream_id].add(event.data, more=True)
            case StreamEnded():
                self._streams[event.stream_id].add(b"", more=False)
            case StreamReset():
                self._streams[event.stream_id].leave()
            case WindowUpdated():
                self.opened.set()
            case _:
                self.opened.set()


class Stream:
    """A request and its response."""

    def __init__(self, owner: Multiplexer, number: int, fields: list[Any]) -> None:
        self._owner = owner
        self._server = owner.server
        self._number = number
        self._fields = fields
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._started: dict[str, Any] = {}
        self._is_head_sent = self._is_complete = self._is_gone = False
        self._gathered = b""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Call the app."""
        self._task = asyncio.create_task(self._run())

    def add(self, part: bytes, *, more: bool) -> None:
        """A part of the body has come."""
        self._events.put_nowait({"type": "http.request", "body": part, "more_body": more})

    def leave(self) -> None:
        """The client is gone."""
        if not self._is_gone and not self._server.has("never-tells"):
            self._is_gone = True
            self._events.put_nowait({"type": "http.disconnect"})

    def end(self) -> None:
        """End what the app still does."""
        if self._task is not None:
            self._task.cancel()

    def _scope(self) -> dict[str, Any]:
        pseudo = {name: value for name, value in self._fields if name.startswith(b":")}
        path, _, query = pseudo.get(b":path", b"/").partition(b"?")
        others = [pair for pair in self._fields if not pair[0].startswith(b":")]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "2",
            "method": pseudo[b":method"].decode(),
            "scheme": pseudo[b":scheme"].decode(),
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "headers": [(b"host", pseudo.get(b":authority", b"")), *others],
        }
        altered: dict[str, Any] = self._server.altered("scope", scope, self._owner.connection)
        return altered

    async def _run(self) -> None:
        try:
            if self._server.has("one-at-a-time"):
                async with self._server.turn:
                    await self._server.app(self._scope(), self._receive, self._send)
            else:
                await self._server.app(self._scope(), self._receive, self._send)
        except Left:
            return
        except Exception:  # noqa: BLE001  (an app may raise anything)
            self._server.printed.append(traceback.format_exc())
        if not self._is_complete and not self._is_gone:
            self._fail()

    def _fail(self) -> None:
        h2 = self._owner.h2
        if not self._is_head_sent:
            status = b"200" if self._server.has("fails-well") else b"500"
            h2.send_headers(self._number, [(b":status", status)], end_stream=True)
        elif self._server.has("fails-whole"):
            h2.end_stream(self._number)
        else:
            h2.reset_stream(self._number, ErrorCodes.INTERNAL_ERROR)
        self._owner.flush()

    async def _receive(self) -> dict[str, Any]:
        handed: dict[str, Any] = self._server.altered("event", await self._events.get(), self)
        return handed

    async def _send(self, event: dict[str, Any]) -> None:
        if self._is_gone:
            raise Left("the client has left")
        if event["type"] == "http.response.start":
            self._started = event
        elif event["type"] == "http.response.body":
            await self._body(event.get("body", b""), more=event.get("more_body", False))

    async def _body(self, body: bytes, *, more: bool) -> None:
        if self._server.has("gathers"):
            self._gathered += body
            if more:
                return
            body = self._gathered
        is_head = (b":method", b"HEAD") in self._fields
        if not self._is_head_sent:
            self._is_head_sent = True
            pairs = [tuple(pair) for pair in self._started.get("headers", ())]
            if not self._server.has("trusts-connection"):
                pairs = [pair for pair in pairs if pair[0] not in CONNECTION_FIELDS]
            pairs = self._server.altered("headers", pairs, self)
            status = (b":status", b"%d" % self._started["status"])
            self._owner.h2.send_headers(self._number, [status, *pairs])
        if not is_head or self._server.has("body-anyway"):
            await self._data(self._server.altered("part", body, self))
        if not more:
            self._is_complete = True
            self._owner.h2.end_stream(self._number)
        self._owner.flush()

    async def _data(self, body: bytes) -> None:
        """Send as the windows allow."""
        h2 = self._owner.h2
        if self._server.has("ignores-window"):
            self._owner.flush()
            for place in range(0, len(body), 16_384):
                frame = DataFrame(self._number, body[place : place + 16_384])
                self._owner.connection.write(frame.serialize())
            return
        while body:
            room = min(h2.local_flow_control_window(self._number), h2.max_outbound_frame_size)
            if room <= 0:
                self._owner.opened.clear()
                self._owner.flush()
                await self._owner.opened.wait()
                continue
            part, body = body[:room], body[room:]
            h2.send_data(self._number, part)
        self._owner.flush()
