"""What one trial measured: slices, counts, histograms, and the verdict on them."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.held_streams import Leftovers, OpenStreams
from asgi_bench.model.load_hosts import HostSlice, LoadHost

# The times that are taken of requests, by the names they are stored and reported under.
RESPONSE_TIME = "response_time"
SERVICE_TIME = "service_time"
GENERATOR_LAG = "generator_lag"
FIRST_BYTE_TIME = "first_byte_time"
GAP_TIME = "gap_time"
HANDSHAKE_TIME = "handshake_time"
TIME_NAMES = (
    *(RESPONSE_TIME, SERVICE_TIME, GENERATOR_LAG),
    *(FIRST_BYTE_TIME, GAP_TIME, HANDSHAKE_TIME),
)
# What load hosts add: response times less the round trip of the host that sent the request.
NEARBY_TIME = "response_time_less_round_trip"

Outcome: TypeAlias = Literal["ok", "failed", "skipped"]
ValidityLevel: TypeAlias = Literal["valid", "suspect", "invalid"]
# Every kind of error with a few statuses or requests each: a sentence shows fewer still.
MOST_WRONG_ANSWERS = 12


class ErrorCounts(msgspec.Struct, frozen=True):
    """Wrong responses by kind."""

    status: int = 0
    """Responses with a status other than the expected one."""
    body: int = 0
    """Responses with a wrong body or wrong framing."""
    connect: int = 0
    """Attempts to connect that failed."""
    reset: int = 0
    """Connections that ended before the response was complete."""
    timeout: int = 0
    """Responses that did not arrive within `request_timeout_s`."""

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
    """What an open-loop slice records beside its counts."""

    due: int
    """Requests due in the slice's schedule."""
    sent_in_time: int
    """Due requests that were sent before the schedule's end."""
    unsent: int
    """Due requests that were never sent."""
    outstanding: tuple[int, ...]
    """How many requests were due and unanswered at each quarter of the schedule."""
    in_flight_max: int
    """The most requests on the wire at once."""
    spin_s: float
    """CPU time that the load generator spent waiting precisely, in seconds."""

    def __add__(self, other: "OpenFigures") -> "OpenFigures":
        marks = zip(self.outstanding, other.outstanding, strict=True)
        return OpenFigures(
            due=self.due + other.due,
            sent_in_time=self.sent_in_time + other.sent_in_time,
            unsent=self.unsent + other.unsent,
            outstanding=tuple(mine + theirs for mine, theirs in marks),
            # Their peaks need not coincide: this is the most it can have been.
            in_flight_max=self.in_flight_max + other.in_flight_max,
            spin_s=self.spin_s + other.spin_s,
        )


class Slice(msgspec.Struct, frozen=True):
    """One unbroken stretch of load on one cell."""

    start_s: float
    """When the slice began, in seconds since the run began."""
    end_s: float
    """When the slice ended, in seconds since the run began."""
    duration_s: float
    """Time from the first send to the last response."""
    requests: int
    """Correct responses."""
    sent: int
    """All requests that were sent."""
    errors: int
    """All wrong responses."""
    server_cpu_s: float
    """CPU time of the server's processes, read before the first send and after the last response;
    divide it by `sent`. It includes what processes that began in this slice used until their next
    slice."""
    load_cpu_s: float
    """CPU time of the load generator between the same two readings; divide it by `sent`."""
    open_loop: OpenFigures | None = None
    """Further figures of an open loop; null in a closed one."""
    offered_rps: float | None = None
    """The rate of a step of a sweep, in requests per second; otherwise null."""
    times_hdr: dict[str, str] = {}
    """Of a step of a sweep: the histogram of its response times, as `response_time`."""
    accounted_share: float | None = None
    """The sum of response times divided by the time that connections (closed loop) or requests
    (open loop, Little's law) were in flight: 1 if nothing is missing. A connection that closed or
    broke counts until its last response, its successor from the first request. A slice of an open
    loop in which a request got no correct response is not judged by it."""
    steady_requests: int | None = None
    """Correct responses of its steady part, in a closed loop in which nothing broke; otherwise
    null. Divided by `steady_s` they give the throughput."""
    steady_s: float | None = None
    """The time from a connection's first response to its last, averaged over the connections; it
    includes neither the ramp nor the drain of the slice."""
    load_wait_s: float | None = None
    """How long threads of the load generator waited for a CPU."""
    meters: dict[str, float] = {}
    """Readings of the meters for the slice, by name; unknown ones are left out."""
    reconnects: int | None = None
    """Connections that were reopened within the slice, because a response or an error ended them;
    null if the client doesn't report it."""
    connect_s: float | None = None
    """The total time spent opening connections; null if the client doesn't report it."""
    sent_bytes: int | None = None
    """Bytes of the requests sent, including heads; null if requests have no body or the client
    doesn't report it."""
    received_bytes: int | None = None
    """Bytes of the correct responses, including heads; null in older runs, and if the client
    doesn't report it."""
    by_host: tuple[HostSlice, ...] = ()
    """What each load process of another host did, in the order of `load_hosts`."""

    @property
    def counted(self) -> tuple[int, float]:
        """The correct responses that its throughput counts, and the seconds in which they came."""
        if self.steady_requests and self.steady_s:
            return self.steady_requests, self.steady_s
        return self.requests, self.duration_s


