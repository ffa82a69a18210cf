"""What a session asks of its load process and how long it waits, told by a stand-in for one."""

from typing import Any, cast

import pytest

from asgi_bench.load.generator import (
    GRACE_S,
    OPENING_S,
    START_TIMEOUT_S,
    LoadProcess,
    LoadSession,
    Look,
)
from asgi_bench.load.messages import Close, Closed, Command, Load, Loaded, Open, Opened
from asgi_bench.model import Endpoint, Scenario

SCENARIO = Scenario(name="hello", app="hello:app")
REQUEST_TIMEOUT_S = 5.0


class StandIn:
    """Answers a command after having been looked for so many times."""

    def __init__(self, *, looks: int = 0) -> None:
        self.asked: list[tuple[type[Command], type, float]] = []
        self._looks = looks

    def ask(self, command: Command, expected: type, timeout_s: float) -> None:
        """Keep it."""
        self.asked.append((type(command), expected, timeout_s))

    def send(self, command: Command) -> None:
        """Keep it until its reply is asked for."""
        self._sent = command

    def has_reply(self, wait_s: float) -> bool:
        """Count down."""
        self._looks -= 1
        return self._looks < 0

    def reply(self, expected: type, timeout_s: float) -> Any:
        """Keep what was sent."""
        self.ask(self._sent, expected, timeout_s)


def session_of(process: StandIn) -> LoadSession:
    """A session on a stand-in."""
    return LoadSession(cast(LoadProcess, process), "one", REQUEST_TIMEOUT_S)


def test_each_command_is_given_what_it_can_take() -> None:
    """Its own length, the time-outs of requests that are under way at its end, and a grace."""
    process = StandIn()
    session = session_of(process)
    session.open(SCENARIO, Endpoint.local(1), 100, warmup_s=1.0)
    session.load(Load("one", 2.0))
    session.start(3.0)
    session.close()
    assert process.asked == [
        (Open, Opened, pytest.approx(100 * OPENING_S + 1.0 + 3 * REQUEST_TIMEOUT_S + GRACE_S)),
        (Load, Loaded, pytest.approx(2.0 + 2 * REQUEST_TIMEOUT_S + GRACE_S)),
        (Load, Loaded, pytest.approx(3.0 + START_TIMEOUT_S)),
        (Close, Closed, GRACE_S),
    ]


@pytest.mark.parametrize(("most", "looks"), [(None, 7), (4, 4)])
def test_the_harness_looks_until_the_answer_comes(most: int | None, looks: int) -> None:
    """Or as often as it wants to at most; the answer is awaited all the same."""
    process, looked = StandIn(looks=7), []
    look = Look(lambda: looked.append(1), 0.01, most)
    session_of(process).load(Load("one", 2.0), look)
    assert len(looked) == looks
    assert len(process.asked) == 1
