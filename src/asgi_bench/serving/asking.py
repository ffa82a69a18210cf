"""Ask every worker of a server for something that its app knows about its process."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol, TypeVar

import msgspec

from asgi_bench.model import Endpoint, Request
from asgi_bench.serving.faults import ServerFault
from asgi_bench.wire.client import Connection, NoAnswer
from asgi_bench.wire.exchange import dialogue
from asgi_bench.wire.http1 import Response

# A shared listener hands connections to whoever wakes first: with so many at once every worker
# nearly always gets one.
CONNECTIONS_PER_WORKER = 8
# So often they are asked where one of them did not get any, or more answer than there should be.
ASKINGS = 3


class FromProcess(Protocol):
    """A response that names its process."""

    @property
    def pid(self) -> int:
        """The process."""


T = TypeVar("T", bound=FromProcess)


def ask_each(
    endpoint: Endpoint,
    workers: int,
    request_of: Callable[[Connection], Request],
    kind: type[T],
    timeout_s: float,
) -> list[T]:
    """Request over several connections at once, so that every worker responds; repeat if not.

    If more processes respond than expected, they are requested again too, so that all are counted.
    A response is JSON of that kind; `request_of` returns the request for a connection.

    Raises ServerFault if a response doesn't come, or is another.
    """
    told: list[T] = []
    for _ in range(ASKINGS):
        told += _ask_once(endpoint, max(workers, len(distinct(told))), request_of, kind, timeout_s)
        if len(distinct(told)) == workers:
            break
    return told


def distinct(told: Sequence[T]) -> list[T]:
    """One response per process, its last."""
    return list({one.pid: one for one in told}.values())


def _ask_once(
    endpoint: Endpoint,
    workers: int,
    request_of: Callable[[Connection], Request],
    kind: type[T],
    timeout_s: float,
) -> list[T]:
    """The answers over several connections that are open at the same time."""
    with ExitStack() as stack:
        connections = [
            stack.enter_context(Connection(endpoint))
            for _ in range(CONNECTIONS_PER_WORKER * workers)
        ]
        try:
            for connection in connections:
                connection.open(timeout_s)
            for connection in connections:
                request = request_of(connection)
                connection.send(dialogue(endpoint, request).exchanges[0])
            return [_told(connection.answer(timeout_s), kind) for connection in connections]
        except NoAnswer as fault:
            raise ServerFault(f"the probe app did not respond: {fault}") from None


def _told(response: Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ServerFault(
            f"status {response.status} from something other than the probe app"
        ) from None
