"""What held streams cost a server while they are open, and what is left once all clients have gone.

A held stream has no end: its client leaves it. Some servers never notify the app, which goes on.
"""

import msgspec


class OpenStreams(msgspec.Struct, frozen=True):
    """The server while streams were held open, before a slice: as many as were seen at once."""

    connections: int
    """Connections that its processes had at that time, with a stream on each."""
    server_pss_bytes: int
    """Memory of all its processes at that time (PSS)."""


class Leftovers(msgspec.Struct, frozen=True):
    """The server once the clients of all its streams had gone, compared with when it was ready."""

    after_s: float
    """How long after the last connection was closed this was read."""
    streams: int | None = None
    """Streams that the app still ran; null if it can't report them, or did not respond."""
    connections: int | None = None
    """Connections that the server's processes still had; null if that could not be read."""
    descriptors: int | None = None
    """Descriptors that they had open, and not when the server was ready; null likewise."""
    pss_kept_bytes: int | None = None
    """Memory (PSS) over what it was when the server was ready."""
    cpu_share: float | None = None
    """CPU time that they used in the last second, divided by that second: there were no
    requests."""
