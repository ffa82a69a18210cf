"""Did the server under test do what it is credited with? What it did not invalidates a trial."""

from asgi_bench.model import Reason, Trial, UserFigures

# nginx, the fastest there is, takes 6.6 µs for a request, nearly all of it the kernel's for a read
# and a write (results/recorded/generator/peers.json). A third of it leaves room for fast machines.
LEAST_CPU_S_PER_REQUEST = 2e-6
# As many requests elsewhere as there may be wrong answers.
MOST_ELSEWHERE_SHARE = 0.001


def credit_findings(trial: Trial) -> tuple[Reason, ...]:
    """Every finding on who answered."""
    users = trial.users
    found = [_stranger(trial), _idle(trial)]
    if users is not None:
        sent = trial.requests + trial.errors.total
        found += [_elsewhere(users, sent), _unplaced(users, sent), _held(users)]
    return tuple(reason for reason in found if reason is not None)


def _stranger(trial: Trial) -> Reason | None:
    """Another program's process answered on the server's port."""
    if not trial.strangers:
        return None
    return Reason(
        code="stranger",
        level="invalid",
        value=float(trial.strangers),
        limit=0.0,
        text=f"{trial.strangers} connections were held by a process that isn't the server's; stop "
        f"what else listens on this machine and measure again",
    )


def _idle(trial: Trial) -> Reason | None:
    """Answers that no process of the server's can have had the time for."""
    if not trial.requests:
        return None
    cpu_s = trial.server_cpu_s / trial.requests
    if cpu_s >= LEAST_CPU_S_PER_REQUEST:
        return None
    return Reason(
        code="idle-server",
        level="invalid",
        value=cpu_s,
        limit=LEAST_CPU_S_PER_REQUEST,
        text=f"{trial.requests} requests were answered while the server's processes did nothing: "
        f"{cpu_s * 1e6:.1f} µs of CPU time a request, and no server needs less than "
        f"{LEAST_CPU_S_PER_REQUEST * 1e6:.0f}; somebody else answered, or nobody",
    )


def _elsewhere(users: UserFigures, sent: int) -> Reason | None:
    """Requests whose URLs name another host."""
    if not users.elsewhere:
        return None
    share = users.elsewhere / max(sent, users.elsewhere)
    return Reason(
        code="other-host",
        level="invalid" if share > MOST_ELSEWHERE_SHARE else "suspect",
        value=share,
        limit=MOST_ELSEWHERE_SHARE,
        text=f"{users.elsewhere} of {sent} requests went to {users.elsewhere_host}, which isn't "
        "the server under test; let the locustfile request paths without a host, and follow no "
        "redirect to another",
    )


def _unplaced(users: UserFigures, sent: int) -> Reason | None:
    """Requests of which nobody knows where they went, where not all can have been the server's."""
    if not users.unplaced or (users.unplaced >= sent and not users.connections_elsewhere):
        return None
    is_elsewhere = bool(users.connections_elsewhere)
    whose = (
        f"the load process has {users.connections_elsewhere} connections to {users.connected_to}"
        if is_elsewhere
        else "others do: those are counted beside them"
    )
    return Reason(
        code="unplaced-requests",
        level="invalid" if is_elsewhere else "suspect",
        value=float(users.unplaced),
        limit=0.0,
        text=f"{users.unplaced} of {sent} requests that the locustfile reported name no URL, and "
        f"{whose}; report what the server under test has answered alone",
    )


def _held(users: UserFigures) -> Reason | None:
    """A host that a locustfile set, and that was not asked."""
    if users.host_asked is None:
        return None
    return Reason(
        code="host-held",
        level="valid",
        value=None,
        limit=None,
        text=f"the locustfile set the host to {users.host_asked}; its users asked the server under "
        "test all the same",
    )
