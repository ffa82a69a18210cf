"""A Litestar application."""

from litestar import Litestar, get


@get("/")
async def _index() -> dict[str, str]:
    return {"hello": "world"}


app = Litestar(route_handlers=[_index], openapi_config=None)
