"""The locustfile of a run: `locust -f` loads the slice server from here."""

from asgi_bench.load.slice_server import SliceServer

__all__ = ["SliceServer"]
