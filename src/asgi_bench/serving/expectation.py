"""The right answer of an app nobody has described: found by asking, before any load."""

import http.client
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from asgi_bench.errors import UsageError
from asgi_bench.machine.ports import HOST
from asgi_bench.model import Part, Request
from asgi_bench.serving.faults import ServerFault


class Answer(msgspec.Struct, frozen=True):
    """A whole answer, as far as it can be compared."""

    status: int
    body: bytes


RequestT = TypeVar("RequestT", bound=Request)


def answer_of(port: int, request: Request, timeout_s: float) -> Answer:
    """Send a request once, on a connection of its own; raises ServerFault."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request(request.method, request.path, request.content or None, request.headers)
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except (OSError, http.client.HTTPException) as fault:
        raise ServerFault(f"a request got no whole answer: {fault!r}") from None
    finally:
        connection.close()


def learned(request: RequestT, answers: Sequence[Answer], *, is_of_file: bool = False) -> RequestT:
    """Return a request that expects what the answers to it have in common.

    That is their status, and their body where all are the same and nothing was said of it.
    `is_of_file` says where the user would state it: in a file of requests, else by flags.

    Raises:
        UsageError: they have different statuses, or one that is not 2xx.
    """
    where = f"[{request.name}]" if is_of_file else "APP"
    told = f"{where}: {request.method} {request.path}"
    statuses = list(dict.fromkeys(answer.status for answer in answers))
    status = statuses[0]
    if len(statuses) > 1:
        both = " and ".join(map(str, statuses))
        key = "expect_status" if is_of_file else "--expect-status"
        raise UsageError(f"{told} is answered with {both}: {key} says which is right")
    if not 200 <= status <= 299:
        say = f"expect_status = {status}" if is_of_file else f"--expect-status {status}"
        keys = "its path, method, headers and body"
        flags = "--path, --method, --header and --body"
        raise UsageError(
            f"{told} is answered with status {status}; if that is right, say {say}, else see "
            f"{keys if is_of_file else flags}"
        )
    request = msgspec.structs.replace(request, expect_status=status)
    bodies = {answer.body for answer in answers}
    is_stated = request.expect_pattern is not None or request.expect_body is not None
    if is_stated or len(bodies) > 1:
        return request
    (body,) = bodies
    try:
        return msgspec.structs.replace(request, expect_body=body.decode())
    except UnicodeDecodeError:
        return msgspec.structs.replace(request, expect_bytes=body)


def parts_compared(request: Request) -> tuple[Part, ...]:
    """Return what decides whether an answer to a request is correct."""
    if request.expected_content is not None:
        return ("status", "framing", "body")
    if request.expect_pattern is not None:
        return ("status", "framing", "pattern")
    return ("status", "framing")
