"""Where load goes and what a correct answer is."""

import msgspec

from asgi_bench.load.wire.http1 import Response, encode_request
from asgi_bench.model import Scenario, holds_match


class Target(msgspec.Struct, frozen=True):
    """One cell's request as bytes, its address, and the answer every response is checked for.

    `expect_body` is the only correct body; without it `expect_pattern` has to match in the body;
    with neither, status and framing alone are checked. `name` labels the row in Locust's table.
    """

    name: str
    host: str
    port: int
    connections: int
    request: bytes
    method: str = "GET"
    expect_status: int = 200
    expect_body: bytes | None = None
    timeout_s: float = 5.0
    expect_pattern: str | None = None

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


def scenario_target(
    scenario: Scenario, *, name: str, host: str, port: int, connections: int, timeout_s: float
) -> Target:
    """Return the target of a scenario served at `host:port`."""
    return Target(
        name=name,
        host=host,
        port=port,
        connections=connections,
        request=encode_request(
            scenario.method,
            scenario.path,
            f"{host}:{port}",
            scenario.headers,
            scenario.content,
        ),
        method=scenario.method,
        expect_status=scenario.expect_status,
        expect_body=scenario.expected_content,
        timeout_s=timeout_s,
        expect_pattern=scenario.expect_pattern,
    )
