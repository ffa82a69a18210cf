"""Hosts on a network, as network namespaces of this machine joined by a bridge; needs root.

Delay and loss come from a process between a host and the bridge (tests/network_path.py), since the
kernel may lack netem; bandwidth comes from tbf.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import pytest

from tests.network_path import Record

NETWORK = "10.77.0"
ROOT = Path(__file__).resolve().parents[1]
END_S = 60.0


def needs_namespaces() -> pytest.MarkDecorator:
    """Skip where no network namespace can be made."""
    able = os.geteuid() == 0 and shutil.which("ip") is not None
    return pytest.mark.skipif(not able, reason="network namespaces need root and iproute2")


def needs(program: str, device: str = "/") -> pytest.MarkDecorator:
    """Skip where a program or a device is missing."""
    able = shutil.which(program) is not None and Path(device).exists()
    return pytest.mark.skipif(not able, reason=f"needs {program} and {device}")


# The kernel removes a namespace and what was in it a while after it was told to.
_NUMBERS = itertools.count()


class Way(NamedTuple):
    """How frames come from the bridge to a host, and which share of all is lost."""

    delay_s: float = 0.0
    loss: float = 0.0


class Hosts:
    """So many hosts, each with an address, on one bridge; gone after the `with` block.

    Those in `ways` have a process between them and the bridge, which keeps its record in `folder`.
    """

    def __init__(
        self, count: int, ways: Mapping[int, Way] | None = None, folder: Path | None = None
    ) -> None:
        self._mark = f"ab{os.getpid() % 100_000}{next(_NUMBERS)}"
        self._ways = dict(ways or {})
        self._folder = folder or Path()
        self._passing: dict[int, subprocess.Popen[str]] = {}
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

    def narrow(self, number: int, bits_per_s: int) -> None:
        """Let no more than this through to a host."""
        limits = ("rate", str(bits_per_s), "burst", "32kb", "latency", "50ms")
        device = f"{self._mark}b{number}"
        subprocess.run(
            ["tc", "qdisc", "add", "dev", device, "root", "tbf", *limits],
            check=True,
            capture_output=True,
            timeout=END_S,
        )

    def record(self, number: int) -> Record:
        """End the process between a host and the bridge; what went by."""
        process = self._passing.pop(number)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=END_S)
        return msgspec.json.decode((self._folder / f"way-{number}.json").read_bytes(), type=Record)

    def _build(self) -> None:
        bridge = f"{self._mark}br"
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for number, address in enumerate(self.addresses):
            space, ours = self._space(number), f"{self._mark}b{number}"
            _ip("netns", "add", space)
            theirs = "eth0"
            if number in self._ways:
                theirs = self._pass_by(number, ours)
                _ip("link", "set", theirs, "netns", space)
            else:
                _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", space)
            _ip("link", "set", ours, "master", bridge, "up")
            _ip("-n", space, "addr", "add", f"{address}/24", "dev", theirs)
            _ip("-n", space, "link", "set", theirs, "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def _pass_by(self, number: int, far: str) -> str:
        """Start the process between a host and the bridge; the name of the host's own device."""
        near, way = f"{self._mark}n{number}", self._ways[number]
        record = self._folder / f"way-{number}.json"
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.network_path", near, far),
                *(str(way.delay_s), str(way.loss), str(record)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._passing[number] = process
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return near

    def _remove(self) -> None:
        for process in self._passing.values():
            process.kill()
            process.communicate(timeout=END_S)
        for number in range(len(self.addresses)):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", self._space(number))
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", f"{self._mark}br")

    def _space(self, number: int) -> str:
        return f"{self._mark}h{number}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)
