"""What a failed request of any Locust user was: its kind, and what can be shown of its answer."""

from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec

from asgi_bench.load.wrong_answers import BODY_LETTERS, TELLING_HEADERS, telling
from asgi_bench.model import ErrorCounts, WrongAnswer
from asgi_bench.wire.excerpts import excerpt

KINDS = ErrorCounts.__struct_fields__
TEXT_LETTERS = 200


def error_kind(fault: Any) -> str:
    """Return the kind of error a Locust failure is: stock users name it in their message."""
    text = str(fault)
    if text in KINDS:
        return text
    name = f"{type(fault).__name__} {text}".lower()
    for kind, signs in (
        ("connect", ("refused", "newconnection", "connecttimeout")),
        ("timeout", ("timeout", "timed out")),
        ("status", ("status", "http error", "client error", "server error", "bad status")),
        ("reset", ("reset", "closed", "disconnected", "aborted", "broken", "incomplete")),
    ):
        if any(sign in name for sign in signs):
            return kind
    return "body"


def status_of(response: Any) -> int | None:
    """Return the status of what Locust calls a response; None where no answer came."""
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) and status else None


def failure(kind: str, request: str, response: Any, fault: Any) -> WrongAnswer:
    """Describe a failed request by its exception, and by its answer where there is one."""
    status = status_of(response)
    told = str(fault)
    if told in KINDS:
        text = f"status {status}" if told == "status" else "another body than the expected one"
    else:
        text = excerpt(f"{type(fault).__name__}: {told}".encode(), TEXT_LETTERS)[1:-1]
    wrong = WrongAnswer(kind, request, text, perf_counter(), status=status)
    if status is None:
        return wrong
    headers = getattr(response, "headers", None) or {}
    body = _body_of(response)
    return msgspec.structs.replace(
        wrong,
        headers=telling({name: headers.get(name) for name in TELLING_HEADERS}),
        body=None if body is None else excerpt(body, BODY_LETTERS),
        body_bytes=None if body is None else len(body),
    )


def _body_of(response: Any) -> bytes | None:
    """The body, None where it was never read whole: clients raise what broke it again."""
    body = None
    with suppress(OSError, ValueError, RuntimeError, AttributeError):
        body = response.content
    return body if isinstance(body, bytes) else None
