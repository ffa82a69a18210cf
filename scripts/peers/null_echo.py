#!/usr/bin/env python3
"""A server that does next to nothing over HTTP/1.1 and over WebSocket, and the same for both.

Canned bytes answer every request, and every message: so many over either, given by SIZE. Each
request and message has to come alone, as a closed loop sends it. `null_echo.py HOST PORT SIZE`.
"""

import gc
import hashlib
import re
import socket
import sys
from base64 import b64encode
from os import read, write
from select import EPOLLIN, epoll

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"\r\nsec-websocket-key: *([0-9A-Za-z+/=]+)\r\n", re.IGNORECASE)
END = b"\r\n\r\n"
CLOSE = 0x88
MASK_BYTES = 4
READ_BYTES = 65_536


def bodies(size: int) -> tuple[bytes, bytes]:
    """What fills an answer of so many bytes: the body of a response, the text of a message."""
    return b"x" * (size - len(HEAD % 10)), b"x" * (size - 2)


def main() -> None:
    """Serve for ever."""
    host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    body, text = bodies(size)
    response, echo = HEAD % len(body) + body, bytes((0x81, len(text))) + text
    assert len(response) == len(echo) == size
    # What a client sends to get it: the same text, masked.
    message_bytes = size + MASK_BYTES
    gc.disable()
    listener = socket.create_server((host, port), backlog=2048)
    listener.setblocking(False)
    watch = epoll()
    watch.register(listener.fileno(), EPOLLIN)
    connections: dict[int, socket.socket] = {}
    messaging: set[int] = set()
    while True:
        for fd, _ in watch.poll(-1, 512):
            if fd == listener.fileno():
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                watch.register(connection.fileno(), EPOLLIN)
                continue
            try:
                data = read(fd, READ_BYTES)
                if fd in messaging:
                    if len(data) == message_bytes and data[0] == echo[0]:
                        write(fd, echo)
                        continue
                elif data.endswith(END) and b"pgrade" not in data:
                    write(fd, response)
                    continue
                elif key := KEY.search(data):
                    accept = b64encode(hashlib.sha1(key[1] + GUID, usedforsecurity=False).digest())
                    write(fd, SWITCHING % accept)
                    messaging.add(fd)
                    continue
                if data and data[0] != CLOSE:
                    sys.exit(f"not a request, nor a message of {len(text)} bytes: {data[:60]!r}")
            except OSError:
                pass
            messaging.discard(fd)
            connections.pop(fd).close()


if __name__ == "__main__":
    main()
