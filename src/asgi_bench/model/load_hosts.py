"""Load processes of other hosts: who they are, the network to them, what each did in a slice."""

import msgspec


class Link(msgspec.Struct, frozen=True):
    """The network between the master's address and one load process, while nothing else uses it.

    All load processes measure at once, each over one TCP connection: what they share is divided.
    """

    round_trip_s: float
    """The shortest of several TCP handshakes."""
    to_host_bytes_per_s: float | None = None
    """Bytes per second that came from the server's host; null if none came in time."""
    from_host_bytes_per_s: float | None = None
    """Bytes per second that went to the server's host; null if none came in time."""


class LoadHost(msgspec.Struct, frozen=True):
    """A load process of another host, as seen before and after the load of a block."""

    name: str
    """The host's name, as the host reports it."""
    round_trip_s: float
    """The shortest round trip before the load: it is part of every response time."""
    clock_offset_s: float
    """How far its monotonic clock is ahead of the master's."""
    address: str = ""
    """The address from which it connects."""
    before: Link | None = None
    """The network before the load."""
    after: Link | None = None
    """The network after the load; null if the load ended before its time."""


class HostSlice(msgspec.Struct, frozen=True):
    """What one load process of another host did in a slice."""

    late_s: float
    """How long after the announced instant it began; the greatest less the smallest is the skew."""
    cpu_share: float
    """Its CPU time as a share of its part of the slice."""
    wait_share: float
    """How long it was ready to run and waited for a CPU, as a share of its part of the slice."""
