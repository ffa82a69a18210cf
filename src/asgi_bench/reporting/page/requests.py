"""What was asked of the servers, and the answer that alone counts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asgi_bench.model import Request as AnyRequest
from asgi_bench.model import Scenario, WeightedRequest
from asgi_bench.reporting.wording import plain


class Request(NamedTuple):
    """A scenario: the request, and the answer that alone counts."""

    name: str
    description: str
    app: str
    request: str
    answer: str


def requests_of(scenarios: Sequence[Scenario]) -> tuple[Request, ...]:
    """The scenarios in the plan's order; of several requests each, with its weight."""
    return tuple(
        Request(
            name=plain(scenario.name if request is scenario else _weighted_name(request)),
            description=plain(scenario.description),
            app=plain(scenario.app),
            request=_request(request),
            answer=", ".join(_answer(request)),
        )
        for scenario in scenarios
        for request in scenario.requests or (scenario,)
    )


def _weighted_name(request: AnyRequest) -> str:
    weight = request.weight if isinstance(request, WeightedRequest) else 1.0
    return f"{request.name}, weight {weight:g}"


def _request(request: AnyRequest) -> str:
    """The request line and headers, and how long its body is."""
    headers = "".join(f"; {name}: {value}" for name, value in request.headers.items())
    size = len(request.content)
    body = f"; {size} bytes of body" if size else ""
    return plain(f"{request.method} {request.path}{headers}{body}")


def _answer(request: AnyRequest) -> Iterator[str]:
    """What a right answer has."""
    yield f"status {request.expect_status}" if request.expect_status else "status not stated"
    content = request.expected_content
    if content is not None:
        yield f"a body of exactly these {len(content)} bytes"
    if request.expect_pattern is not None:
        yield plain(f"a body that matches {request.expect_pattern}")
