"""A server that does next to nothing: fixed bytes for every request, to calibrate the generator.

Run as a script, `python -I -S null_server.py HOST PORT`: it needs nothing beyond Python itself and
imports nothing of ours. It ends by SIGTERM.
"""

import gc
import socket
import sys
from os import read, write
from select import EPOLLIN, epoll

BACKLOG = 2048
BODY = b"Hello, world!"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)
# Only requests without a body are understood: this ends each.
END = b"\r\n\r\n"
READ_BYTES = 65_536
MAX_EVENTS = 512


def listen(host: str, port: int) -> socket.socket:
    """Return a listening, non-blocking socket."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def answer_forever(listener: socket.socket) -> None:
    """Accept connections and respond to each request on them, as many as arrive at once."""
    watch = epoll()
    listening = listener.fileno()
    watch.register(listening, EPOLLIN)
    connections: dict[int, socket.socket] = {}
    # The beginning of a request that has come in part.
    partial: dict[int, bytes] = {}
    poll = watch.poll
    while True:
        for fd, _ in poll(-1, MAX_EVENTS):
            if fd == listening:
                accept_all(listener, watch, connections)
                continue
            try:
                data = read(fd, READ_BYTES)
                if fd in partial:
                    data = partial.pop(fd) + data
                count = data.count(END)
                if count == 1 and data.endswith(END):
                    write(fd, ANSWER)
                    continue
                if data:
                    write(fd, ANSWER * count)
                    rest = data[data.rfind(END) + len(END) :] if count else data
                    if rest:
                        partial[fd] = rest
                    continue
            except OSError:
                # Reset, or so many unread answers that there is no room for more.
                partial.pop(fd, None)
            # Closing takes it out of the epoll as well.
            connections.pop(fd).close()


def accept_all(
    listener: socket.socket, watch: epoll, connections: dict[int, socket.socket]
) -> None:
    """Accept every waiting connection."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()] = connection
        watch.register(connection.fileno(), EPOLLIN)


if __name__ == "__main__":
    # Nothing here makes cycles, and a collection would be a stall.
    gc.disable()
    answer_forever(listen(sys.argv[1], int(sys.argv[2])))
