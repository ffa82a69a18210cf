"""Where load goes and what a correct answer is."""

import msgspec

from asgi_bench.model import Endpoint, Request, Scenario, holds_match
from asgi_bench.wire.http1 import Response, bytes_of


class Exchange(msgspec.Struct, frozen=True):
    """A request as bytes, and the answer that every response to it is checked for.

    `expect_body` is the only correct body; without it `expect_pattern` has to match in the body;
    with neither, status and framing alone are checked. Of several exchanges each is sent by its
    `weight`.
    """

    name: str
    request: bytes
    method: str = "GET"
    expect_status: int = 200
    expect_body: bytes | None = None
    expect_pattern: str | None = None
    weight: float = 1.0

    @property
    def has_body(self) -> bool:
        """Whether anything follows the request's head."""
        return self.request.find(b"\r\n\r\n") + 4 < len(self.request)

    @property
    def label(self) -> str:
        """Which request it is, to who reads of a wrong answer to it."""
        return self.name

    def fault_of(self, response: Response) -> str | None:
        """Return the kind of error a complete response is, or None where it is correct.

        Asked only about bytes that were not found right before, so a pattern costs nothing where
        all answers are the same.
        """
        if response.status != self.expect_status:
            return "status"
        if self.expect_body is not None:
            return None if response.body == self.expect_body else "body"
        if self.expect_pattern is not None and not holds_match(self.expect_pattern, response.body):
            return "body"
        return None

    def fault_text(self, response: Response) -> str:
        """Say what is wrong with a complete response that has a fault."""
        if response.status != self.expect_status:
            return f"status {response.status} instead of {self.expect_status}"
        if self.expect_body is None:
            return f"a body without a match of {self.expect_pattern}"
        return f"another body than the expected one of {len(self.expect_body)} bytes"


class Target(Exchange, frozen=True, kw_only=True):
    """One cell's exchange and its address; `name` labels the row in Locust's table.

    With several `exchanges` the load is a mix of them, and the target's own is the first.
    """

    endpoint: Endpoint
    connections: int
    timeout_s: float = 5.0
    exchanges: tuple[Exchange, ...] = ()

    @property
    def label(self) -> str:
        """Method and path: its name is that of a cell."""
        return " ".join(self.request.partition(b"\r\n")[0].decode("latin-1").split(" ")[:2])


def scenario_target(
    scenario: Scenario, *, name: str, endpoint: Endpoint, connections: int, timeout_s: float
) -> Target:
    """Return the target of a scenario that is served at an endpoint."""
    authority = endpoint.authority
    own = _exchange(scenario, authority)
    return Target(
        **(msgspec.structs.asdict(own) | {"name": name}),
        endpoint=endpoint,
        connections=connections,
        timeout_s=timeout_s,
        exchanges=tuple(
            msgspec.structs.replace(_exchange(request, authority), weight=request.weight)
            for request in scenario.requests
        ),
    )


def _exchange(request: Request, authority: str) -> Exchange:
    return Exchange(
        name=request.name,
        request=bytes_of(request, authority),
        method=request.method,
        expect_status=request.expect_status,
        expect_body=request.expected_content,
        expect_pattern=request.expect_pattern,
    )
