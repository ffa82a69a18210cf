"""A server that stalls for a known time in a known period, so that its latency is arithmetic.

Arguments: host, port. Whoever asks during a stall waits for its end: of requests that come evenly,
a share of (STALL_S - x) / PERIOD_S waits longer than x.
"""

import selectors
import socket
import sys
import time

STALL_S = 0.1
PERIOD_S = 1.0
BODY = b"Hello, world!"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\n" + BODY


def serve(host: str, port: int) -> None:
    """Answer every read with one answer, until the process is ended."""
    watched = selectors.DefaultSelector()
    listener = socket.create_server((host, port), backlog=2048)
    listener.setblocking(False)
    watched.register(listener, selectors.EVENT_READ)
    while True:
        into_s = time.monotonic() % PERIOD_S
        if into_s < STALL_S:
            time.sleep(STALL_S - into_s)
        to_stall_s = PERIOD_S - time.monotonic() % PERIOD_S
        for key, _ in watched.select(to_stall_s):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is listener:
                accepted, _ = listener.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                watched.register(accepted, selectors.EVENT_READ)
                continue
            try:
                asked = sock.recv(65536)
                if asked:
                    sock.sendall(ANSWER)
            except OSError:
                asked = b""
            if not asked:
                watched.unregister(sock)
                sock.close()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
