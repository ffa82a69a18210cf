"""What one trial measured: slices, counts, histograms, and the verdict on them."""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.wrong_answer import WrongAnswer

Outcome: TypeAlias = Literal["ok", "failed", "skipped"]
ValidityLevel: TypeAlias = Literal["valid", "suspect", "invalid"]


class ErrorCounts(msgspec.Struct, frozen=True):
    """Wrong answers by kind: status, body (content or framing), connect, reset, timeout."""

    status: int = 0
    body: int = 0
    connect: int = 0
    reset: int = 0
    timeout: int = 0

    @property
    def total(self) -> int:
        """All kinds together."""
        return self.status + self.body + self.connect + self.reset + self.timeout

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.status + other.status,
            self.body + other.body,
            self.connect + other.connect,
            self.reset + other.reset,
            self.timeout + other.timeout,
        )

    def __sub__(self, earlier: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.status - earlier.status,
            self.body - earlier.body,
            self.connect - earlier.connect,
            self.reset - earlier.reset,
            self.timeout - earlier.timeout,
        )


class OpenFigures(msgspec.Struct, frozen=True):
    """What an open-loop slice tells beside its counts.

    Of `due` requests `sent_in_time` went out before the schedule's end and `unsent` never.
    `outstanding` is how many were due and unanswered at each quarter of the schedule;
    `in_flight_max` the most on the wire at once; `spin_s` generator CPU spent waiting precisely.
    """

    due: int
    sent_in_time: int
    unsent: int
    outstanding: tuple[int, ...]
    in_flight_max: int
    spin_s: float


class Slice(msgspec.Struct, frozen=True):
    """One unbroken stretch of load on one cell.

    `start_s` and `end_s` are seconds since the run began; `duration_s` runs from the first send
    to the last answer; `requests` counts correct answers, `sent` and `errors` everything;
    `server_cpu_s` and `load_cpu_s` are read at the edges, over all that was sent between; the
    server's holds what its processes born in the slice used until its next one. A step
    of a sweep has a rate and a histogram of its own. `accounted_share` is the sum of response
    times over the time that connections were (closed loop) or requests should have been (open
    loop, Little's law) in flight: 1 if nothing is missing. The rest tells of disturbance: threads
    that waited for a CPU, time the hypervisor stole from the CPUs in use, the CPU time of the other
    servers of the block, which should idle, and what anything but the server used of its CPUs (in
    steps of 10 ms: in one slice it may be below 0).
    """

    start_s: float
    end_s: float
    duration_s: float
    requests: int
    sent: int
    errors: int
    server_cpu_s: float
    load_cpu_s: float
    open_loop: OpenFigures | None = None
    offered_rps: float | None = None
    response_time_hdr: str | None = None
    accounted_share: float | None = None
    load_wait_s: float | None = None
    server_wait_s: float | None = None
    steal_s: float | None = None
    neighbour_cpu_s: float | None = None
    other_cpu_s: float | None = None
    # Connections that were opened anew within the slice, and how long it took to open any, summed;
    # bytes of requests that went out, heads included, where they have a body. None where the client
    # doesn't tell.
    reconnects: int | None = None
    connect_s: float | None = None
    sent_bytes: int | None = None


class Throttling(msgspec.Struct, frozen=True):
    """What a CPU quota did over the slices of a trial, to servers and load generator together.

    It lets them use `quota_cpus` CPUs in each period of the kernel's (100 ms); of `periods` in
    which any of them ran it stopped them before the end of `throttled_periods`. `throttled_s` adds
    up the CPUs that they were kept from.
    """

    quota_cpus: float
    periods: int
    throttled_periods: int
    throttled_s: float

    def __add__(self, other: "Throttling") -> "Throttling":
        return Throttling(
            min(self.quota_cpus, other.quota_cpus),
            self.periods + other.periods,
            self.throttled_periods + other.throttled_periods,
            self.throttled_s + other.throttled_s,
        )


class RequestFigures(msgspec.Struct, frozen=True):
    """One of several requests in the slices of a trial: counts, and its own response times.

    `requests` counts correct answers, `sent` and `errors` everything that was sent of it. A trial
    of a sweep has no histogram here: its rates differ.
    """

    name: str
    requests: int = 0
    sent: int = 0
    errors: ErrorCounts = ErrorCounts()
    response_time_hdr: str | None = None
    response_bytes: int | None = None


class UserFigures(msgspec.Struct, frozen=True):
    """What Locust users did in a slice beside asking the server under test.

    They are a locustfile's, or Locust's stock clients.
    """

    users: float = 0.0
    """How many there were on average."""
    has_shape: bool = False
    """Whether a LoadTestShape of the file's decides how many."""
    in_flight_share: float | None = None
    """Response times over the time that users had: in the rest they waited, or computed."""
    elsewhere: int = 0
    """Requests that another host answered, or should have, as their URLs say."""
    elsewhere_host: str | None = None
    unplaced: int = 0
    """Requests that name no URL, as of a client of the file's own."""
    host_asked: str | None = None
    """What the file set the host to, which was kept what it was."""
    connections_elsewhere: int = 0
    """Connections of the load process to others than the server, after the slice."""
    connected_to: str | None = None
    exit_code: int | None = None
    """The exit code that the file set for Locust."""


