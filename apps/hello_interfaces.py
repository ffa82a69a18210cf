"""`hello:app` for other interfaces than ASGI: WSGI, and granian's own RSGI."""

from collections.abc import Callable, Iterable
from typing import Any

BODY = b"Hello, world!"
HEADERS = [("content-type", "text/plain"), ("content-length", str(len(BODY)))]


def wsgi(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]
) -> Iterable[bytes]:
    """Answer as `hello:app` does (PEP 3333)."""
    start_response("200 OK", HEADERS)
    return [BODY]


async def rsgi(scope: Any, protocol: Any) -> None:
    """Answer as `hello:app` does.

    https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
    """
    if scope.proto != "http":
        raise NotImplementedError(f"this application speaks http, not {scope.proto}")
    protocol.response_bytes(200, HEADERS, BODY)
