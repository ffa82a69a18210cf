#!/usr/bin/env python3
"""A client by picows on uvloop: messages back and forth on some connections, slice by slice.

`picows_client.py HOST PORT CONNECTIONS SIZE` says `ready`. For each line of its input, a number of
seconds, it loads that long and prints how many messages came back, in how many seconds, at what
cost of CPU time. It does what a load generator has to: each message is compared with what was
sent, and timed.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from time import perf_counter_ns

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Echo(WSListener):
    """Sends a message as soon as the last has come back."""

    def __init__(self, text: bytes, add: Callable[[int], None]) -> None:
        super().__init__()
        self.text = text
        self.add = add
        self.wrong = 0
        self.is_on = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Wait for the start."""
        self.transport = transport

    def start(self) -> None:
        """Send the first message of a slice."""
        self.is_on = True
        self.sent_ns = perf_counter_ns()
        self.transport.send(WSMsgType.TEXT, self.text)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Compare, time, send the next."""
        if frame.msg_type != WSMsgType.TEXT or frame.get_payload_as_bytes() != self.text:
            self.wrong += 1
        now_ns = perf_counter_ns()
        self.add(now_ns - self.sent_ns)
        if self.is_on:
            self.sent_ns = now_ns
            transport.send(WSMsgType.TEXT, self.text)


async def run() -> None:
    """Connect, then load as long as each line says."""
    host, port, connections, size = sys.argv[1], *map(int, sys.argv[2:])
    text = b"x" * (size - 2)
    times_ns: list[int] = []
    echoes = [Echo(text, times_ns.append) for _ in range(connections)]
    for echo in echoes:
        await ws_connect(lambda echo=echo: echo, f"ws://{host}:{port}/")
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        times_ns.clear()
        began_s, cpu_s = time.perf_counter(), time.process_time()
        for echo in echoes:
            echo.start()
        await asyncio.sleep(float(line))
        came, took_s = len(times_ns), time.perf_counter() - began_s
        spent_s = time.process_time() - cpu_s
        for echo in echoes:
            echo.is_on = False
        # What is out comes back.
        await asyncio.sleep(0.02)
        if any(echo.wrong for echo in echoes):
            sys.exit("a message that came back was not the one that was sent")
        print(f"{came} {took_s:.6f} {spent_s:.6f}", flush=True)


if __name__ == "__main__":
    uvloop.run(run())
