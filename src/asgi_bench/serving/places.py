"""Where a run's servers are reached: ports, sockets with a path, and the run's certificates."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from asgi_bench.errors import BenchError
from asgi_bench.machine.ports import free_endpoint
from asgi_bench.model import HOST, Cell, Endpoint
from asgi_bench.model.endpoint import NAME

# Of sockaddr_un in Linux, with the zero at its end.
LONGEST_PATH_BYTES = 107


class Place(NamedTuple):
    """An endpoint, and what fills its placeholders in a command."""

    endpoint: Endpoint
    fill: Mapping[str, str]


class Certificate(NamedTuple):
    """Files of a certificate: the authority's, the server's with its chain, and the server's key.

    The key is PKCS#8, which every server reads; granian reads no other.
    """

    authority: Path
    chain: Path
    key: Path


class Places:
    """Hands out places while it is open; their files are in a folder that is then removed.

    Ports are those of `host`.
    """

    def __init__(self, host: str = HOST) -> None:
        self._host = host
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._sockets = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def place(self, cell: Cell, chance: random.Random) -> Place:
        """A place for a cell's server, where nothing listens; raises BenchError."""
        if cell.transport == "unix":
            return self._socket(cell)
        found = free_endpoint(chance, self._host)
        fill = {"{port}": str(found.port)}
        if cell.transport == "tcp":
            return Place(Endpoint(found.address, "tcp", cell.protocol), fill)
        files = self._certificate
        endpoint = Endpoint(found.address, "tls", cell.protocol, str(files.authority))
        return Place(endpoint, {**fill, "{cert}": str(files.chain), "{key}": str(files.key)})

    def _socket(self, cell: Cell) -> Place:
        self._sockets += 1
        path = str(self._files / f"{self._sockets}.sock")
        if len(path.encode()) > LONGEST_PATH_BYTES:
            raise BenchError(
                f"{path}: a Unix socket's path can have at most {LONGEST_PATH_BYTES} bytes: set "
                "TMPDIR to a shorter folder"
            )
        return Place(Endpoint(path, "unix", cell.protocol), {"{socket}": path})

    @property
    def _files(self) -> Path:
        """The folder; nobody else may look into it."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="asgi-bench-")
        return Path(self._folder.name)

    @cached_property
    def _certificate(self) -> Certificate:
        """Made when the first server needs it, for all of them."""
        return make_certificate(self._files, self._host)


def make_certificate(folder: Path, host: str = HOST) -> Certificate:
    """Write a new authority and a certificate into a folder: of loopback, and of an address."""
    # A quarter of a second, which only runs over TLS spend.
    import trustme
    from cryptography.hazmat.primitives import serialization

    authority = trustme.CA()
    issued = authority.issue_cert(*dict.fromkeys((HOST, NAME, host)))
    files = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority.cert_pem.write_to_path(files.authority)
    files.chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    files.key.touch(mode=0o600)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
