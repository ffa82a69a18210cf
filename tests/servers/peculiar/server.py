"""A small HTTP server with one peculiarity, which a run has to find.

    python -I -S server.py PORT nagle|restless|greedy WORKERS

nagle: head and body leave as two segments, with Nagle's algorithm at work between them.
restless: burns a good part of a CPU while nobody asks for anything.
greedy: all workers listen, and the first one is always the first to accept.
"""

import os
import selectors
import signal
import socket
import sys
import time

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n", b"Hello, world!"
# Of each 10 ms of idling a restless server burns 3.
IDLE_S, BURNT_S = 0.007, 0.003
HESITATION_S = 0.02


def main(port: int, peculiarity: str, workers: int) -> None:
    """Listen, and serve here or in forked workers."""
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    listener.setblocking(False)
    pids = []
    for number in range(workers if workers > 1 else 0):
        pid = os.fork()
        if not pid:
            serve(listener, peculiarity, is_first=number == 0)
        pids.append(pid)
    if not pids:
        serve(listener, peculiarity, is_first=True)
    listener.close()

    def end(*_: object) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    for pid in pids:
        os.waitpid(pid, 0)


def serve(listener: socket.socket, peculiarity: str, *, is_first: bool) -> None:
    """Accept and answer until SIGTERM."""
    watched = selectors.DefaultSelector()
    watched.register(listener, selectors.EVENT_READ)
    while True:
        events = watched.select(IDLE_S if peculiarity == "restless" else None)
        if not events:
            burn()
        for key, _ in events:
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            if sock is not listener:
                if not answer(sock, in_two=peculiarity == "nagle"):
                    watched.unregister(sock)
                    sock.close()
                continue
            if peculiarity == "greedy" and not is_first:
                time.sleep(HESITATION_S)
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:  # another worker was faster
                continue
            accepted.setblocking(True)
            watched.register(accepted, selectors.EVENT_READ)


def answer(sock: socket.socket, *, in_two: bool) -> bool:
    """Answer one request; False where the connection is over."""
    try:
        if not sock.recv(65536):
            return False
        for part in (HEAD, BODY) if in_two else (HEAD + BODY,):
            sock.sendall(part)
    except ConnectionError:
        return False
    return True


def burn() -> None:
    """Use a CPU for a moment."""
    until_s = time.monotonic() + BURNT_S
    while time.monotonic() < until_s:
        pass


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
