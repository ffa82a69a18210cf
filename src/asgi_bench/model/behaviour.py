"""How a server behaves when something happens to it: a stop, an overload, idling, a killed worker.

Told apart from speed: none of it enters a ranking.
"""

import msgspec


class Losses(msgspec.Struct, frozen=True):
    """Requests that got no right answer, by what became of them.

    `reset`: the connection ended before the answer began. `truncated`: it ended within the answer.
    `wrong`: a whole answer, but another than the right one. `timeout`: nothing came in time.
    `refused` attempts to connect are no requests, and not among the `lost`.
    """

    reset: int = 0
    truncated: int = 0
    wrong: int = 0
    timeout: int = 0
    refused: int = 0
    first_wrong: str | None = None
    """What the first wrong answer was, in words; null where there was none."""

    @property
    def lost(self) -> int:
        """All requests without a right answer."""
        return self.reset + self.truncated + self.wrong + self.timeout

    def __add__(self, other: "Losses") -> "Losses":
        return Losses(
            self.reset + other.reset,
            self.truncated + other.truncated,
            self.wrong + other.wrong,
            self.timeout + other.timeout,
            self.refused + other.refused,
            self.first_wrong or other.first_wrong,
        )


class GracefulStop(msgspec.Struct, frozen=True):
    """SIGTERM to the processes that were started, in the middle of closed-loop load.

    `in_flight` requests were on the wire at the signal, of which `in_flight_lost` got no right
    answer. `sent`, `answered` and `losses` count from shortly before the signal to the end, so
    `losses` holds what was lost of the requests in flight and of those sent after them.
    `losses_before` is what had been lost in the undisturbed load before. `stop_s` is from the
    signal to the end of the last process; with `was_killed` it did not end within `limit_s`.
    """

    connections: int
    in_flight: int
    in_flight_lost: int
    sent: int
    answered: int
    losses: Losses
    losses_before: Losses
    stop_s: float
    limit_s: float
    was_killed: bool
    exit_code: int | None


class Overload(msgspec.Struct, frozen=True):
    """An open loop of more than the server can take, over many connections.

    `capacity_rps` is its closed-loop throughput just before, over the usual or over these many
    connections, whichever was higher; `throughput_share` what it still answered of that. What was
    due and found no free
    connection by the schedule's end was given up: `unsent`. Service times count from the sending;
    the `normal_…` ones are of an open loop at `normal_rps` before the overload. `recovery_s` is
    from the end of the overload to the first stretch of normal load whose median was normal
    again; null if that took more than `recovery_limit_s`.
    """

    capacity_rps: float
    offered_rps: float
    duration_s: float
    connections: int
    throughput_rps: float
    throughput_share: float
    due: int
    sent: int
    answered: int
    unsent: int
    losses: Losses
    normal_rps: float
    recovery_limit_s: float
    recovery_s: float | None = None
    normal_p50_s: float | None = None
    service_p50_s: float | None = None
    service_p99_s: float | None = None
    service_max_s: float | None = None
    pss_before_bytes: int | None = None
    pss_peak_bytes: int | None = None
    pss_after_bytes: int | None = None
    workers_lost: int = 0


class IdleKeepAlive(msgspec.Struct, frozen=True):
    """Connections that had one answer and then idled, watched for at most `watched_s`.

    `closed` of `connections` were closed by the server, after `earliest_s` to `latest_s` of
    idling. Then requests were sent on others within moments of that time: `sent_near` found their
    connection still open, and of these `lost_near` got no answer.
    """

    watched_s: float
    connections: int
    closed: int
    earliest_s: float | None = None
    latest_s: float | None = None
    sent_near: int = 0
    lost_near: int = 0


class WorkerRestart(msgspec.Struct, frozen=True):
    """SIGKILL to one of the processes that serve, in the middle of closed-loop load.

    `replaced_after_s` is from the kill until as many processes as before accept connections; null
    if that took more than `limit_s`, or if the whole server ended (`survived` is false). `sent`,
    `answered` and `losses` count from shortly before the kill until then.
    """

    workers: int
    survived: bool
    limit_s: float
    sent: int
    answered: int
    losses: Losses
    replaced_after_s: float | None = None


class Behaviour(msgspec.Struct, frozen=True):
    """How one server setting behaved, each part in fresh processes; an entry of `behaviour.json`.

    `setting` is what was started: server, variant, workers and scenario. A part that is null has
    its reason in `missing`, by the part's name.
    """

    setting: str
    server: str
    variant: str
    workers: int
    scenario: str
    stop: GracefulStop | None = None
    overload: Overload | None = None
    idle: IdleKeepAlive | None = None
    restart: WorkerRestart | None = None
    missing: dict[str, str] = {}
