"""Load on a server: the fast Locust user, the slice server, and what drives them.

`from asgi_bench.load import FastUser` is for anyone's locustfile. It is imported on demand:
importing locust patches the standard library, which must not happen to the harness itself.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgi_bench.load.user import FastUser

__all__ = ["FastUser"]


def __getattr__(name: str) -> Any:
    if name == "FastUser":
        from asgi_bench.load.user import FastUser

        return FastUser
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
