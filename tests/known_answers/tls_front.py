"""TLS before a known-answer server: what it answers goes out encrypted, and badly where asked for.

Each connection has a thread of the test's own process, and a connection to the server behind it,
so that the server's counts are those of the client.
"""

import select
import socket
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from asgi_bench.model import HOST, Endpoint
from asgi_bench.model.endpoint import Protocol
from asgi_bench.serving.places import Certificate

READ_BYTES = 1 << 16
RESET = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)


class TlsFront:
    """Takes connections over TLS to the server that listens on a port of this machine.

    `segment_bytes` is how much leaves at a time, each a segment of its own; with `cut_in` the
    answer of that number, counted from 1 on each connection, ends in the middle of its record.
    """

    def __init__(
        self,
        port: int,
        certificate: Certificate,
        *,
        alpn: tuple[str, ...] = ("http/1.1",),
        segment_bytes: int = 0,
        cut_in: int = 0,
    ) -> None:
        self._port = port
        self._certificate = certificate
        self._segment_bytes = segment_bytes
        self._cut_in = cut_in
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.chain, certificate.key)
        if alpn:
            self._context.set_alpn_protocols(list(alpn))
        self._is_over = threading.Event()
        # Of each connection whose keys were agreed on: whether by an earlier session.
        self.resumed: list[bool] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server((HOST, 0), backlog=1024)
        self._listener.settimeout(0.05)
        self._start(threading.Thread(target=self._accept))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def endpoint(self, protocol: Protocol = "http1") -> Endpoint:
        """Where it is reached, by a client that trusts its authority."""
        address = (HOST, int(self._listener.getsockname()[1]))
        return Endpoint(address, "tls", protocol, str(self._certificate.authority))

    def _start(self, thread: threading.Thread) -> None:
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            with suppress(TimeoutError):
                sock, _ = self._listener.accept()
                self._start(threading.Thread(target=self._serve, args=(sock,)))

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = self._context.wrap_bio(incoming, outgoing, server_side=True)
        back = socket.create_connection((HOST, self._port))
        # A client that is gone, or does not trust us, ends it.
        with sock, back, suppress(OSError):
            self._shake_hands(sock, engine, incoming, outgoing)
            self._relay(sock, back, engine, incoming, outgoing)

    def _shake_hands(
        self,
        sock: socket.socket,
        engine: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        while True:
            try:
                engine.do_handshake()
            except ssl.SSLWantReadError:
                self._send(sock, outgoing.read())
                data = sock.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError from None
                incoming.write(data)
            else:
                self.resumed.append(engine.session_reused is True)
                self._send(sock, outgoing.read())
                return

    def _relay(
        self,
        sock: socket.socket,
        back: socket.socket,
        engine: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        answers = 0
        while not self._is_over.is_set():
            with suppress(ssl.SSLWantReadError):
                # What came behind the handshake is there before any event.
                while asked := engine.read(READ_BYTES):
                    back.sendall(asked)
                return
            readable, _, _ = select.select([sock, back], [], [], 0.05)
            if sock in readable:
                data = sock.recv(READ_BYTES)
                if not data:
                    return
                incoming.write(data)
            if back in readable:
                try:
                    answer = back.recv(READ_BYTES)
                except ConnectionResetError:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    return
                if not answer:
                    with suppress(ssl.SSLWantReadError):
                        engine.unwrap()
                    self._send(sock, outgoing.read())
                    return
                answers += 1
                engine.write(answer)
                record = outgoing.read()
                if answers == self._cut_in:
                    self._send(sock, record[: len(record) // 2])
                    return
                self._send(sock, record)

    def _send(self, sock: socket.socket, data: bytes) -> None:
        step = self._segment_bytes or max(len(data), 1)
        for start in range(0, len(data), step):
            sock.sendall(data[start : start + step])


def expired_certificate(folder: Path) -> Certificate:
    """A certificate that was good until yesterday."""
    from datetime import UTC, datetime, timedelta

    import trustme

    authority = trustme.CA()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    issued = authority.issue_cert(
        HOST, not_before=yesterday - timedelta(days=30), not_after=yesterday
    )
    files = Certificate(folder / "old-ca.pem", folder / "old.pem", folder / "old.key")
    authority.cert_pem.write_to_path(files.authority)
    files.chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key)
    return files
