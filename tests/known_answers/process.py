"""A known-answer server as a test holds it."""

import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tests.known_answers.behaviour import Behaviour, Counts, Started
from tests.known_answers.kinds import KINDS, Kind

ROOT = Path(__file__).parents[2]
SETTLE_S = 10.0


class KnownAnswers:
    """A server in a process of its own; `origin_ns` is where its stalls are counted from."""

    def __init__(
        self, behaviour: Behaviour | None = None, program: str = "tests.known_answers.server"
    ) -> None:
        self._program = program
        self._behaviour = behaviour or Behaviour()
        self.port = self.origin_ns = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._program],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.behave(self._behaviour)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        with self._process, suppress(BrokenPipeError):
            self._process.stdin.close()
            try:
                self._process.wait(SETTLE_S)
            finally:
                self._process.kill()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @property
    def address(self) -> str:
        """Where it listens, as a URL without a path."""
        return f"http://127.0.0.1:{self.port}"

    def behave(self, behaviour: Behaviour) -> Self:
        """Take on another behaviour and count from zero; clients must have left before."""
        line = self._ask(msgspec.json.encode(behaviour))
        started = msgspec.json.decode(line, type=Started)
        self.port, self.origin_ns = started.port, started.origin_ns
        return self

    def kill(self) -> None:
        """End the server without a word to anyone."""
        self._process.kill()

    def counts(self) -> Counts:
        """What the server saw, once all clients have closed their connections."""
        deadline = time.monotonic() + SETTLE_S
        while (counts := self.counts_now()).open:
            assert time.monotonic() < deadline, f"{counts.open} connections were never closed"
            time.sleep(0.005)
        return counts

    def counts_now(self) -> Counts:
        """What the server saw up to now."""
        return msgspec.json.decode(self._ask(b""), type=Counts)

    def _ask(self, line: bytes) -> bytes:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the known-answer server died"
        return answer


def expected_errors(counts: Counts, kinds: Mapping[str, Kind] = KINDS) -> dict[str, int]:
    """The errors by kind that a client must have counted for what the server answered."""
    errors: Counter[str] = Counter()
    for name, number in counts.kinds.items():
        error = kinds[name].error
        if error is not None:
            errors[error] += number
    if counts.late:
        errors["reset"] += counts.late
    return dict(errors)


def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
