"""The right answer of an app nobody has described: found by asking, before any load."""

import http.client
from collections.abc import Sequence

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.machine.ports import HOST
from asgi_bench.model import Part, Scenario
from asgi_bench.serving.faults import ServerFault


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, as far as it can be compared."""

    status: int
    body: bytes


def answer_of(port: int, scenario: Scenario, timeout_s: float) -> Answer:
    """Send the scenario's request once, on a connection of its own; raises ServerFault."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request(
            scenario.method, scenario.path, scenario.content or None, scenario.headers
        )
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException) as fault:
        raise ServerFault(f"a request got no whole answer: {fault!r}") from None
    finally:
        connection.close()


def learned(scenario: Scenario, answers: Sequence[Answer]) -> Scenario:
    """Return a scenario that expects what the answers have in common.

    That is their status, and their body where all are the same and no pattern was given.

    Raises:
        UsageError: they have different statuses, or one that is not 2xx.
    """
    request = f"APP: {scenario.method} {scenario.path}"
    statuses = list(dict.fromkeys(answer.status for answer in answers))
    status = statuses[0]
    if len(statuses) > 1:
        both = " and ".join(map(str, statuses))
        raise UsageError(f"{request} is answered with {both}: --expect-status says which is right")
    if not 200 <= status <= 299:
        raise UsageError(
            f"{request} is answered with status {status}; if that is right, say "
            f"--expect-status {status}, else see --path, --method, --header and --body"
        )
    scenario = msgspec.structs.replace(scenario, expect_status=status)
    bodies = {answer.body for answer in answers}
    if scenario.expect_pattern is not None or len(bodies) > 1:
        return scenario
    (body,) = bodies
    try:
        return msgspec.structs.replace(scenario, expect_body=body.decode())
    except UnicodeDecodeError:
        return msgspec.structs.replace(scenario, expect_bytes=body)


def parts_compared(scenario: Scenario) -> tuple[Part, ...]:
    """Return what decides whether an answer to a scenario's request is correct."""
    if scenario.expected_content is not None:
        return ("status", "framing", "body")
    if scenario.expect_pattern is not None:
        return ("status", "framing", "pattern")
    return ("status", "framing")
