"""A server of raw bytes: each path is answered with what stands under its name.

    python -I -S server.py PORT

A path in `THEN_CLOSES` has its connection closed after the answer; of `/sometimes` each 50th
answer of the process is that of `/beyond`.
"""

import itertools
import select
import socket
import sys

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"content-length: 2\r\n"
ANSWERS = {
    # Whole answers.
    "/plain": OK + LENGTH + b"\r\nok",
    "/many": OK + LENGTH + b"set-cookie: a=b\r\n" * 103 + b"\r\nok",
    "/long": OK + LENGTH + b"x-policy: " + b"y" * 70_000 + b"\r\n\r\nok",
    "/interim": b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK + LENGTH + b"\r\nok",
    "/fold": OK + b"x: a\r\n b\r\n" + LENGTH + b"\r\nok",
    "/joined": OK + b"content-length: 2, 2\r\n\r\nok",
    "/twice": OK + LENGTH + LENGTH + b"\r\nok",
    "/600": b"HTTP/1.1 600 Odd\r\n" + LENGTH + b"\r\nok",
    "/204": b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n",
    "/304": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 13\r\n\r\n",
    "/closing": OK + LENGTH + b"connection: close\r\n\r\nok",
    "/silently": OK + LENGTH + b"\r\nok",
    "/until-close": OK + b"\r\nok",
    "/login": b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 6\r\n\r\nlog in",
    "/slash": b"HTTP/1.1 307 Away\r\nlocation: /slash/\r\ncontent-length: 0\r\n\r\n",
    "/host": b"HTTP/1.1 400 Bad Request\r\ncontent-length: 19\r\n\r\nInvalid host header",
    "/early": b"HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large",
    # Broken ones.
    "/204-chunked": b"HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "/beyond": OK + LENGTH + b"\r\nokay",
    "/short": OK + b"content-length: 20\r\n\r\nHello",
    "/cut-off": OK + b"content-length: 20\r\n\r\nHello",
    "/103": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "/space": OK + b"x : a\r\n" + LENGTH + b"\r\nok",
    "/gzip": OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/differing": OK + LENGTH + b"content-length: 3\r\n\r\nok",
    "/huge": OK + LENGTH + b"x: " + b"y" * 300_000 + b"\r\n\r\nok",
    "/download": OK + b"content-length: %d\r\n\r\n" % (65 * 1024**2),
}
THEN_CLOSES = {"/closing", "/silently", "/until-close", "/cut-off", "/early"}
numbers = itertools.count(1)


def main() -> None:
    """Accept and answer for ever, each request when its head has come."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    peers: dict[int, socket.socket] = {}
    while True:
        for fd, _ in poller.poll():
            if fd == listener.fileno():
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[peer.fileno()] = peer
                poller.register(peer.fileno(), select.EPOLLIN)
            elif not serve(peers[fd]):
                poller.unregister(fd)
                peers.pop(fd).close()


def serve(peer: socket.socket) -> bool:
    """Answer one request; whether another may follow."""
    try:
        request = peer.recv(4096)
        if not request:
            return False
        path = request.split(b" ")[1].decode()
        is_wrong = path == "/sometimes" and not next(numbers) % 50
        peer.sendall(ANSWERS.get("/beyond" if is_wrong else path, ANSWERS["/plain"]))
    except ConnectionError:
        return False
    return path not in THEN_CLOSES


if __name__ == "__main__":
    main()
