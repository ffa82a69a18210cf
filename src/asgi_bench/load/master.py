"""Locust's master between the harness and several load processes: splits, waits, merges.

Every worker gets its share of a command, and the harness gets one reply when all have replied: the
last report is acknowledged, not hoped for; if one isn't, the log says so.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add, or_
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import gevent
import msgspec
from gevent.queue import Empty, Queue
from locust.runners import MasterRunner

from asgi_bench.load.control import COMMAND_MESSAGE, REPLY_MESSAGE, SocketControl
from asgi_bench.load.histogram import merge_times
from asgi_bench.load.locust_table import write_table
from asgi_bench.load.messages import (
    Command,
    Failed,
    Load,
    Open,
    Quit,
    Reply,
    Steady,
    decode_reply,
    encode,
)
from asgi_bench.model import RequestFigures, WrongAnswer, merged_wrong_answers

# Slices begin in step this long after they were ordered: a message takes about 1 ms.
STEP_S = 0.01
# A worker that is silent for this long beyond the longest command has died.
REPLY_TIMEOUT_S = 120.0
FLUSH_TIMEOUT_S = 5.0

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
log = logging.getLogger(__name__)


class LoadMaster:
    """Runs in Locust's master; `serve` is its only greenlet of ours."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._control = SocketControl()
        self._replies: Any = Queue()
        runner.register_message(REPLY_MESSAGE, self._take)

    def serve(self, workers: int) -> None:
        """Greet once every worker has, then relay until the harness quits."""
        self._control.send(self._collect(workers, REPLY_TIMEOUT_S))
        while True:
            command = self._control.receive()
            if isinstance(command, Quit):
                self._share(command, workers)
                last = self._collect(workers, FLUSH_TIMEOUT_S)
                if isinstance(last, Failed):
                    # It goes to the log in the run's folder: nobody waits for a reply any more.
                    log.warning("Locust's table may lack the last counts: %s", last.text)
                if command.table is not None:
                    write_table(self._runner.environment, Path(command.table))
                leave(self._runner.environment)
                return
            self._control.send(self._relay(command, workers))

    def _relay(self, command: Command, workers: int) -> Reply:
        """Have all workers carry out a command, and return their replies as one."""
        if isinstance(command, Load):
            begin_at_s = perf_counter() + STEP_S
            command = msgspec.structs.replace(command, begin_at_s=begin_at_s)
        self._share(command, workers)
        return self._collect(workers, REPLY_TIMEOUT_S)

    def _share(self, command: Command, workers: int) -> None:
        """Tell each worker its share of a command."""
        for index, client in enumerate([client.id for client in self._runner.clients.all]):
            share = share_of(command, index, workers)
            self._runner.send_message(COMMAND_MESSAGE, encode(share), client)

    def _collect(self, count: int, timeout_s: float) -> Reply:
        try:
            return merge([self._replies.get(timeout=timeout_s) for _ in range(count)])
        except Empty:
            return Failed(f"not all of {count} load processes replied within {timeout_s:g} s")

    def _take(self, environment: Any, msg: Any, **_: Any) -> None:
        self._replies.put(decode_reply(msg.data))


def leave(environment: Any) -> None:
    """Begin to end Locust by its own quit; otherwise its web page would stay up, if it is open.

    In a greenlet of its own: quitting kills the users, and the caller may be one of them.
    """

    def end() -> None:
        environment.runner.quit()
        if environment.web_ui is not None:
            environment.web_ui.stop()

    gevent.spawn(end)


def share_of(command: Command, index: int, workers: int) -> Command:
    """Return one worker's share of a command: connections and rate are divided.

    Each draws its own arrivals and order of requests: independent Poisson streams add up to one.
    """
    match command:
        case Open(target=target):
            connections = _part(target.connections, index, workers)
            active = None if target.active is None else _part(target.active, index, workers)
            share = msgspec.structs.replace(target, connections=connections, active=active)
            return msgspec.structs.replace(command, target=share)
        case Load(rate_rps=rate_rps):
            return msgspec.structs.replace(
                command,
                rate_rps=None if rate_rps is None else rate_rps / workers,
                seed=command.seed * workers + index,
            )
    return command


def _part(whole: int, index: int, workers: int) -> int:
    """A worker's part of a number, the first ones having what is left over."""
    each, rest = divmod(whole, workers)
    return each + (1 if index < rest else 0)


def merge(replies: Sequence[Reply]) -> Reply:
    """Return one reply for many of the same kind; a failed one stands for all."""
    failed = [reply for reply in replies if isinstance(reply, Failed)]
    if failed:
        return failed[0]
    return reduce(_merge, replies)


def _merge(one: Reply, other: Reply) -> Reply:
    if type(one) is not type(other):
        return Failed(f"load processes answered {type(one).__name__} and {type(other).__name__}")
    return _merged(one, other)


def _merged(one: S, other: S) -> S:
    """Two structs of a kind as one, field by field."""
    found = {
        name: _MERGES.get(name, _sum)(getattr(one, name), getattr(other, name))
        for name in one.__struct_fields__
    }
    return type(one)(**found)


def _sum(one: Any, other: Any) -> Any:
    """The sum where both tell."""
    return None if one is None or other is None else one + other


def _least_known(one: float | None, other: float | None) -> float | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _each_place(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(map(add, one, other))


def _together(one: Steady | None, other: Steady | None) -> Steady | None:
    """Their sums; nothing where either broke."""
    return None if one is None or other is None else _merged(one, other)


def _either(one: T | None, other: T | None) -> T | None:
    return one or other


def _each_request(
    one: Sequence[RequestFigures], other: Sequence[RequestFigures]
) -> tuple[RequestFigures, ...]:
    return tuple(_merged(*pair) for pair in zip(one, other, strict=True))


def _each_kind(
    one: tuple[WrongAnswer, ...], other: tuple[WrongAnswer, ...]
) -> tuple[WrongAnswer, ...]:
    return merged_wrong_answers(one + other)


def _by_name(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(one) + Counter(other))


# Fields of replies that don't simply add up.
_MERGES: Mapping[str, Callable[[Any, Any], Any]] = {
    "name": _either,
    "begin_s": min,
    "end_s": max,
    # The worse of the two: neither's shortfall makes up for the other's.
    "accounted_share": _least_known,
    "steady": _together,
    "progress": _each_place,
    "times_hdr": merge_times,
    "by_request": _each_request,
    "users": _either,
    "wrong_answers": _each_kind,
    "response_bytes": _either,
    "wrong_by_port": or_,
    "streams": min,
    "aside_hdr": merge_times,
    "aside_by_request": _each_request,
    "control_frames": _by_name,
}
