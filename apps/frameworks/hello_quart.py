"""`hello` in Quart."""

from quart import Quart, Response

app = Quart(__name__)


@app.get("/")
async def hello() -> Response:
    """Answer."""
    return Response("Hello, world!", mimetype="text/plain")
