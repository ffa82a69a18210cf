"""Idle connections: when does the server close them, and is a request lost at that moment?"""

import select
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing

from asgi_bench.model import (
    Endpoint,
    IdleKeepAlive,
    Scenario,
)
from asgi_bench.serving.faults import ServerFault
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import dialogue

# So many idle side by side: their spread is the grain of the server's timer.
WATCHED = 8
# Requests around the moment of closing, spread over this much before and after it.
NEAR = 24
NEAR_S = 0.05


class IdleConnection:
    """A connection that is idle since `since_s`, after one response; otherwise ServerFault."""

    def __init__(self, endpoint: Endpoint, scenario: Scenario, timeout_s: float) -> None:
        asked = dialogue(endpoint, scenario)
        self._exchange = asked.exchanges[0]
        self._timeout_s = timeout_s
        self._connection = Connection(asked.endpoint, asked.greeting)
        try:
            self._connection.open(timeout_s)
            self.send()
            self._connection.answer(timeout_s)
        except NoAnswer as fault:
            self._connection.close()
            raise ServerFault(str(fault)) from None
        self.since_s = time.perf_counter()

    @property
    def is_over(self) -> bool:
        """Whether the response announced that no other follows."""
        return self._connection.is_spent

    def fileno(self) -> int:
        """The socket's descriptor: readable once the server has closed."""
        return self._connection.fileno()

    def has_hung_up(self) -> bool:
        """Whether the server has closed it."""
        return self.is_over or bool(select.select([self], [], [], 0)[0])

    def send(self) -> None:
        """Send the scenario's request."""
        self._connection.send(self._exchange)

    def is_answered(self) -> bool:
        """Whether a response to the last request comes."""
        try:
            return bool(self._connection.answer(self._timeout_s).status)
        except NoAnswer:
            return False

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def watch_idle(
    targets: Mapping[str, tuple[Endpoint, Scenario]], watch_s: float, timeout_s: float
) -> dict[str, IdleKeepAlive | ServerFault]:
    """Observe idle connections to servers side by side, by endpoint and scenario, by name."""
    found: dict[str, IdleKeepAlive | ServerFault] = {}
    with ExitStack() as stack:
        watched: dict[str, list[IdleConnection]] = {}
        for name, (endpoint, scenario) in targets.items():
            try:
                watched[name] = _opened(stack, endpoint, scenario, WATCHED, timeout_s)
            except ServerFault as fault:
                found[name] = fault
        closed_s = _closing_times(watched, watch_s)
    near = {name: times for name, times in closed_s.items() if times and max(times) > NEAR_S}
    lost = _ask_near(near, targets, timeout_s)
    for name, times in closed_s.items():
        sent_near, lost_near = lost.get(name, (0, 0))
        found[name] = IdleKeepAlive(
            watched_s=watch_s,
            connections=WATCHED,
            closed=len(times),
            earliest_s=min(times, default=None),
            latest_s=max(times, default=None),
            sent_near=sent_near,
            lost_near=lost_near,
        )
    return found


def _opened(
    stack: ExitStack, endpoint: Endpoint, scenario: Scenario, count: int, timeout_s: float
) -> list[IdleConnection]:
    return [
        stack.enter_context(closing(IdleConnection(endpoint, scenario, timeout_s)))
        for _ in range(count)
    ]


def _closing_times(
    watched: Mapping[str, Sequence[IdleConnection]], watch_s: float
) -> dict[str, list[float]]:
    """After how many seconds of idling connections were closed, of those that were."""
    closed_s: dict[str, list[float]] = {name: [] for name in watched}
    names = {id(each): name for name, all_of in watched.items() for each in all_of}
    open_ones = [each for all_of in watched.values() for each in all_of]
    for each in [each for each in open_ones if each.is_over]:
        closed_s[names[id(each)]].append(0.0)
        open_ones.remove(each)
    end_s = time.perf_counter() + watch_s
    while open_ones and (left_s := end_s - time.perf_counter()) > 0:
        for each in select.select(open_ones, [], [], left_s)[0]:
            closed_s[names[id(each)]].append(time.perf_counter() - each.since_s)
            open_ones.remove(each)
    return closed_s


def _ask_near(
    closed_s: Mapping[str, Sequence[float]],
    targets: Mapping[str, tuple[Endpoint, Scenario]],
    timeout_s: float,
) -> dict[str, tuple[int, int]]:
    """Send requests near the moment of closing; how many were sent and how many of them lost.

    A client sees that its connection was closed and opens another: what finds it closed is not
    sent. What is sent while the close is on its way can't be saved.
    """
    counts: dict[str, tuple[int, int]] = {}
    with ExitStack() as stack:
        due: list[tuple[float, str, IdleConnection]] = []
        for name, times in closed_s.items():
            endpoint, scenario = targets[name]
            try:
                asked = _opened(stack, endpoint, scenario, NEAR, timeout_s)
            except ServerFault:
                continue
            first_s, last_s = min(times) - NEAR_S, max(times) + NEAR_S
            for number, each in enumerate(asked):
                after_s = first_s + (last_s - first_s) * number / (NEAR - 1)
                due.append((each.since_s + after_s, name, each))
        sent = []
        for due_s, name, each in sorted(due, key=lambda one: one[0]):
            time.sleep(max(0.0, due_s - time.perf_counter()))
            if each.has_hung_up():
                continue
            each.send()
            # Where it was closed between our look and the sending, nothing was sent.
            if not each.is_over:
                sent.append((name, each))
        for name, each in sent:
            sent_near, lost_near = counts.get(name, (0, 0))
            counts[name] = (sent_near + 1, lost_near + (not each.is_answered()))
    return counts
