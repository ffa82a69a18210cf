"""Load on a known-answer server, from the first connection to the close."""

from contextlib import closing

import msgspec

from asgi_bench.load.closed_loop import Stretch, run_closed_loop
from asgi_bench.load.pool import Pool
from asgi_bench.load.pools import pool_of
from asgi_bench.load.target import Target, scenario_target
from asgi_bench.model import Endpoint, Message, Scenario, Stream
from asgi_bench.wire.exchange import Exchange
from asgi_bench.wire.http1 import encode_request
from tests.known_answers import BODY


def target_at(
    port: int | Endpoint,
    *,
    connections: int = 8,
    timeout_s: float = 5.0,
    method: str = "GET",
    body: bytes = b"",
    expect_body: bytes | None = BODY,
    expect_status: int = 200,
    stream: Stream | None = None,
) -> Target:
    """A target on a known-answer server, by its port or what stands before it."""
    endpoint = Endpoint.local(port) if isinstance(port, int) else port
    exchange = Exchange(
        name=f"{method} /",
        request=encode_request(method, "/", endpoint.authority, {}, body),
        method=method,
        expect_status=expect_status,
        expect_body=expect_body,
        stream=stream,
    )
    return Target("/", endpoint, connections, (exchange,), timeout_s)


def conversation_at(
    port: int,
    *messages: Message,
    connections: int = 4,
    timeout_s: float = 5.0,
    conversations: int | None = None,
    active: int | None = None,
    is_broadcast: bool = False,
) -> Target:
    """A target over WebSocket on a known-answer server: one message and its answer by default."""
    request = Scenario(
        name="chat",
        app="",
        path="/ws",
        conversations=conversations,
        active=active,
        is_broadcast=is_broadcast,
        messages=messages or (Message(send="Hello?"), Message(expect=BODY.decode())),
    )
    return scenario_target(
        request,
        name="/ws",
        endpoint=Endpoint.local(port),
        connections=connections,
        timeout_s=timeout_s,
    )


def go_on() -> bool:
    """Breathe where there are no other greenlets."""
    return True


def opened(target: Target) -> Pool:
    """All connections of a target, idle."""
    connections = pool_of(target)
    for _ in range(target.connections):
        connections.connect()
    connections.refresh()
    return connections


class Tally(msgspec.Struct, frozen=True):
    """What a client counted; `faults` are the errors there were, by kind."""

    stretch: Stretch
    sent: int
    correct: int
    faults: dict[str, int]
    reconnects: int
    unasked: int


def tally(connections: Pool, stretch: Stretch) -> Tally:
    """What the connections counted since they were opened."""
    return Tally(
        stretch=stretch,
        sent=connections.sent,
        correct=connections.correct,
        faults={kind: n for kind, n in connections.errors.items() if n},
        reconnects=connections.reconnects,
        unasked=connections.unasked,
    )


def load(target: Target, seconds: float) -> Tally:
    """Open the connections, load them for `seconds`, close them, and tell what was counted."""
    with closing(opened(target)) as connections:
        stretch = run_closed_loop(connections, seconds, go_on)
    return tally(connections, stretch)
