"""How a server behaves when something happens to it: a stop, an overload, idling, a killed worker.

None of this enters a ranking.
"""

import msgspec


class Losses(msgspec.Struct, frozen=True):
    """Requests that got no correct response, by what became of them."""

    reset: int = 0
    """The connection ended before the response began."""
    truncated: int = 0
    """The connection ended within the response."""
    wrong: int = 0
    """A whole response came, but not the correct one."""
    timeout: int = 0
    """Nothing came in time."""
    refused: int = 0
    """Attempts to connect that were refused; they are no requests, and not counted as lost."""
    first_wrong: str | None = None
    """What the first wrong response was, in words; null if there was none."""

    @property
    def lost(self) -> int:
        """All requests without a correct response."""
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
    """SIGTERM to the processes that were started, in the middle of closed-loop load."""

    connections: int
    """How many connections carried the load."""
    in_flight: int
    """Requests that were under way at the signal."""
    in_flight_lost: int
    """Of these, the requests without a correct response."""
    sent: int
    """Requests sent from 0.1 s before the signal to the end."""
    answered: int
    """Correct responses in that time."""
    losses: Losses
    """What was lost in that time, both of requests in flight and of requests sent after them."""
    losses_before: Losses
    """What was lost in the undisturbed load before."""
    stop_s: float
    """Time from the signal to the end of the last process."""
    limit_s: float
    """How long the server was given."""
    was_killed: bool
    """Whether it did not end within `limit_s` and was killed."""
    exit_code: int | None
    """The exit code of the process that was started."""


class Overload(msgspec.Struct, frozen=True):
    """An open loop that offers more than the server can handle, over many connections."""

    capacity_rps: float
    """Closed-loop throughput just before, over the usual or over these connections, whichever was
    more."""
    offered_rps: float
    """The rate of the overload."""
    duration_s: float
    """How long it lasted."""
    connections: int
    """Over how many connections."""
    throughput_rps: float
    """Correct responses per second in the overload."""
    throughput_share: float
    """The same as a share of the capacity."""
    due: int
    """Requests that were due."""
    sent: int
    """Requests that were sent."""
    answered: int
    """Correct responses."""
    unsent: int
    """Requests that found no free connection by the schedule's end and were given up."""
    losses: Losses
    """What was lost."""
    normal_rps: float
    """The rate of normal load, before and after."""
    recovery_limit_s: float
    """For how long recovery was awaited."""
    recovery_s: float | None = None
    """Time from the end of the overload to the first stretch of normal load whose median was within
    twice `normal_p50_s`; null if that took more than `recovery_limit_s`."""
    normal_p50_s: float | None = None
    """Median service time at `normal_rps` before the overload."""
    service_p50_s: float | None = None
    """Median time from the sending to the last byte in the overload."""
    service_p99_s: float | None = None
    """The 99th percentile of these times."""
    service_max_s: float | None = None
    """The longest of these times."""
    pss_before_bytes: int | None = None
    """Memory (PSS) of the server's processes before the overload."""
    pss_peak_bytes: int | None = None
    """The most memory in it."""
    pss_after_bytes: int | None = None
    """Memory after it."""
    workers_lost: int = 0
    """Workers that were gone after it."""


class IdleKeepAlive(msgspec.Struct, frozen=True):
    """Connections that got one response and then idled."""

    watched_s: float
    """For how long they were observed at most."""
    connections: int
    """How many connections idled."""
    closed: int
    """How many of them the server closed."""
    earliest_s: float | None = None
    """After which idle time it closed the first; null if it closed none."""
    latest_s: float | None = None
    """After which idle time it closed the last; null if it closed none."""
    sent_near: int = 0
    """Requests that were then sent on others around that moment and found their connection still
    open."""
    lost_near: int = 0
    """Of these, the requests without a response."""


class WorkerRestart(msgspec.Struct, frozen=True):
    """SIGKILL to one of the processes that serve, in the middle of closed-loop load."""

    workers: int
    """How many processes served."""
    survived: bool
    """Whether the server as a whole lived on."""
    limit_s: float
    """For how long a replacement was awaited."""
    sent: int
    """Requests sent from shortly before the kill until it was replaced."""
    answered: int
    """Correct responses in that time."""
    losses: Losses
    """What was lost in that time."""
    replaced_after_s: float | None = None
    """Time from the kill until as many processes as before accepted connections; null if that took
    more than `limit_s` or if the server ended."""


class Behaviour(msgspec.Struct, frozen=True):
    """How one server setting behaved, each part in fresh processes: an entry of `behaviour.json`.

    If a part is null, `missing` has the reason.
    """

    setting: str
    """What was started: server, variant, workers and scenario."""
    server: str
    """The server."""
    variant: str
    """Its variant."""
    workers: int
    """How many workers it was started with."""
    scenario: str
    """The scenario it served."""
    stop: GracefulStop | None = None
    """What a SIGTERM under load did."""
    overload: Overload | None = None
    """What more load than it can take did."""
    idle: IdleKeepAlive | None = None
    """What became of idle connections."""
    restart: WorkerRestart | None = None
    """What the end of a worker process did."""
    missing: dict[str, str] = {}
    """Why a part is null, by its name."""

    @property
    def is_whole(self) -> bool:
        """Whether every part was observed, or has a reason why it wasn't."""
        parts = {"stop", "overload", "idle", "restart"} - self.missing.keys()
        return all(getattr(self, part) is not None for part in parts)
