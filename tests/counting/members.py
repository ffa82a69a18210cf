"""A small server that answers as it is told, and what it is counted by."""

import shutil
import sys
from pathlib import Path

import pytest

from asgi_bench.counting.members import Asked
from asgi_bench.model import Cell, ClosedLoop, PlannedCell, Scenario

# Answers as it is told, the first ones rightly: readiness takes some.
SERVER = """
import os, signal, socket, sys, time
mode, RIGHT = sys.argv[2], 20
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stays" else lambda *_: os._exit(0))
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
answered = 0
while True:
    peer, _ = listener.accept()
    while peer.recv(65536):
        answered += 1
        if answered > RIGHT:
            if mode == "exits":
                print("out of order", flush=True); os._exit(3)
            if mode == "silent":
                time.sleep(60)
        body = b"bye" if mode == "wrong" and answered > RIGHT else b"hello"
        peer.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
    peer.close()
"""
HELLO = Scenario(name="hello", app="hello:app", expect_body="hello")
needs_setarch = pytest.mark.skipif(
    shutil.which("setarch") is None, reason="setarch (util-linux) is not installed"
)


def asked_of(folder: Path, *modes: str, answers: int = 30) -> list[Asked]:
    """A server in each of these modes."""
    asked = []
    for number, mode in enumerate(modes):
        command = (sys.executable, "-I", "-S", "-c", SERVER, "{port}", mode)
        cell = Cell("tiny", f"{mode}-{number}", 1, "hello", ClosedLoop(1))
        planned = PlannedCell(cell, command if mode != "absent" else ("/no/such/server",))
        asked.append(Asked(planned, HELLO, 0, answers, folder / f"{number}.log"))
    return asked
