"""What one trial measured: slices, counts, histograms, and the verdict on them."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.held_streams import Leftovers, OpenStreams

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

Outcome: TypeAlias = Literal["ok", "failed", "skipped"]
ValidityLevel: TypeAlias = Literal["valid", "suspect", "invalid"]
# Every kind of error with a few statuses or requests each: a sentence shows fewer still.
MOST_WRONG_ANSWERS = 12


class ErrorCounts(msgspec.Struct, frozen=True):
    """Wrong answers by kind."""

    status: int = 0
    """Responses with another status than the expected one."""
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
    """What an open-loop slice tells beside its counts."""

    due: int
    """Requests that the schedule of the slice held."""
    sent_in_time: int
    """Those of the due requests that were sent before the schedule's end."""
    unsent: int
    """Those of the due requests that were never sent."""
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
    """Time from the first send to the last answer."""
    requests: int
    """Correct answers."""
    sent: int
    """All requests that were sent."""
    errors: int
    """All wrong answers."""
    server_cpu_s: float
    """CPU time of the server's processes, read before the first send and after the last answer;
    divide it by `sent`. It includes what processes born in this slice used until their next
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
    """The sum of response times over the time that connections (closed loop) or requests (open
    loop, Little's law) were in flight: 1 if nothing is missing. A connection that closed or broke
    counts until its last answer, its successor from the first request. A slice of an open loop in
    which a request got no right answer is not judged by it."""
    steady_requests: int | None = None
    """Correct answers of its steady part, of a closed loop in which nothing broke;
    otherwise null. They make the throughput, with `steady_s`."""
    steady_s: float | None = None
    """The time from a connection's first answer to its last, on the average of the connections:
    neither the ramp of the slice nor its drain is in it."""
    load_wait_s: float | None = None
    """How long threads of the load generator waited for a CPU."""
    meters: dict[str, float] = {}
    """What the meters told of the slice, by name; what isn't known is left out."""
    reconnects: int | None = None
    """Connections that were opened again within the slice, because an answer or an error ended
    theirs; null where the client doesn't tell."""
    connect_s: float | None = None
    """The time that opening connections took, summed; null where the client doesn't tell."""
    sent_bytes: int | None = None
    """Bytes of the requests that were sent, heads included; null where requests have no body or the
    client doesn't tell."""
    received_bytes: int | None = None
    """Bytes of the right answers, heads included; null in older runs, and where the client doesn't
    tell."""

    @property
    def counted(self) -> tuple[int, float]:
        """The correct answers that its throughput counts, and the seconds in which they came."""
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
    """Correct answers in the slices."""
    sent: int = 0
    """All of these requests that were sent in the slices."""
    errors: ErrorCounts = ErrorCounts()
    """Wrong answers in the slices by kind."""
    times_hdr: dict[str, str] = {}
    """The histogram of its response times, as `response_time`; none in a sweep, whose steps differ
    in rate."""
    response_bytes: int | None = None
    """Size of one response, head and body."""


class UserFigures(msgspec.Struct, frozen=True):
    """What Locust users did in a slice beside asking the server under test.

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
    """Requests that another host answered, or should have, as their URLs say."""
    elsewhere_host: str | None = None
    """The last host that such a request went to."""
    unplaced: int = 0
    """Requests that name no URL, as of a client of the file's own."""
    host_asked: str | None = None
    """The host that the file asked for and did not get."""
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
    """What it makes of the trial or cell: `valid`, `suspect` or `invalid`."""
    value: float | None
    """The figure that was found."""
    limit: float | None
    """The limit that it is held against."""
    text: str
    """The finding in plain words."""


class WrongAnswer(msgspec.Struct, frozen=True):
    """The first of the wrong answers of one kind to one request with one status.

    All text in it is from outside, but `body` is quoted and the rest one line.
    """

    kind: str
    """Its kind: a field of the counts of errors (`status`, `body`, `connect`, `reset`,
    `timeout`)."""
    request: str
    """The request's name where several are sent, otherwise its method and path; empty for none."""
    text: str
    """What was wrong, in words."""
    at_s: float
    """When it was seen, in seconds since the run began."""
    count: int = 1
    """How many of its like came in the slices; 0 where only the warm-up had any."""
    status: int | None = None
    """The status of a whole answer; null where none came."""
    headers: dict[str, str] = {}
    """Those headers of a whole answer that may say why."""
    body: str | None = None
    """How the body of a whole answer begins, in quotes."""
    body_bytes: int | None = None
    """The length of that body."""
    client_port: int | None = None
    """The port of the connection on the load generator's side; null where a user's Locust client
    sent the request."""
    pid: int | None = None
    """The process of the server that held the connection, where that could be seen."""

    @property
    def likeness(self) -> tuple[str, str, int | None]:
        """What it has in common with all that are counted with it."""
        return self.kind, self.request, self.status


class Trial(msgspec.Struct, frozen=True):
    """One cell in one block of one round, measured in fresh processes: a line of `trials.jsonl`.

    Histograms are HdrHistogram V2 in base64, in nanoseconds; they leave out each connection's first
    answer in a slice.
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
    with a line between them that says so."""
    slices: tuple[Slice, ...] = ()
    """The stretches of load."""
    lead_in_s: float | None = None
    """How long the server was loaded before each slice to warm it up, and until each connection had
    an answer; that is in no slice. Null where slices have no lead-in."""
    interleaved: bool = True
    """Whether the load came in slices among those of other servers. If not, the trial is one slice
    and must not be pooled with interleaved ones."""
    offered_rps: float | None = None
    """The rate of an open loop, in requests per second."""
    requests: int = 0
    """Correct answers in all slices."""
    errors: ErrorCounts = ErrorCounts()
    """Wrong answers in all slices by kind."""
    reconnects: int = 0
    """Connections that were opened again, from the first one on: the server closed them, while they
    were idle or after an answer, or they failed."""
    sent_total: int = 0
    """All requests ever sent to this server; probes, ramp and warm-up count too."""
    errors_total: ErrorCounts = ErrorCounts()
    """Wrong answers to all of these by kind."""
    clamped: int = 0
    """Times above the histograms' range, which are counted at its end."""
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
    file each was a key of its own, as `response_time_hdr`."""
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
    """The part of it that is of pages of files, programs and libraries: the less of them, the more
    other processes map the same. Null where the kernel doesn't tell, and in older runs."""
    server_pss_idle_bytes: int | None = None
    """Memory when the server was ready and had answered nothing but probes."""
    server_pss_peak_bytes: int | None = None
    """The most memory that was seen. It is read between slices where the resident size has grown,
    once a second at most, and in the warm-up where processes came that run under load alone. What
    was taken and given back within a slice is not in it."""
    server_pss_after_bytes: int | None = None
    """Memory after all load of the server's, with every connection closed."""
    memory_samples: tuple[tuple[int, int], ...] = ()
    """Requests that the server had answered since its load began, and its memory (PSS, bytes) then.
    Samples are taken between slices, in steps of an eighth of the requests so far, 50 at least.
    Requests of other cells that share the processes count too."""
    voluntary_switches: int | None = None
    """Context switches of the server's threads over the slices that were waits for something to do;
    null where processes ended in them."""
    involuntary_switches: int | None = None
    """Context switches of the server's threads over the slices that were losses of the CPU; null
    where processes ended in them."""
    machine_energy_j: float | None = None
    """Energy that all CPU packages took over the slices, for the load generator too, in joules
    (RAPL). Null where the machine doesn't tell, as virtual ones don't."""
    server_life_s: tuple[float, float] | None = None
    """When the server was started and when it had stopped, in seconds since the run began."""
    startup_s: float | None = None
    """Time from the start to the first right answer with all workers up."""
    stop_s: float | None = None
    """Time from SIGTERM, sent when no connection is open any more, to the end of the last process;
    null where the end had to be enforced."""
    stop_forced: bool = False
    """Whether the end had to be enforced, after 5 s."""
    server_cpus: tuple[int, ...] = ()
    """The server's CPUs, as read back from its processes."""
    load_cpus: tuple[int, ...] = ()
    """The load generator's CPUs, as read back from its processes."""
    cpu_s_by_process: dict[str, float] = {}
    """CPU time of each of the server's processes over the slices, by pid."""
    late_cpu_s: float = 0.0
    """The part of `server_cpu_s` from processes that ended meanwhile, or that were born in a slice
    and started up after it."""
    has_untold_cpu: bool = False
    """Whether processes may have ended whose CPU time nobody inherited; `server_cpu_s` is too small
    then."""
    connections_by_process: dict[str, int] = {}
    """Connections of each of the server's processes, by pid."""
    workers_lost: int = 0
    """Of the workers that accepted connections before the load, those that were gone for good after
    it."""
    workers_replaced: int = 0
    """Of these workers, those that were gone after it with others in their place."""
    strangers: int = 0
    """Connections that a process other than the server's held."""
    response_bytes: int | None = None
    """Size of one response, head and body; null where Locust's own clients sent the load, which
    don't tell the size of a head."""
    validity: ValidityLevel = "valid"
    """Whether the figures can be believed: `valid`, `suspect` or `invalid`."""
    validity_reasons: tuple[Reason, ...] = ()
    """The findings that the verdict rests on."""
    rules_version: int = 0
    """Version of the rules that gave the verdict. A report judges again what older rules judged."""
    by_request: tuple[RequestFigures, ...] = ()
    """Figures of each request, where the scenario has several. Attempts to connect, and bytes that
    nobody asked for, belong to none of them."""
    workers_serving: int = 0
    """The most processes that took connections at once; 0 where none could be seen."""
    differs: tuple[str, ...] = ()
    """What ran otherwise than asked for, as `proofs.json` tells."""
    target: str | None = None
    """The URL of a server that somebody else has started: nothing is known of its processes. Null
    where the run started its own."""
    throttling: Throttling | None = None
    """What a CPU quota did over the slices; null where there is none."""
    users: UserFigures | None = None
    """What Locust users did; null unless a locustfile or a stock client sent the load."""
    server_ended: str | None = None
    """How the server ended of itself under load, as in `exited with code 0`; null where it lived to
    the end."""
    wrong_answers: tuple[WrongAnswer, ...] = ()
    """The first wrong answer of each kind to each request with each status, 12 at most, from the
    first connection on."""
    wrong_by_process: dict[str, int] = {}
    """How many whole wrong answers came from each process of the server, by pid."""
    unanswered_connections: int = 0
    """Connections on which no request was ever answered, not even wrongly."""
    streams: int | None = None
    """Of several streams a connection: how many the server allowed at once, at most those asked
    for, on the connection with the fewest; null where one was asked for."""
    messages_per_request: float | None = None
    """Messages over WebSocket, or events of a stream that the client leaves, that the answer to a
    request holds on average; null where an answer is one body, and in older runs."""
    open_streams: OpenStreams | None = None
    """What streams took that the client holds open and leaves, in a closed loop; otherwise null."""
    leftovers: Leftovers | None = None
    """What was left of such streams once all clients of the block had gone; otherwise null."""
    control_frames: dict[str, int] = {}
    """HTTP/2: the control frames that came, by their names (`SETTINGS`, `PING`, `GOAWAY`,
    `RST_STREAM`, `WINDOW_UPDATE`)."""

    @property
    def duration_s(self) -> float:
        """Time under load: the sum over the slices."""
        return sum(piece.duration_s for piece in self.slices)

    @property
    def throughput_rps(self) -> float | None:
        """Correct answers per second of load, or None where nothing was measured."""
        if not any(piece.steady_s for piece in self.slices):
            duration_s = self.duration_s
            return self.requests / duration_s if duration_s > 0 else None
        counted = [piece.counted for piece in self.slices]
        return sum(requests for requests, _ in counted) / sum(seconds for _, seconds in counted)


def merged_wrong_answers(wrong: Iterable[WrongAnswer]) -> tuple[WrongAnswer, ...]:
    """Return the first of each kind among what several saw, with the counts of all."""
    by_likeness: dict[tuple[str, str, int | None], WrongAnswer] = {}
    for each in sorted(wrong, key=lambda each: each.at_s):
        first = by_likeness.get(each.likeness)
        by_likeness[each.likeness] = (
            msgspec.structs.replace(first, count=first.count + each.count) if first else each
        )
    return tuple(by_likeness.values())[:MOST_WRONG_ANSWERS]