class Reason(msgspec.Struct, frozen=True):
    """One validity finding: a figure against its limit, in plain words."""

    code: str
    level: ValidityLevel
    value: float | None
    limit: float | None
    text: str


class Trial(msgspec.Struct, frozen=True):
    """One cell in one block of one round, measured in fresh processes: a line of `trials.jsonl`.

    Counts and histograms cover the slices; `sent_total` and `errors_total` also the probes, the
    ramp and the warm-up. Histograms are base64 HDR V2 in nanoseconds; those of a sweep are over
    the steps that the server could take, and the steps alone have response times. `server_life_s`
    is when the server was started and had stopped, in seconds since the run began.
    `offered_rps` is the rate of an open loop. `cpu_s_by_process` and `connections_by_process`
    are keyed by pid; what was used by processes that ended meanwhile, or started up after a slice,
    is `late_cpu_s`. With `has_untold_cpu` there may have been some whose CPU time nobody inherited:
    then the server's is too small. Context switches are those of the server's threads over the
    slices, null where processes ended in them. Memory is read idle (ready, nothing but probes
    sent), after the load, and at its peak between slices. `machine_energy_j` is what all CPUs took
    during the slices, the generator's too. A server that had to be killed has no `stop_s`. Of the
    workers that accepted connections before the load, `workers_replaced` were gone after it and
    others accepted in their place, `workers_lost` were gone for good. `by_request` is there where
    the scenario has several requests; attempts to connect and bytes nobody asked for belong to none
    of them. `throttling` is null where no CPU quota holds.
    """

    cell: str
    round: int
    block: int
    started_at: str
    outcome: Outcome
    reason: str | None = None
    log: str | None = None
    log_bytes_cut: int = 0
    """How much of the log's middle was cut out: its beginning and its end were kept."""
    slices: tuple[Slice, ...] = ()
    interleaved: bool = True
    offered_rps: float | None = None
    requests: int = 0
    errors: ErrorCounts = ErrorCounts()
    reconnects: int = 0
    sent_total: int = 0
    errors_total: ErrorCounts = ErrorCounts()
    clamped: int = 0
    response_time_hdr: str | None = None
    service_time_hdr: str | None = None
    generator_lag_hdr: str | None = None
    server_cpu_s: float = 0.0
    server_user_s: float | None = None
    server_system_s: float | None = None
    load_cpu_s: float = 0.0
    server_pss_bytes: int | None = None
    server_pss_idle_bytes: int | None = None
    server_pss_peak_bytes: int | None = None
    server_pss_after_bytes: int | None = None
    """After all load of the server's, with every connection closed."""
    memory_samples: tuple[tuple[int, int], ...] = ()
    """Along all load of the server's: requests answered since it began, and PSS in bytes then."""
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    machine_energy_j: float | None = None
    server_life_s: tuple[float, float] | None = None
    startup_s: float | None = None
    stop_s: float | None = None
    stop_forced: bool = False
    server_cpus: tuple[int, ...] = ()
    load_cpus: tuple[int, ...] = ()
    cpu_s_by_process: dict[str, float] = {}
    late_cpu_s: float = 0.0
    has_untold_cpu: bool = False
    connections_by_process: dict[str, int] = {}
    workers_lost: int = 0
    workers_replaced: int = 0
    strangers: int = 0
    response_bytes: int | None = None
    validity: ValidityLevel = "valid"
    validity_reasons: tuple[Reason, ...] = ()
    rules_version: int = 0
    by_request: tuple[RequestFigures, ...] = ()
    workers_serving: int = 0
    """How many processes took connections at once, at most; 0 where none could be seen."""
    differs: tuple[str, ...] = ()
    """What runs otherwise than asked for, as the proof of the setting told it."""
    throttling: Throttling | None = None
    users: UserFigures | None = None
    """What Locust users did, where a stock client or a locustfile sent the load."""
    server_ended: str | None = None
    """How the server ended of itself under load, in words; null where it lived to the end."""
    wrong_answers: tuple[WrongAnswer, ...] = ()
    """The first wrong answer of each kind, from the first connection on."""
    wrong_by_process: dict[str, int] = {}
    """How many whole wrong answers came from each process of the server, by its pid."""
    unanswered_connections: int = 0
    """On how many connections no request was ever answered, be it wrongly."""

    @property
    def duration_s(self) -> float:
        """Time under load: the sum over the slices."""
        return sum(piece.duration_s for piece in self.slices)

    @property
    def throughput_rps(self) -> float | None:
        """Correct answers per second of load, or None where nothing was measured."""
        duration_s = self.duration_s
        return self.requests / duration_s if duration_s > 0 else None
