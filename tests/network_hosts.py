"""Hosts on a network, as network namespaces of this machine joined by a bridge; needs root."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

import pytest

NETWORK = "10.77.0"


def needs_namespaces() -> pytest.MarkDecorator:
    """Skip where no network namespace can be made."""
    able = os.geteuid() == 0 and shutil.which("ip") is not None
    return pytest.mark.skipif(not able, reason="network namespaces need root and iproute2")


# The kernel removes a namespace and what was in it a while after it was told to.
_NUMBERS = itertools.count()


class Hosts:
    """So many hosts, each with an address, on one bridge; gone after the `with` block."""

    def __init__(self, count: int) -> None:
        self._mark = f"ab{os.getpid()}{next(_NUMBERS)}"
        self.addresses = [f"{NETWORK}.{number + 1}" for number in range(count)]

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def command(self, number: int, argv: Sequence[str]) -> list[str]:
        """What runs a command on a host."""
        return ["ip", "netns", "exec", self._space(number), *argv]

    def cut(self, number: int) -> None:
        """Cut a host off, as if its cable were pulled."""
        _ip("link", "set", f"{self._mark}b{number}", "down")

    def _build(self) -> None:
        bridge = f"{self._mark}br"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for number, address in enumerate(self.addresses):
            space, ours, theirs = self._space(number), f"{self._mark}b{number}", "eth0"
            _ip("netns", "add", space)
            _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", space)
            _ip("link", "set", ours, "master", bridge, "up")
            _ip("-n", space, "addr", "add", f"{address}/24", "dev", theirs)
            _ip("-n", space, "link", "set", theirs, "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def _remove(self) -> None:
        for number in range(len(self.addresses)):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", self._space(number))
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", f"{self._mark}br")

    def _space(self, number: int) -> str:
        return f"{self._mark}h{number}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)
