"""Where load goes: an endpoint, and what is requested there."""

import msgspec

from asgi_bench.model import Endpoint, Scenario, Stream
from asgi_bench.wire.exchange import Exchange, dialogue


class Target(msgspec.Struct, frozen=True):
    """Where a session sends what: the endpoint, and the requests; a single one is a mix of one."""

    name: str
    """The session's, which labels the row in Locust's table."""
    endpoint: Endpoint
    connections: int
    exchanges: tuple[Exchange, ...]
    timeout_s: float = 5.0
    greeting: bytes = b""
    """What is said first on each connection, where the protocol opens by more than a request."""
    conversations: int | None = None
    """After how many of all of its requests in order a connection is closed, and opened anew."""
    active: int | None = None
    """On so many connections requests are sent, the others are open and idle; None for all."""
    is_broadcast: bool = False
    """Whether all connections have to receive what one of them sends."""
    random_masks: bool = False
    """Over WebSocket: whether each frame that is sent has a mask of its own, drawn at random."""
    is_in_order: bool = False
    """Whether each connection sends the requests in their order, instead of by their weights."""
    streams: int = 1
    """How many exchanges each connection carries at once; of HTTP/1.1 more than one are
    pipelined."""

    @property
    def stream(self) -> Stream | None:
        """How responses are timed by their parts, if they are: only for a single request."""
        return self.exchanges[0].stream if len(self.exchanges) == 1 else None

    @property
    def is_held(self) -> bool:
        """Whether responses are streams that the client ends: they are held open for long."""
        return self.stream is not None and self.stream.is_held


def scenario_target(
    scenario: Scenario,
    *,
    name: str,
    endpoint: Endpoint,
    connections: int,
    timeout_s: float,
    streams: int = 1,
) -> Target:
    """Return the target of a scenario that is served at an endpoint."""
    if scenario.requests:
        exchanges = tuple(
            msgspec.structs.replace(
                dialogue(endpoint, request, weight=request.weight).exchanges[0], name=request.name
            )
            for request in scenario.requests
        )
        return Target(
            name,
            endpoint,
            connections,
            exchanges,
            timeout_s,
            streams=scenario.pipeline or streams,
        )
    if scenario.resumes:
        endpoint = msgspec.structs.replace(endpoint, resumes=True)
    asked = dialogue(endpoint, scenario)
    return Target(
        name,
        asked.endpoint,
        connections,
        asked.exchanges,
        timeout_s,
        asked.greeting,
        scenario.conversations,
        scenario.active,
        scenario.is_broadcast,
        random_masks=scenario.random_masks,
        is_in_order=len(asked.exchanges) > 1,
        streams=scenario.pipeline or streams,
    )
