"""A Starlette application, made by a factory; each answer has an identifier of its own."""

import itertools

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

_counter = itertools.count()


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"request {next(_counter)} of {request.headers['x-who']}")


def make() -> Starlette:
    """Make the application."""
    return Starlette(routes=[Route("/hello", _hello)])
