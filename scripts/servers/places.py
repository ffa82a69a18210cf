"""The sentence of a check, with a link to where it stands."""

from collections.abc import Mapping

from asgi_bench.model.matrix import CheckEntry
from asgi_bench.reporting.render.markdown import escape

_ASGI = "asgi.readthedocs.io/en/latest"
_NAMES: Mapping[str, str] = {
    f"{_ASGI}/specs/main.html": "ASGI",
    f"{_ASGI}/specs/www.html": "ASGI, HTTP and WebSocket",
    f"{_ASGI}/specs/lifespan.html": "ASGI, lifespan",
    f"{_ASGI}/extensions.html": "ASGI, extensions",
}


def sentence(entry: CheckEntry) -> str:
    """What a check holds a server to, with the place that says so, as Markdown."""
    page = entry.link.partition("#")[0].removeprefix("https://")
    number = page.rpartition("/")[2].removesuffix(".html").removeprefix("rfc")
    return f"{escape(entry.says)} [{_NAMES.get(page, f'RFC {number}')}]({entry.link})"
