"""What Locust users themselves decide: how often they request, how many they are, how they end."""

from asgi_bench.analysis.validity.evidence import Evidence
from asgi_bench.model import Reason, Trial

# Users that neither waited for an answer nor computed for more than half of their time wait on
# purpose: where a server or the generator is the limit, hardly any of it is left.
MOST_WAITING_SHARE = 0.5


def waiting_share(trial: Trial) -> float | None:
    """The share of their time in which users had no request in flight and didn't compute, or None.

    A load process computes for one user at a time. None if that isn't known.
    """
    users = trial.users
    if users is None or users.in_flight_share is None:
        return None
    time_s = users.users * trial.duration_s
    computed = trial.load_cpu_s / time_s if time_s > 0 else 0.0
    return max(0.0, 1.0 - users.in_flight_share - computed)


def unhurried(trial: Trial, busy: str) -> Reason | None:
    """Why neither side was busy, if the users are the reason; `busy` says how busy each was.

    None if more connections would help: a shape doesn't use that number.
    """
    users, waiting = trial.users, waiting_share(trial)
    if users is None:
        return None
    if waiting is not None and waiting > MOST_WAITING_SHARE:
        return Reason(
            code="users-wait",
            level="valid",
            value=waiting,
            limit=MOST_WAITING_SHARE,
            text=f"the users' own waiting set the rate: {users.users:.0f} users waited "
            f"{waiting:.0%} of their time, in wait_time or in their tasks, and {busy}; "
            "users that don't wait would show what the server can do",
        )
    if not users.has_shape:
        return None
    return Reason(
        code="shape-bound",
        level="valid",
        value=users.users,
        limit=None,
        text=f"the locustfile's LoadTestShape set the load: {users.users:.0f} users on average, "
        f"and {busy}; a shape with more users would show what the server can do",
    )


def locustfile_exit(seen: Evidence) -> Reason | None:
    """The exit code that a locustfile gave Locust: its own verdict, beside ours."""
    code = None if seen.trial.users is None else seen.trial.users.exit_code
    if not code:
        return None
    text = (
        f"the locustfile set Locust's exit code to {code} (process_exit_code), so its own check "
        "failed; asgi-bench's exit code does not reflect that"
    )
    return Reason("locustfile-exit", "valid", float(code), 0.0, text)
