"""A small HTTP server that does one thing wrong, at one phase of its life.

    python -I -S server.py PORT [--faulty]

FAULT, FAULT_AT and FAULT_START say what, at which phase, and from its which start on. Each phase it
reaches is a line of JSON at the end of the file in FAULT_JOURNAL, which the fault matrix waits for.
"""

import json
import os
import resource
import select
import signal
import socket
import sys
import time

BODY = b"Hello, world!"
# A probe and what opens connections come before the first of these, what is measured after the
# second.
WARM_UP_REQUESTS, SLICE_REQUESTS = 3, 200
LEAK_BYTES, LEAK_LIMIT_BYTES = 2**20, 200 * 2**20
FLOOD_BYTES = 30 * 2**20
SLOW_S = 0.15


class Server:
    """Accepts and answers for ever in one thread; `phase` is how far it has come."""

    def __init__(self, port: int, fault: str) -> None:
        self._port = port
        self._fault = fault
        self._at = os.environ.get("FAULT_AT", "")
        self._received = 0
        self._kept: list[bytes] = []
        self._is_on = False
        self._squatted: list[socket.socket] = []

    def run(self) -> None:
        """Go through the phases."""
        signal.signal(signal.SIGTERM, self._end)
        self._reach("start")
        port = self._port + 1 if self._is("binds-another-port") else self._port
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
        self._reach("ready")
        epoll = select.epoll()
        epoll.register(listener.fileno(), select.EPOLLIN)
        connections: dict[int, socket.socket] = {}
        while True:
            for fd, _ in epoll.poll():
                if fd == listener.fileno():
                    connection, _ = listener.accept()
                    connections[connection.fileno()] = connection
                    epoll.register(connection.fileno(), select.EPOLLIN)
                elif not self._take(connections[fd]):
                    connections.pop(fd).close()

    def _is(self, fault: str) -> bool:
        return self._is_on and self._fault == fault

    def _take(self, connection: socket.socket) -> bool:
        """Answer what came; False where the connection is over. Requests here are one segment."""
        try:
            data = connection.recv(65536)
            if not data:
                return False
            self._count(data.count(b"\r\n\r\n"))
            if self._is("closes-connections"):
                return False
            if self._is("answers-slowly"):
                time.sleep(SLOW_S)
            body = b"Hello, w0rld!" if self._is("wrong-body") else BODY
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n" + body)
        except ConnectionError:
            return False
        return True

    def _count(self, requests: int) -> None:
        before, self._received = self._received, self._received + requests
        for least, phase in (
            (1, "verify"),
            (WARM_UP_REQUESTS, "warm-up"),
            (SLICE_REQUESTS, "slice"),
        ):
            if before < least <= self._received:
                self._reach(phase)
        if self._is("leaks"):
            self._leak()

    def _end(self, *_: object) -> None:
        self._reach("stop")
        os._exit(0)

    def _reach(self, phase: str) -> None:
        note(phase, self._port)
        if phase == self._at and self._fault:
            self._is_on = True
            self._do()

    def _do(self) -> None:
        fault = self._fault
        if fault == "exits":
            os.write(2, b"fatal: out of patience\n")
            os._exit(3)
        if fault == "is-killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "stops-answering":
            time.sleep(600)
        if fault == "leaks":
            resource.setrlimit(resource.RLIMIT_AS, (LEAK_LIMIT_BYTES, LEAK_LIMIT_BYTES))
            if self._at in ("start", "ready", "stop"):
                while True:
                    self._leak()
        if fault == "forks-a-child":
            self._fork()
        if fault == "ignores-sigterm":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if self._at == "stop":
                time.sleep(600)
        if fault == "floods-its-log":
            for _ in range(FLOOD_BYTES // 2**16):
                os.write(1, b"x" * 1023 + b"\n" * 1 + b"y" * (2**16 - 1024))
        if fault == "squats-ports":
            self._squat()

    def _leak(self) -> None:
        self._kept.append(b"x" * LEAK_BYTES)

    def _fork(self) -> None:
        """A child that has left the server's group and session, and ignores SIGTERM."""
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            note("child", self._port)
            time.sleep(600)

    def _squat(self) -> None:
        """The ports that the next servers might have got."""
        for port in range(self._port + 1, self._port + 30):
            taken = socket.socket()
            try:
                taken.bind(("127.0.0.1", port))
                taken.listen()
            except OSError:
                taken.close()
            else:
                self._squatted.append(taken)


def note(phase: str, port: int) -> None:
    """One line at the end of the journal, at once."""
    path = os.environ.get("FAULT_JOURNAL")
    if path:
        server = "faulty" if "--faulty" in sys.argv else "steady"
        told = {
            "server": server,
            "phase": phase,
            "pid": os.getpid(),
            "port": port,
            "at_s": time.time(),
        }
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, (json.dumps(told) + "\n").encode())
        os.close(handle)


def starts() -> int:
    """How often the faulty server was started before this time."""
    path = os.environ.get("FAULT_JOURNAL", "")
    if not os.path.exists(path):  # noqa: PTH110  (less to import: it has to be up at once)
        return 0
    with open(path, encoding="utf-8") as journal:  # noqa: PTH123
        told = [json.loads(line) for line in journal]
    return sum(one["server"] == "faulty" and one["phase"] == "start" for one in told)


def main() -> None:
    """Serve, with a fault from the start on that is asked for."""
    fault = os.environ.get("FAULT", "") if "--faulty" in sys.argv else ""
    is_due = bool(fault) and starts() + 1 >= int(os.environ.get("FAULT_START", "1"))
    Server(int(sys.argv[1]), fault if is_due else "").run()


if __name__ == "__main__":
    main()
