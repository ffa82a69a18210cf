"""The features that scenarios need and servers support: the one list both speak."""

from collections.abc import Iterable

from asgi_bench.definitions.strict import check_values

FEATURES = (
    "asgi2",
    "asgi3",
    "http2",
    "http3",
    "lifespan",
    "tls",
    "unix-socket",
    "websocket",
)


def check_features(names: Iterable[str], where: str) -> None:
    """Refuse a feature that nobody knows.

    Raises:
        UsageError: names the feature and those that are allowed.
    """
    check_values(names, FEATURES, where)