class Throttling(msgspec.Struct, frozen=True):
    """What a CPU quota did over the slices of a trial, to servers and load generator together.

    The quota is that of a container, a control group or a systemd unit.
    """

    quota_cpus: float
    """How many CPUs servers and load generator may use together."""
    periods: int
    """The kernel's periods (100 ms) in which any of them ran."""
    throttled_periods: int
    """Those of the periods that the kernel cut short."""
    throttled_s: float
    """CPU time that was kept from them, summed over CPUs."""


class RequestFigures(msgspec.Struct, frozen=True):
    """One of several requests in the slices of a trial."""

    name: str
    """The request's name in the scenario."""
    requests: int = 0
    """Correct responses in the slices."""
    sent: int = 0
    """All of these requests sent in the slices."""
    errors: ErrorCounts = ErrorCounts()
    """Wrong responses in the slices by kind."""
    times_hdr: dict[str, str] = {}
    """The histogram of its response times, as `response_time`; none in a sweep, because its steps
    differ in rate."""
    response_bytes: int | None = None
    """Size of one response, head and body."""


class UserFigures(msgspec.Struct, frozen=True):
    """What Locust users did in a slice besides loading the server under test.

    They are a locustfile's, or Locust's stock clients.
    """

    users: float = 0.0
    """How many users there were on average."""
    has_shape: bool = False
    """Whether a LoadTestShape of the file decides how many users there are."""
    in_flight_share: float | None = None
    """Response times over the users' time; in the rest they waited or computed. Null for FastUsers,
    which never wait."""
    elsewhere: int = 0
    """Requests that another host answered, or should have, according to their URLs."""
    elsewhere_host: str | None = None
    """The last host that such a request went to."""
    unplaced: int = 0
    """Requests that name no URL, as of a client of the file's own."""
    host_asked: str | None = None
    """The host that the file set and did not get."""
    connections_elsewhere: int = 0
    """Connections of the load process to others than the server, after the slice."""
    connected_to: str | None = None
    """Where most of these connections lead."""
    exit_code: int | None = None
    """The exit code that the file set for Locust."""


class Reason(msgspec.Struct, frozen=True):
    """One validity finding: a figure against its limit."""

    code: str
    """Which finding it is."""
    level: ValidityLevel
    """Its effect on the trial or cell: `valid`, `suspect` or `invalid`."""
    value: float | None
    """The figure that was found."""
    limit: float | None
    """The limit it is compared with."""
    text: str
    """The finding in plain words."""


class WrongAnswer(msgspec.Struct, frozen=True):
    """The first wrong response of one kind to one request with one status.

    All its text is from outside; `body` is quoted, and the rest is one line.
    """

    kind: str
    """Its kind: a field of the counts of errors (`status`, `body`, `connect`, `reset`,
    `timeout`)."""
    request: str
    """The request's name if several are sent, otherwise its method and path; empty if none."""
    text: str
    """What was wrong, in words."""
    at_s: float
    """When it was seen, in seconds since the run began."""
    count: int = 1
    """How many like it came in the slices; 0 if only the warm-up had any."""
    status: int | None = None
    """The status of a complete response; null if none came."""
    headers: dict[str, str] = {}
    """Headers of a complete response that may explain it."""
    body: str | None = None
    """The beginning of a complete response's body, in quotes."""
    body_bytes: int | None = None
    """The length of that body."""
    client_port: int | None = None
    """The port of the connection on the load generator's side; null if a user's Locust client sent
    the request."""
    pid: int | None = None
    """The server process that had the connection, if that could be seen."""

    @property
    def likeness(self) -> tuple[str, str, int | None]:
        """What it has in common with all responses that are counted with it."""
        return self.kind, self.request, self.status


