"""A small HTTP server that behaves, or misbehaves as its first argument says.

Runs alone (`python -I -S fake_server.py MODE PORT`), to be up within some 30 ms. Writes one line
`request` to standard output for each request it reads.
"""

import os
import select
import signal
import socket
import sys
import time

BODY = b"Hello, world!"


def say(text: str) -> None:
    """One line into the log, at once."""
    os.write(1, f"{text}\n".encode())


def answer(status: int = 200, body: bytes = BODY, extra: str = "") -> bytes:
    """A whole response."""
    head = f"HTTP/1.1 {status} Some\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def listen(port: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket on the port."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(128)
    return sock


def serve(listener: socket.socket, mode: str = "good", *, uses_epoll: bool = True) -> None:
    """Accept and answer for ever, one thread, many connections."""
    started_s = time.monotonic()
    poller = select.epoll() if uses_epoll else select.poll()
    poller.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    accepted = 0
    while True:
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                connection, _ = listener.accept()
                accepted += 1
                if mode == "resets-first" and accepted == 1:
                    connection.close()
                    continue
                connections[connection.fileno()] = connection
                poller.register(connection.fileno(), select.EPOLLIN)
                continue
            connection = connections[fd]
            data = connection.recv(65536)
            if data:
                say("request")
                reply = response(mode, time.monotonic() - started_s)
                connection.sendall(reply)
            closes = b"connection: close" in reply or mode in ("cut-off", "unanswered", "parts")
            if not data or closes:
                poller.unregister(fd)
                connections.pop(fd).close()


def response(mode: str, age_s: float) -> bytes:
    """What this mode sends for a request."""
    if mode == "status":
        return answer(500)
    if mode == "body":
        return answer(200, b"Goodbye")
    if mode == "long-body":
        return answer(200, b"x" * 1000)
    if mode == "gateway" and age_s < 0.4:
        return answer(503, b"")
    if mode == "closing":
        return answer(extra="connection: close\r\n")
    if mode == "interim":
        return b"HTTP/1.1 103 Early Hints\r\n\r\n"
    if mode == "early-hints":
        return b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + answer()
    if mode == "beyond":
        return b"HTTP/1.1 204 Some\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    if mode in ("short", "cut-off"):
        return b"HTTP/1.1 200 Some\r\ncontent-length: 20\r\n\r\n" + BODY
    if mode == "garbage":
        return b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
    if mode in ("silent", "unanswered"):
        return b""
    return answer()


def fork_workers(listener: socket.socket, serving: int, total: int) -> None:
    """A master with workers, of which only some accept."""
    for number in range(total):
        if os.fork() == 0:
            if number < serving:
                serve(listener)
            time.sleep(600)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(600)


def daemonise(listener: socket.socket) -> None:
    """Serve from a process that has left its parents, its group and its session."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say(f"daemon {os.getpid()}")
            serve(listener)
        os._exit(0)
    os.wait()


def linger(*_: object) -> None:
    """End, after a while."""
    time.sleep(0.4)
    sys.exit(0)


def main(mode: str, port: int) -> None:
    """Do what the mode says."""
    if mode == "exits":
        say("cannot import name 'app'")
        sys.exit(3)
    if mode == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "never-listens":
        time.sleep(600)
    if mode == "inherits":
        listener = socket.socket(fileno=port)
        serve(listener)
    listener = listen(port, reuse_port=mode in ("reuse-port", "stranger"))
    if mode == "rebinds":
        time.sleep(0.3)
        listener.close()
        listener = listen(port)
    if mode == "never-accepts":
        time.sleep(600)
    if mode in ("two-workers", "one-of-two-workers"):
        fork_workers(listener, 2 if mode == "two-workers" else 1, 2)
    if mode == "daemon-and-exit":
        daemonise(listener)
        sys.exit(0)
    if mode == "daemon":
        daemonise(listener)
        mode = "good"
    if mode == "ignores-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "slow-stop":
        signal.signal(signal.SIGTERM, linger)
    if mode == "stranger":
        say("up")
    serve(listener, mode, uses_epoll=mode != "no-epoll")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
