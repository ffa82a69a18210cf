"""Where a server is reached, from its start to its load."""

from typing import Literal, Self, TypeAlias

import msgspec

# Servers and load share this machine: nothing that is measured leaves it.
HOST = "127.0.0.1"

Transport: TypeAlias = Literal["tcp"]
Protocol: TypeAlias = Literal["http1"]


class Endpoint(msgspec.Struct, frozen=True):
    """An address, what carries bytes to it, and what these bytes say."""

    address: tuple[str, int]
    """Host and port."""
    transport: Transport = "tcp"
    protocol: Protocol = "http1"

    @classmethod
    def local(cls, port: int) -> Self:
        """HTTP/1.1 on a TCP port of this machine."""
        return cls((HOST, port))

    @property
    def port(self) -> int:
        """The port of the address."""
        return self.address[1]

    @property
    def authority(self) -> str:
        """What a request's Host header says."""
        return f"{self.address[0]}:{self.port}"

    @property
    def url(self) -> str:
        """The root of all that is served there."""
        return f"http://{self.authority}"

    @property
    def label(self) -> str:
        """How a message names it, among endpoints of this machine."""
        return f"port {self.port}"