class Trial(msgspec.Struct, frozen=True):
    """One cell in one block of one round, measured in fresh processes: a line of `trials.jsonl`.

    Histograms are HdrHistogram V2 in base64, in nanoseconds; they exclude each connection's first
    response in a slice.
    """

    cell: str
    """The cell's key."""
    round: int
    """Which round, from 0."""
    block: int
    """Which block of the round, from 0."""
    started_at: str
    """When its server was started (UTC)."""
    outcome: Outcome
    """`ok`: measured. `failed`: something was wrong before the load. `skipped`: not tried."""
    reason: str | None = None
    """Why it failed or was skipped."""
    log: str | None = None
    """The file with the server's output, relative to the run folder."""
    log_bytes_cut: int = 0
    """Bytes that were cut out of the middle of a long log. Its first and last 128 KiB are kept,
    with a line between them saying so."""
    slices: tuple[Slice, ...] = ()
    """The slices: unbroken stretches of load."""
    lead_in_s: float | None = None
    """How long the server was loaded before each slice to warm it up, and until each connection had
    a response; no slice includes it. Null if slices have no lead-in."""
    interleaved: bool = True
    """Whether the load came in slices interleaved with those of other servers. If not, the trial is
    one slice and must not be pooled with interleaved ones."""
    offered_rps: float | None = None
    """The rate of an open loop, in requests per second."""
    requests: int = 0
    """Correct responses in all slices."""
    errors: ErrorCounts = ErrorCounts()
    """Wrong responses in all slices, by kind."""
    reconnects: int = 0
    """Connections that were reopened, because the server closed them (while idle or after a
    response) or because they failed."""
    sent_total: int = 0
    """All requests ever sent to this server, including probes, ramp and warm-up."""
    errors_total: ErrorCounts = ErrorCounts()
    """Wrong responses to all of these, by kind."""
    clamped: int = 0
    """Times above the histograms' range, which count at its end."""
    times_hdr: dict[str, str] = {}
    """Histograms of times by name. `response_time` is from the intended moment of sending to the
    last byte; in a closed loop the intended moment is the sending. `service_time` is from the
    sending to the last byte. `generator_lag` is how late the generator sent: after the intended
    moment or after the connection became free, whichever was later. Of streams: `first_byte_time`
    is from the sending to the first byte of the body, `gap_time` from the end of one part (an event
    of an event stream, otherwise a chunk) to that of the next. `handshake_time` is how long it took
    to open each connection that was opened in the slices, up to where it could be asked: TCP, TLS
    and WebSocket together. A sweep has the last two here,
    over the steps that did not overload the server; its steps have the first. In version 1 of the
    file each was a key of its own, as `response_time_hdr`. With load from other hosts,
    `response_time_less_round_trip` is `response_time` less the round trip of the host that sent
    the request."""
    server_cpu_s: float = 0.0
    """CPU time of all the server's processes over the slices."""
    server_user_s: float | None = None
    """The part of it in user mode. The kernel samples it in steps of 10 ms, so only its ratio to
    `server_system_s` is of use."""
    server_system_s: float | None = None
    """The part of it in the kernel, sampled likewise."""
    load_cpu_s: float = 0.0
    """CPU time of the load generator over the slices."""
    server_pss_bytes: int | None = None
    """Memory of all the server's processes after the load; what they share counts once (PSS)."""
    server_pss_file_bytes: int | None = None
    """The part of it that is pages of files, such as programs and libraries: the more other
    processes map the same files, the less it is. Null if the kernel doesn't report it, and in older
    runs."""
    server_pss_idle_bytes: int | None = None
    """Memory when the server was ready and had only answered probes."""
    server_pss_peak_bytes: int | None = None
    """The most memory seen. It is read between slices whenever the resident size has grown, at most
    once a second, and in the warm-up when processes appear that run only under load. Memory taken
    and returned within a slice is not included."""
    server_pss_after_bytes: int | None = None
    """Memory after all of the server's load, with every connection closed."""
    memory_samples: tuple[tuple[int, int], ...] = ()
    """Requests that the server had answered since its load began, and its memory (PSS, bytes) then.
    Samples are taken between slices, in steps of an eighth of the requests so far, at least 50.
    Requests of other cells that share the processes count too."""
    voluntary_switches: int | None = None
    """Voluntary context switches of the server's threads over the slices: waits for work. Null if
    processes ended meanwhile."""
    involuntary_switches: int | None = None
    """Involuntary context switches of the server's threads over the slices: losses of the CPU. Null
    if processes ended meanwhile."""
    machine_energy_j: float | None = None
    """Energy used by all CPU packages over the slices, including the load generator's, in joules
    (RAPL). Null if the machine doesn't report it, as virtual machines don't."""
    server_life_s: tuple[float, float] | None = None
    """When the server was started and when it had stopped, in seconds since the run began."""
    startup_s: float | None = None
    """Time from the start to the first correct response with all workers up."""
    stop_s: float | None = None
    """Time from SIGTERM, sent once no connection is open, to the end of the last process; null if
    it had to be killed."""
    stop_forced: bool = False
    """Whether it had to be killed, after 5 s."""
    server_cpus: tuple[int, ...] = ()
    """The server's CPUs, as read back from its processes."""
    load_cpus: tuple[int, ...] = ()
    """The load generator's CPUs, as read back from its processes."""
    cpu_s_by_process: dict[str, float] = {}
    """CPU time of each of the server's processes over the slices, by pid."""
    late_cpu_s: float = 0.0
    """The part of `server_cpu_s` from processes that ended meanwhile, or that began in a slice and
    finished starting after it."""
    has_untold_cpu: bool = False
    """Whether processes may have ended whose CPU time no parent inherited; `server_cpu_s` is then
    too small."""
    connections_by_process: dict[str, int] = {}
    """Connections of each of the server's processes, by pid."""
    workers_lost: int = 0
    """Workers that accepted connections before the load, and were gone after it without a
    replacement."""
    workers_replaced: int = 0
    """Workers that accepted connections before the load, and were replaced during it."""
    strangers: int = 0
    """Connections that a process other than the server's had."""
    response_bytes: int | None = None
    """Size of one response, head and body; null if Locust's own clients sent the load, because they
    don't report the size of a head."""
    validity: ValidityLevel = "valid"
    """Whether the figures can be trusted: `valid`, `suspect` or `invalid`."""
    validity_reasons: tuple[Reason, ...] = ()
    """The findings that the verdict rests on."""
    rules_version: int = 0
    """Version of the rules behind the verdict. A report judges trials of older rules again."""
    by_request: tuple[RequestFigures, ...] = ()
    """Figures of each request, if the scenario has several. Connection attempts and unsolicited
    bytes belong to none of them."""
    workers_serving: int = 0
    """The most processes that accepted connections at once; 0 if none could be seen."""
    differs: tuple[str, ...] = ()
    """What ran differently from what was requested, according to `proofs.json`."""
    load_hosts: tuple[LoadHost, ...] = ()
    """The load processes that sent the load, if they were on other hosts."""
    late_slices: int = 0
    """Slices that one of them began late, by more than a twentieth of the slice."""
    starved_slices: int = 0
    """Other slices in which one of them waited for a CPU for more than a fifth of the slice."""
    left_out_slices: int = 0
    """How many of these slices are left out of `slices` and of all figures; `sent_total` and
    `errors_total` include them. None is left out of an open loop, nor if they are more than
    half."""
    load_fault: str | None = None
    """What ended the load before its time, once slices had begun; there are no histograms then."""
    target: str | None = None
    """The URL of a server that somebody else started: nothing is known about its processes. Null if
    the run started its own."""
    throttling: Throttling | None = None
    """What a CPU quota did during the slices; null if there is none."""
    users: UserFigures | None = None
    """What Locust users did; null unless a locustfile or a stock client sent the load."""
    server_ended: str | None = None
    """How the server ended by itself under load, such as `exited with code 0`; null if it ran to
    the end."""
    wrong_answers: tuple[WrongAnswer, ...] = ()
    """The first wrong response of each kind, for each request and each status; at most 12, from the
    first connection on."""
    wrong_by_process: dict[str, int] = {}
    """How many complete wrong responses came from each process of the server, by pid."""
    unanswered_connections: int = 0
    """Connections on which no request ever got a response, not even a wrong one."""
    streams: int | None = None
    """With several streams per connection: how many the server allowed at once, up to the number
    requested, on the connection with the fewest; null with one stream."""
    messages_per_request: float | None = None
    """WebSocket messages, or events of a stream that the client leaves, per response on average;
    null if a response is one body, and in older runs."""
    open_streams: OpenStreams | None = None
    """What streams cost that the client keeps open and leaves, in a closed loop; otherwise null."""
    leftovers: Leftovers | None = None
    """What remained of such streams once all clients of the block had gone; otherwise null."""
    control_frames: dict[str, int] = {}
    """HTTP/2: the control frames that came, by their names (`SETTINGS`, `PING`, `GOAWAY`,
    `RST_STREAM`, `WINDOW_UPDATE`)."""

    @property
    def duration_s(self) -> float:
        """Time under load: the sum over the slices."""
        return sum(piece.duration_s for piece in self.slices)

    @property
    def throughput_rps(self) -> float | None:
        """Correct responses per second of load, or None if nothing was measured."""
        if not any(piece.steady_s for piece in self.slices):
            duration_s = self.duration_s
            return self.requests / duration_s if duration_s > 0 else None
        counted = [piece.counted for piece in self.slices]
        return sum(requests for requests, _ in counted) / sum(seconds for _, seconds in counted)


def merged_wrong_answers(wrong: Iterable[WrongAnswer]) -> tuple[WrongAnswer, ...]:
    """Return the first of each kind that several processes saw, with the counts of all."""
    by_likeness: dict[tuple[str, str, int | None], WrongAnswer] = {}
    for each in sorted(wrong, key=lambda each: each.at_s):
        first = by_likeness.get(each.likeness)
        by_likeness[each.likeness] = (
            msgspec.structs.replace(first, count=first.count + each.count) if first else each
        )
    return tuple(by_likeness.values())[:MOST_WRONG_ANSWERS]
