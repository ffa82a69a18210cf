"""Where a server is reached, from its start to its load."""

from collections.abc import Mapping
from typing import Literal, Self, TypeAlias

import msgspec

# Servers and load share this machine: nothing that is measured leaves it.
HOST = "127.0.0.1"
# What a request over a Unix socket, which has no host of its own, says in its Host header.
NAME = "localhost"

# Where a master awaits load processes of other hosts: Locust's own default.
MASTER_PORT = 5557
# The variable with what a run and its load hosts know each other by.
TOKEN_VARIABLE = "ASGI_BENCH_TOKEN"  # noqa: S105  (its name, no token)

# Which port a URL without one means.
PORTS = {"http": 80, "https": 443}

HttpVersion: TypeAlias = Literal["1", "2"]
# `tls` is TLS over TCP, `unix` a stream socket with a path.
Transport: TypeAlias = Literal["tcp", "tls", "unix"]
Protocol: TypeAlias = Literal["http1", "http2", "websocket"]

# What carries the bytes to a URL, by its scheme.
TRANSPORTS: Mapping[str, Transport] = {"http": "tcp", "https": "tls"}


class Endpoint(msgspec.Struct, frozen=True):
    """An address, what carries bytes to it, and which protocol they follow."""

    address: tuple[str, int] | str
    """Host and port; of a Unix socket its path."""
    transport: Transport = "tcp"
    protocol: Protocol = "http1"
    ca_file: str = ""
    """Over TLS: the certificate of the authority that must have signed the server's own; empty for
    those that the system trusts."""
    ca_pem: str = ""
    """The same as text, for a load process of another machine, which doesn't have the file."""
    name: str = ""
    """The host's name, in requests and over TLS in its certificate; empty if that is its
    address."""
    resumes: bool = False
    """Over TLS: whether a connection resumes the session of an earlier one, if there is one."""

    @classmethod
    def local(cls, port: int) -> Self:
        """HTTP/1.1 on a TCP port of this machine."""
        return cls((HOST, port))

    @property
    def port(self) -> int:
        """The port of the address; 0 for a Unix socket."""
        return 0 if isinstance(self.address, str) else self.address[1]

    @property
    def path(self) -> str | None:
        """The path of a Unix socket; None for a port."""
        return self.address if isinstance(self.address, str) else None

    @property
    def authority(self) -> str:
        """The value of a request's Host header."""
        if isinstance(self.address, str):
            return NAME
        host, port = self.name or self.address[0], self.port
        return host if port == PORTS[self.scheme] else f"{host}:{port}"

    @property
    def scheme(self) -> str:
        """The scheme of a request's URL: `https` over TLS."""
        return "https" if self.transport == "tls" else "http"

    @property
    def url(self) -> str:
        """The root URL."""
        return f"{self.scheme}://{self.authority}"

    @property
    def label(self) -> str:
        """Its name in messages, among endpoints of this machine."""
        return f"port {self.port}" if self.path is None else f"socket {self.path}"


class Target(msgspec.Struct, frozen=True):
    """The root URL of a server elsewhere, such as `http://10.0.0.1:8000`."""

    scheme: str
    host: str
    port: int

    @property
    def transport(self) -> Transport:
        """What carries the bytes there."""
        return TRANSPORTS[self.scheme]

    @property
    def authority(self) -> str:
        """Host and port; without the port if it is the default of the scheme."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL as reports show it."""
        return f"{self.scheme}://{self.authority}"


def way_suffix(http: HttpVersion, transport: Transport) -> str:
    """Return how a key names an HTTP version and a transport, if they are not the defaults.

    `+h2+tls` names both, `+unix` only the transport; HTTP/1.1 over TCP adds nothing.
    """
    version = "" if http == "1" else f"+h{http}"
    return version if transport == "tcp" else f"{version}+{transport}"
