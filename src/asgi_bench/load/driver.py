"""One session of a load process as the harness drives it, and how long each answer may take."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from asgi_bench.load.generator import START_TIMEOUT_S, LoadProcess
from asgi_bench.load.messages import Close, Closed, Load, Loaded, Open, Opened, Reply
from asgi_bench.load.target import scenario_target
from asgi_bench.model import (
    Endpoint,
    Scenario,
)

# Opening a connection takes 2 ms; on a machine that is busy elsewhere some times that.
OPENING_S = 0.02
# Beyond its own length a command may take the time-outs of its last requests, and this.
GRACE_S = 20.0

R = TypeVar("R", bound=Reply)


class Look(NamedTuple):
    """What the harness does every so often while a load process works, at `most` so many times."""

    act: Callable[[], None]
    every_s: float
    most: int | None = None


class LoadSession:
    """A named session of a load process: opened, loaded slice by slice, closed.

    Every call raises LoadFault where the process died, could not do it, or took longer than the
    command can take. Nothing can be asked of that process then.
    """

    def __init__(self, process: LoadProcess, name: str, request_timeout_s: float) -> None:
        self._process = process
        self._request_timeout_s = request_timeout_s
        self.name = name

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPUs that the load process was put on."""
        return self._process.cpus

    def open(
        self,
        scenario: Scenario,
        endpoint: Endpoint,
        connections: int,
        *,
        warmup_s: float,
        at_once: int = 1,
        alone: int = 0,
        look: Look | None = None,
    ) -> Opened:
        """Open connections under load, a few at once, then warm up (`messages.Open`)."""
        target = scenario_target(
            scenario,
            name=self.name,
            endpoint=endpoint,
            connections=connections,
            timeout_s=self._request_timeout_s,
        )
        limit_s = connections * OPENING_S + warmup_s + self._request_timeout_s * 3 + GRACE_S
        return self._ask(Open(target, warmup_s, at_once, alone), Opened, limit_s, look)

    def start(self, duration_s: float) -> Loaded:
        """Instead of `open`, for users that open connections themselves: warm up for so long.

        They start at this command. Nothing of it is kept in the session's histograms.
        """
        command = Load(self.name, duration_s, is_step=True)
        return self._ask(command, Loaded, duration_s + START_TIMEOUT_S)

    def load(self, command: Load, look: Look | None = None) -> Loaded:
        """Put one slice of load on the target."""
        limit_s = command.duration_s + self._request_timeout_s * 2 + GRACE_S
        return self._ask(command, Loaded, limit_s, look)

    def close(self) -> Closed:
        """Close the connections; return the histograms and totals."""
        return self._ask(Close(self.name), Closed, GRACE_S)

    def _ask(
        self,
        command: Open | Load | Close,
        expected: type[R],
        limit_s: float,
        look: Look | None = None,
    ) -> R:
        if look is None:
            return self._process.ask(command, expected, limit_s)
        self._process.send(command)
        most = int(limit_s / look.every_s) if look.most is None else look.most
        for _ in range(most):
            if self._process.has_reply(look.every_s):
                break
            look.act()
        return self._process.reply(expected, limit_s)
