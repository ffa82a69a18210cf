"""The small server's WebSocket: a handshake and frames, as RFC 6455 has them."""

import asyncio
import base64
import contextlib
import hashlib
import struct
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conformance.good_server import Connection, Head

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Wrong(Exception):
    """A frame that fails the connection, with the code that says so."""


class Left(OSError):
    """What an app is told that sends to a client that has left."""


async def talk(connection: "Connection", head: "Head", scope: dict[str, Any]) -> None:
    """Hold a conversation from its handshake to its end."""
    protocols = b",".join(head.values(b"sec-websocket-protocol")).decode()
    names = [name.strip() for name in protocols.split(",") if name.strip()]
    scope["subprotocols"] = connection.server.altered("subprotocols", names)
    socket = Socket(connection, head)
    if head.values(b"sec-websocket-version") != [b"13"]:
        version = [] if connection.server.has("hides-version") else [b"sec-websocket-version: 13"]
        await socket.respond(426, version)
        return
    if not head.values(b"sec-websocket-key") and not connection.server.has("no-key"):
        await socket.respond(400, [])
        return
    await socket.run(scope)


class Socket:
    """One WebSocket, from both sides."""

    def __init__(self, connection: "Connection", head: "Head") -> None:
        self.connection = connection
        self.server = connection.server
        self._head = head
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._is_accepted = self._is_answered = False
        self._is_closing = self._is_gone = False
        self._denial: dict[str, Any] = {}

    async def respond(self, status: int, lines: list[bytes], body: bytes = b"") -> None:
        """Answer the handshake with a response of HTTP."""
        self._is_answered = True
        head = b"HTTP/1.1 %d No\r\n" % status
        if not any(line.lower().startswith(b"content-length") for line in lines):
            lines = [*lines, b"content-length: %d" % len(body)]
        for line in (*lines, b"connection: close"):
            head += line + b"\r\n"
        self.connection.write(head + b"\r\n" + body)
        await self.connection.writer.drain()

    async def run(self, scope: dict[str, Any]) -> None:
        """Call the app, and read frames meanwhile."""
        server = self.server
        if not server.has("no-connect"):
            self._events.put_nowait({"type": "websocket.connect"})
        if server.has("accepts-at-once"):
            await self._accept({})
        self.connection.going_away = self._go_away
        reading = asyncio.create_task(self._read())
        try:
            await server.app(scope, self.receive, self.send)
            failed = None
        except (Left, asyncio.CancelledError):
            failed = None
        except Exception:  # noqa: BLE001  (an app may raise anything)
            failed = traceback.format_exc()
            server.printed.append(failed)
        if not self._is_answered:
            if server.has("hangs-on-failure"):
                await asyncio.sleep(3600)
            await self.respond(200 if server.has("fails-well") else 500, [])
        elif self._is_accepted and not self._is_closing and not self._is_gone:
            if server.has("hangs-on-failure"):
                await asyncio.sleep(3600)
            code = 1011 if failed else 1000
            self._close(server.altered("failure-code", code), "")
        # The client's own frame that closes, or its end.
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(asyncio.shield(reading), 0.5)
        reading.cancel()

    async def receive(self) -> dict[str, Any]:
        """What the app is handed next."""
        event = await self._events.get()
        if event["type"] == "websocket.disconnect":
            # Whoever asks again is told again.
            self._events.put_nowait(event)
        return event

    async def send(self, event: dict[str, Any]) -> None:
        """What the app sends."""
        kind = event["type"]
        if kind == "websocket.accept":
            if not self._is_answered:
                await self._accept(event)
        elif kind == "websocket.close" and not self._is_answered:
            await self.respond(self.server.faults.get("refusal", 403), [])
        elif kind == "websocket.close":
            code, reason = event.get("code", 1000), event.get("reason") or ""
            code, reason = self.server.altered("closing", (code, reason))
            self._close(code, reason)
        elif kind == "websocket.http.response.start":
            self._denial = event
        elif kind == "websocket.http.response.body":
            lines = [b"%b: %b" % tuple(pair) for pair in self._denial["headers"]]
            status = self.server.faults.get("denial", self._denial["status"])
            await self.respond(status, lines, event["body"])
        elif self._is_closing or self._is_gone:
            if not self.server.has("silent-send"):
                raise Left("the client has left")
        else:
            text, data = event.get("text"), event.get("bytes")
            code, payload = (BINARY, data) if text is None else (TEXT, text.encode())
            code, payload = self.server.altered("message", (code, payload))
            self._frame(code, payload)
            await self.connection.writer.drain()

    async def _accept(self, event: dict[str, Any]) -> None:
        self._is_answered = self._is_accepted = True
        key = b"".join(self._head.values(b"sec-websocket-key"))
        digest = hashlib.sha1(key + GUID, usedforsecurity=False).digest()
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"upgrade: websocket",
            b"connection: Upgrade",
            b"sec-websocket-accept: " + base64.b64encode(digest),
        ]
        if event.get("subprotocol"):
            lines.append(b"sec-websocket-protocol: " + event["subprotocol"].encode())
        lines += [name + b": " + value for name, value in event.get("headers") or ()]
        if self.server.has("agrees-compression"):
            lines.append(b"sec-websocket-extensions: permessage-deflate")
        lines = self.server.altered("handshake", lines)
        self.connection.write(b"\r\n".join(lines) + b"\r\n\r\n")
        await self.connection.writer.drain()

    def _frame(self, code: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = bytes([0x80 | code, size])
        elif size < 65_536:
            head = bytes([0x80 | code, 126]) + struct.pack("!H", size)
        else:
            head = bytes([0x80 | code, 127]) + struct.pack("!Q", size)
        self.connection.write(head + payload)

    def _close(self, code: int, reason: str) -> None:
        if not self._is_closing:
            self._is_closing = True
            if self.server.has("closes-bare"):
                self.connection.writer.close()
                return
            self._frame(CLOSE, struct.pack("!H", code) + reason.encode() if code else b"")

    def _go_away(self) -> None:
        """The server is going down."""
        if self._is_accepted and not self._is_closing:
            self._close(self.server.faults.get("going-away", 1001), "")
            self._left(1001, "")

    def _left(self, code: int | None, reason: str) -> None:
        if not self._is_gone and not self.server.has("forgets-app"):
            self._is_gone = True
            event = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._events.put_nowait(self.server.altered("left", event))

    async def _read(self) -> None:
        """Read frames until the connection ends."""
        try:
            while await self._next():
                pass
        except Wrong as fault:
            if not self.server.has("ignores-wrong"):
                self._close(fault.args[0], "")
                self.connection.writer.close()
                self._left(fault.args[0], "")
        except OSError:
            self._left(1006, "")

    async def _next(self) -> bool:
        """Take a message or a control frame; False where the client has closed."""
        lenient = self.server.has
        code, payload, is_last = await self._taken()
        if code >= CLOSE:
            return self._control(code, payload)
        if code == CONTINUED and not lenient("takes-continuation"):
            raise Wrong(1002)
        parts = [payload]
        while not is_last:
            if lenient("hands-fragments"):
                break
            more, payload, is_last = await self._taken()
            if more >= CLOSE:
                if lenient("no-ping-within"):
                    raise Wrong(1002)
                self._control(more, payload)
                is_last = False
            else:
                parts.append(payload)
        whole = b"".join(parts)
        event: dict[str, Any] = {"type": "websocket.receive"}
        if code == BINARY:
            event["bytes"] = whole
        else:
            try:
                event["text"] = whole.decode()
            except UnicodeDecodeError:
                if not lenient("takes-any-text"):
                    raise Wrong(1007) from None
                event["text"] = whole.decode(errors="replace")
        self._events.put_nowait(self.server.altered("received", event))
        return True

    async def _taken(self) -> tuple[int, bytes, bool]:
        """A frame: its code, what it holds, whether it is the last of its message."""
        lenient, exactly = self.server.has, self.connection.exactly
        first, second = await exactly(2)
        size = second & 0x7F
        code = first & 0x0F
        if first & 0x70 and not lenient("takes-bits"):
            raise Wrong(1002)
        if code not in (CONTINUED, TEXT, BINARY, CLOSE, PING, PONG):
            if not lenient("takes-code"):
                raise Wrong(1002)
            code = TEXT
        if code >= CLOSE and size > 125 and not lenient("takes-long-control"):
            raise Wrong(1002)
        if size == 126:
            size = struct.unpack("!H", await exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", await exactly(8))[0]
        if size > self.server.faults.get("most-message", 1 << 24):
            raise Wrong(1009)
        if not second & 0x80:
            if not lenient("takes-unmasked"):
                raise Wrong(1002)
            return code, await exactly(size), bool(first & 0x80)
        mask = await exactly(4)
        payload = await exactly(size)
        key = (mask * (size // 4 + 1))[:size]
        plain = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
        return code, plain.to_bytes(size, "big"), bool(first & 0x80)

    def _control(self, code: int, payload: bytes) -> bool:
        if code == PING:
            if not self.server.has("no-pong"):
                self._frame(PONG, self.server.altered("pong", payload))
        elif code == CLOSE:
            got = struct.unpack("!H", payload[:2])[0] if payload else None
            if not self.server.has("no-close-back"):
                self._close(got or 0, "")
            self._left(1005 if got is None else got, payload[2:].decode())
            return False
        return True
