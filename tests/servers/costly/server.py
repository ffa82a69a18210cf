"""A server whose requests cost a known CPU time, spent in processes of every kind.

    python -I -S server.py PORT WHERE

Each request burns BURN_S, in one process: `self` the server's own, `child` one forked for the
request, `script` a program that the child becomes, `pool` one of two that were forked under load,
`daemon` one that was then forked twice and left group and session, `recycled` a worker that ends
after 16 requests and is replaced, `twice` two such, `unwaited` one that nobody waits for. Every
process tells, after each request of its own, what CPU time it and the children it waited for have
used so far.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time

BURN_S = 0.005
LIFETIME = 16
# Those before are the probes of who waits until the server is ready.
PROBED = 3
SCRIPT = f"import time\nwhile time.process_time() < {BURN_S}: pass"
HEAD = b"HTTP/1.1 200 Some\r\ncontent-length: 13\r\n"
ANSWER = HEAD + b"\r\nHello, world!"
LAST_ANSWER = HEAD + b"connection: close\r\n\r\nHello, world!"


def say(**facts: object) -> None:
    """One line into the log, at once."""
    os.write(1, (json.dumps({"pid": os.getpid(), **facts}) + "\n").encode())


def burn() -> None:
    """Use BURN_S of CPU time in this process."""
    end = time.process_time() + BURN_S
    while time.process_time() < end:
        pass


def account(answered: int) -> None:
    """Tell what this process has used."""
    times = os.times()
    # The children's in steps of 10 ms, but of their whole sum.
    say(cpu_s=time.process_time() + times.children_user + times.children_system, answered=answered)


def child(*, is_program: bool) -> None:
    """Let a child burn, and wait for it."""
    pid = os.fork()
    if not pid:
        if is_program:
            os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", SCRIPT])
        else:
            burn()
        os._exit(0)
    os.waitpid(pid, 0)


class Helpers:
    """Processes that burn for each byte they get."""

    def __init__(self, count: int, leaves: bool) -> None:
        self._ours, theirs = socket.socketpair()
        for _ in range(count):
            pid = os.fork()
            if not pid:
                self._ours.close()
                if leaves:
                    os.setsid()
                    if os.fork():
                        os._exit(0)
                self._serve(theirs)
            if leaves:
                os.waitpid(pid, 0)
        theirs.close()

    def ask(self) -> None:
        """Let one of them burn."""
        self._ours.send(b"x")
        self._ours.recv(1)

    def _serve(self, theirs: socket.socket) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while theirs.recv(1):
            burn()
            account(0)
            theirs.send(b"x")
        os._exit(0)


class Server:
    """Answers for ever, or until it has lived long enough."""

    def __init__(self, listener: socket.socket, where: str) -> None:
        self._listener = listener
        self._where = where
        self._helpers: Helpers | None = None
        self._epoll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._answered = 0
        self._is_leaving = False

    def serve(self) -> None:
        """Serve; who is recycled closes each connection after one more answer, and ends."""
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        is_recycled = self._where in ("recycled", "twice")
        while True:
            for fd, _ in self._epoll.poll():
                if fd == self._listener.fileno():
                    self._accept()
                elif not self._connections[fd].recv(65536):
                    self._close(fd)
                else:
                    self._spend()
                    self._answered += 1
                    account(1)
                    is_last = is_recycled and self._answered >= LIFETIME
                    self._connections[fd].sendall(LAST_ANSWER if is_last else ANSWER)
                    if is_last:
                        self._close(fd)
            if is_recycled and self._answered >= LIFETIME:
                if not self._connections:
                    os._exit(0)
                if not self._is_leaving:
                    self._is_leaving = True
                    self._epoll.unregister(self._listener.fileno())

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            self._connections[connection.fileno()] = connection
            self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _close(self, fd: int) -> None:
        # Helpers may have inherited it: closing alone would leave it in the epoll.
        self._epoll.unregister(fd)
        self._connections.pop(fd).close()

    def _spend(self) -> None:
        where = self._where
        if where in ("child", "script"):
            child(is_program=where == "script")
        elif where == "unwaited":
            if not os.fork():
                burn()
                os._exit(0)
        elif where in ("pool", "daemon") and self._answered >= PROBED:
            if self._helpers is None:
                self._helpers = Helpers(2 if where == "pool" else 1, where == "daemon")
            self._helpers.ask()
        else:
            burn()


def main() -> None:
    """Listen, and serve, in one process or in workers that are replaced."""
    port, where = int(sys.argv[1]), sys.argv[2]
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    listener.setblocking(False)
    if where == "unwaited":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    if where not in ("recycled", "twice"):
        Server(listener, where).serve()
    for _ in range(2 if where == "twice" else 1):
        start(listener, where)
    while True:
        os.wait()
        start(listener, where)


def start(listener: socket.socket, where: str) -> None:
    """Fork a worker."""
    if not os.fork():
        # What a new worker pays before it serves, as for the imports of an app.
        burn()
        Server(listener, where).serve()


if __name__ == "__main__":
    main()
