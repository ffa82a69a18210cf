"""Where load goes and what a correct answer is."""

import msgspec

from asgi_bench.model import Endpoint, Request, Scenario, holds_match
from asgi_bench.wire.http1 import Response, bytes_of


class Exchange(msgspec.Struct, frozen=True):
    """A request as bytes, and the answer that every response to it is checked for."""

    name: str
    """Which request it is, to whoever reads of a wrong answer to it."""
    request: bytes
    method: str = "GET"
    expect_status: int = 200
    expect_body: bytes | None = None
    """The only correct body."""
    expect_pattern: str | None = None
    """Without `expect_body`: what has to match in the body. With neither, any body is right."""
    weight: float = 1.0
    """Of several exchanges each is sent by its weight."""

    @property
    def has_body(self) -> bool:
        """Whether anything follows the request's head."""
        return self.request.find(b"\r\n\r\n") + 4 < len(self.request)

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


class Target(msgspec.Struct, frozen=True):
    """Where a session sends what: the endpoint, and the requests, of which one is a mix of one."""

    name: str
    """The session's, which labels the row in Locust's table."""
    endpoint: Endpoint
    connections: int
    exchanges: tuple[Exchange, ...]
    timeout_s: float = 5.0


def scenario_target(
    scenario: Scenario, *, name: str, endpoint: Endpoint, connections: int, timeout_s: float
) -> Target:
    """Return the target of a scenario that is served at an endpoint."""
    several = tuple(
        _exchange(request, endpoint, name=request.name, weight=request.weight)
        for request in scenario.requests
    )
    only = _exchange(scenario, endpoint, name=f"{scenario.method} {scenario.path}")
    return Target(name, endpoint, connections, several or (only,), timeout_s)


def _exchange(request: Request, endpoint: Endpoint, *, name: str, weight: float = 1.0) -> Exchange:
    return Exchange(
        name=name,
        request=bytes_of(request, endpoint.authority),
        method=request.method,
        expect_status=request.expect_status,
        expect_body=request.expected_content,
        expect_pattern=request.expect_pattern,
        weight=weight,
    )
