"""Which pool carries a protocol's exchanges."""

from collections.abc import Mapping

from asgi_bench.load.broadcast_pool import BroadcastPool
from asgi_bench.load.message_pool import MessagePool
from asgi_bench.load.part_pool import PartPool
from asgi_bench.load.pipeline_pool import PipelinePool
from asgi_bench.load.pool import Pool
from asgi_bench.load.short_pool import ShortPool
from asgi_bench.load.stream_pool import StreamPool
from asgi_bench.load.target import Target
from asgi_bench.model.endpoint import Protocol

POOLS: Mapping[Protocol, type[Pool]] = {
    "http1": Pool,
    "http2": StreamPool,
    "websocket": MessagePool,
}


def pool_of(target: Target) -> Pool:
    """Return the pool of a target, with no connection begun."""
    if target.stream is not None:
        return PartPool(target)
    if target.conversations is not None and target.endpoint.protocol == "http1":
        return ShortPool(target)
    if target.is_broadcast:
        return BroadcastPool(target)
    if target.streams > 1 and target.endpoint.protocol == "http1":
        return PipelinePool(target)
    return POOLS[target.endpoint.protocol](target)
