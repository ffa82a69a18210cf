"""`hello` in Litestar."""

from litestar import Litestar, MediaType, get


@get("/", media_type=MediaType.TEXT)
async def hello() -> str:
    """Answer."""
    return "Hello, world!"


app = Litestar([hello], openapi_config=None)
