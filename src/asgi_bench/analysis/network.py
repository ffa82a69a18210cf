"""The network between a server and load hosts: how much of it the load took, what it adds."""

from collections.abc import Iterable, Sequence

from asgi_bench.analysis.estimates import Percentiles
from asgi_bench.analysis.report import Network
from asgi_bench.model import Link, LoadHost, Slice, Trial

# Ethernet, IPv4 and TCP with time stamps, of each response or request of one packet. A measured
# bandwidth is of full packets, where they are 4 %.
PACKET_BYTES = 66


def bandwidths(host: LoadHost) -> tuple[float | None, float | None]:
    """Bytes per second to a load host and from it, the better of those before and after the load.

    Whatever else used the network meanwhile only makes a measurement worse.
    """
    links = [link for link in (host.before, host.after) if link is not None]
    return _most(link.to_host_bytes_per_s for link in links), _most(
        link.from_host_bytes_per_s for link in links
    )


def round_trip_s(host: LoadHost) -> float:
    """The shortest round trip to a load host, before the load or after it."""
    links: tuple[Link | None, ...] = (host.before, host.after)
    return min((link.round_trip_s for link in links if link is not None), default=host.round_trip_s)


def link_share(trial: Trial) -> float | None:
    """What the load took of the measured bandwidth, to the host and in the way where most went.

    Each load process has an equal part of the load. None where bytes or bandwidths are not known.
    """
    hosts, duration_s = trial.load_hosts, trial.duration_s
    if not hosts or duration_s <= 0:
        return None
    per_host_s = duration_s * len(hosts)
    loads = [
        _bytes(trial.slices, [piece.received_bytes for piece in trial.slices]),
        _bytes(trial.slices, [piece.sent_bytes for piece in trial.slices]),
    ]
    shares = [
        load / per_host_s / bandwidth
        for host in hosts
        for load, bandwidth in zip(loads, bandwidths(host), strict=True)
        if load is not None and bandwidth
    ]
    return max(shares, default=None)


def network_of(trials: Sequence[Trial], nearby: Percentiles) -> Network | None:
    """What a report says of the network of a cell's trials; None of load from this machine.

    `nearby` are the response times less the round trips.
    """
    hosts = [host for trial in trials for host in trial.load_hosts]
    if not hosts:
        return None
    trips_s = [round_trip_s(host) for host in hosts]
    both = [bandwidths(host) for host in hosts]
    return Network(
        load_processes=max(len(trial.load_hosts) for trial in trials),
        shortest_round_trip_s=min(trips_s),
        longest_round_trip_s=max(trips_s),
        to_host_bytes_per_s=_least(to for to, _ in both),
        from_host_bytes_per_s=_least(back for _, back in both),
        link_share=_most(link_share(trial) for trial in trials),
        response_time_less_round_trip_s=nearby,
        left_out_slices=sum(trial.left_out_slices for trial in trials),
    )


def _bytes(slices: Sequence[Slice], told: Sequence[int | None]) -> int | None:
    """What went one way in slices, packets' heads included; None where it isn't known."""
    known = [size for size in told if size is not None]
    if len(known) < len(told):
        return None
    return sum(known) + PACKET_BYTES * sum(piece.sent for piece in slices)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)
