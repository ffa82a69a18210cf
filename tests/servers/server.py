"""A small HTTP server for tests of whole runs: up at once, and it says what it was told.

    python -I -S server.py PORT [--workers N] [--delay-ms N] [--status N] [--body TEXT]
                                [--exit-after N] [--silent-after N] [--tell-port]
                                [--finish] [--deaf] [--idle-close S] [--respawn]
                                [--wrong-every N]
                                [--keep-bytes N] [--keep-most N] [--keep-in-child]

Each process writes lines of JSON to its log: when it starts with what it was started with, and
at SIGTERM with how many whole requests it has received. At SIGTERM it drops what it has not
answered, unless it is to finish: then it answers that, closing each connection after its answer.
With --wrong-every each Nth request of a process is answered with 500.
With --keep-bytes each request leaves so much behind, at most that of --keep-most requests, in a
child of the process that begins with the load where that is asked for.
A worker that dies is replaced with --respawn alone. Other arguments are taken and told.
"""

import argparse
import json
import os
import select
import signal
import socket
import sys
import time

BODY = "Hello, world!"
# How soon a server notices that it is to end, or that a connection has idled long enough.
TICK_S = 0.01


def main() -> None:
    """Listen, and serve in one process or in forked workers."""
    asked, _ = options()
    if asked.tell_port:
        tell(asked.port)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", asked.port))
    listener.listen(512)
    told = {name: value for name, value in os.environ.items() if name.startswith("TINY_")}
    say(started=sys.argv[1:], port=asked.port, env=told)
    if asked.workers == 1:
        Server(listener, asked).serve()
    workers: set[int] = set()

    def end(*_: object) -> None:
        asked.respawn = False
        if asked.deaf:
            return
        for pid in workers:
            os.kill(pid, signal.SIGTERM)

    def start() -> None:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            Server(listener, asked).serve()
        workers.add(pid)

    for _ in range(asked.workers):
        start()
    signal.signal(signal.SIGTERM, end)
    while workers:
        workers.discard(os.wait()[0])
        if asked.respawn:
            start()


def options() -> tuple[argparse.Namespace, list[str]]:
    """What the command line asks for, and what it says beside that."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--body", default=BODY)
    parser.add_argument("--exit-after", type=int, default=0)
    parser.add_argument("--silent-after", type=int, default=0)
    parser.add_argument("--tell-port", action="store_true")
    parser.add_argument("--finish", action="store_true")
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--idle-close", type=float, default=0)
    parser.add_argument("--respawn", action="store_true")
    parser.add_argument("--wrong-every", type=int, default=0)
    parser.add_argument("--keep-bytes", type=int, default=0)
    parser.add_argument("--keep-most", type=int, default=0)
    parser.add_argument("--keep-in-child", action="store_true")
    return parser.parse_known_args()


def tell(port: int) -> None:
    """Tell the port over a Unix socket (its path in TINY_FRIEND), and wait until it hangs up."""
    with socket.socket(socket.AF_UNIX) as friend:
        friend.connect(os.environ["TINY_FRIEND"])
        friend.sendall(f"{port}\n".encode())
        friend.recv(1)


def say(**facts: object) -> None:
    """One line into the log, at once."""
    os.write(1, (json.dumps({"pid": os.getpid(), **facts}) + "\n").encode())


class Keep:
    """What requests leave behind."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._asked = asked
        self._kept: list[bytes] = []
        self._child: socket.socket | None = None

    def one(self) -> None:
        """Leave something behind, unless there is enough of it."""
        if self._asked.keep_in_child:
            self._tell_child()
        elif not self._asked.keep_most or len(self._kept) < self._asked.keep_most:
            self._kept.append(b"x" * self._asked.keep_bytes)

    def _tell_child(self) -> None:
        if self._child is None:
            self._child, theirs = socket.socketpair()
            if not os.fork():
                # Connections would stay open otherwise when the server closes them.
                os.closerange(3, theirs.fileno())
                os.closerange(theirs.fileno() + 1, 1024)
                while theirs.recv(1):
                    self._kept.append(b"x" * self._asked.keep_bytes)
                    theirs.send(b"x")
                os._exit(0)
            theirs.close()
        self._child.send(b"x")
        self._child.recv(1)


class Server:
    """Accepts and answers for ever, one thread, many connections."""

    def __init__(self, listener: socket.socket, asked: argparse.Namespace) -> None:
        self._listener = listener
        self._asked = asked
        self._received = 0
        self._is_ending = False
        self._answered_s: dict[int, float] = {}
        self._keep = Keep(asked) if asked.keep_bytes else None
        body = asked.body.encode()
        rest = f" Some\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        self._answer = f"HTTP/1.1 {asked.status}".encode() + rest
        self._wrong = b"HTTP/1.1 500" + rest

    def serve(self) -> None:
        """Serve until SIGTERM."""
        signal.signal(signal.SIGTERM, self._end)
        self._listener.setblocking(False)
        epoll = select.epoll()
        epoll.register(self._listener.fileno(), select.EPOLLIN)
        connections: dict[int, socket.socket] = {}
        grain_s = TICK_S if self._asked.idle_close or self._asked.finish else None
        while not self._is_ending or connections:
            if self._is_ending and self._listener.fileno() >= 0:
                self._listener.close()
            for fd, _ in epoll.poll(grain_s):
                if fd == self._listener.fileno():
                    try:
                        connection, _ = self._listener.accept()
                    except BlockingIOError:  # another worker was faster
                        continue
                    connections[connection.fileno()] = connection
                    self._answered_s.pop(connection.fileno(), None)
                    epoll.register(connection.fileno(), select.EPOLLIN)
                elif not self._take(connections[fd]) or self._is_ending:
                    connections.pop(fd).close()
            if self._asked.idle_close:
                limit_s = time.monotonic() - self._asked.idle_close
                for fd in [fd for fd in connections if self._answered_s.get(fd, limit_s) < limit_s]:
                    connections.pop(fd).close()
        os._exit(0)

    def _take(self, connection: socket.socket) -> bool:
        """Answer what came; False where the connection is over. Requests here are one segment."""
        try:
            data = connection.recv(65536)
            if not data:
                return False
            self._received += data.count(b"\r\n\r\n")
            if 0 < self._asked.exit_after < self._received:
                os.write(2, b"fatal: out of patience\n")
                os._exit(3)
            if self._keep is not None:
                self._keep.one()
            if self._asked.delay_ms:
                time.sleep(self._asked.delay_ms / 1000)
            if not 0 < self._asked.silent_after < self._received:
                every = self._asked.wrong_every
                is_wrong = every and self._received % every == 0
                connection.sendall(self._wrong if is_wrong else self._answer)
                self._answered_s[connection.fileno()] = time.monotonic()
        except ConnectionError:
            return False
        return True

    def _end(self, *_: object) -> None:
        say(received=self._received)
        self._is_ending = True
        if not self._asked.finish:
            os._exit(0)


if __name__ == "__main__":
    main()
