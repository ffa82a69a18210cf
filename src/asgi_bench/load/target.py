"""Where load goes and what a correct answer is."""

import msgspec

from asgi_bench.load.wire.http1 import Response, encode_request
from asgi_bench.model import Scenario


class Target(msgspec.Struct, frozen=True):
    """One cell's request as bytes, its address, and the answer every response is checked for.

    `expect_body` None checks status and framing only; `name` labels the row in Locust's table.
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

    def fault_of(self, response: Response) -> str | None:
        """Return the kind of error a complete response is, or None where it is correct."""
        if response.status != self.expect_status:
            return "status"
        if self.expect_body is not None and response.body != self.expect_body:
            return "body"
        return None


def scenario_target(
    scenario: Scenario, *, name: str, host: str, port: int, connections: int, timeout_s: float
) -> Target:
    """Return the target of a scenario served at `host:port`."""
    expect_body = scenario.expect_body
    if scenario.method == "HEAD":
        expect_body = ""
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
            scenario.body.encode(),
        ),
        method=scenario.method,
        expect_status=scenario.expect_status,
        expect_body=None if expect_body is None else expect_body.encode(),
        timeout_s=timeout_s,
    )
