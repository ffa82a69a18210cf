"""Where the connections of a load process lead: to the server under test, or to somebody else."""

from collections import Counter
from collections.abc import Sequence

from asgi_bench.machine.sockets import address_text, connection_owners, outgoing
from asgi_bench.measurement.trial_builder import TrialBuilder
from asgi_bench.model import Endpoint


def note_destinations(
    trial: TrialBuilder, load_pids: Sequence[int], endpoint: Endpoint, server_pids: Sequence[int]
) -> None:
    """Note who holds the other ends of the connections that Locust users have now."""
    rows = outgoing(load_pids)
    ours = [
        row.local_port
        for row in rows
        if row.remote_port == endpoint.port and _is_loopback(row.remote_address)
    ]
    others = Counter(
        f"{address_text(row.remote_address)}:{row.remote_port}"
        for row in rows
        if row.local_port not in ours
    )
    owners = connection_owners(endpoint, ours, server_pids)
    trial.note_workers(len(owners.by_pid))
    trial.note(
        connections_by_process={str(pid): count for pid, count in owners.by_pid.items()},
        strangers=owners.strangers,
    )
    trial.note_users(
        connections_elsewhere=others.total(),
        connected_to=others.most_common(1)[0][0] if others else None,
    )


def _is_loopback(address: str) -> bool:
    return address_text(address).startswith("127.")
