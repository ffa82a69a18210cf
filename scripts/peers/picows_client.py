#!/usr/bin/env python3
"""A client by picows on uvloop: messages back and forth on some connections, for some seconds.

`picows_client.py HOST PORT CONNECTIONS SIZE SECONDS` prints how many messages came back, in how
many seconds, at what cost of CPU time. Each is compared with what was sent.
"""

import asyncio
import sys
import time

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Echo(WSListener):
    """Sends a message as soon as the last has come back."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.text = text
        self.came = 0
        self.wrong = 0
        self.is_on = True

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Wait for the start."""
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count, compare, send the next."""
        if frame.msg_type != WSMsgType.TEXT or frame.get_payload_as_bytes() != self.text:
            self.wrong += 1
        self.came += 1
        if self.is_on:
            transport.send(WSMsgType.TEXT, self.text)


async def run() -> None:
    """Connect, load, count."""
    host, port, connections, size, seconds = sys.argv[1], *map(int, sys.argv[2:])
    text = b"x" * (size - 2)
    echoes: list[Echo] = []
    for _ in range(connections):
        echo = Echo(text)
        await ws_connect(lambda echo=echo: echo, f"ws://{host}:{port}/")
        echoes.append(echo)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for echo in echoes:
        echo.transport.send(WSMsgType.TEXT, text)
    await asyncio.sleep(seconds)
    took_s, spent_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    came = sum(echo.came for echo in echoes)
    for echo in echoes:
        echo.is_on = False
    if any(echo.wrong for echo in echoes):
        sys.exit("a message that came back was not the one that was sent")
    print(f"{came} messages in {took_s:.6f} s, {spent_s:.6f} s of CPU")


if __name__ == "__main__":
    uvloop.run(run())
