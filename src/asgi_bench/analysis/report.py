"""The report: exactly what `report --format json` prints, in this order of keys.

All figures are SI. What wasn't measured, or rests on too few samples or rounds, is null.
"""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec

from asgi_bench.analysis.across_cells import CellRatio, Interpreter, Level, Scaling
from asgi_bench.analysis.estimates import Costs, Interval, Percentiles, Ratio
from asgi_bench.model import (
    Behaviour,
    Client,
    ClosedLoop,
    Goal,
    Leftovers,
    Machine,
    Objective,
    OpenLoop,
    Outcome,
    Proof,
    RateSweep,
    Reason,
    Resumption,
    ServerEnvironment,
    ValidityLevel,
    WrongAnswer,
)
from asgi_bench.model.endpoint import HttpVersion, Transport, way_suffix
from asgi_bench.model.metrics import ComparedName


class ErrorTotals(msgspec.Struct, frozen=True):
    """Wrong responses by kind, and all kinds together."""

    total: int
    """All wrong responses."""
    status: int
    """Responses with a status other than the expected one."""
    body: int
    """Responses with a wrong body or wrong framing."""
    connect: int
    """Attempts to connect that failed."""
    reset: int
    """Connections that ended before the response was complete."""
    timeout: int
    """Responses that did not arrive in time."""


class Rank(msgspec.Struct, frozen=True):
    """The ranks a cell may have among those it was compared with: 1 to 3 is a three-way tie."""

    best: int
    """1 + the number of cells that are distinguishably better."""
    worst: int
    """The number of cells minus those that are distinguishably worse."""


class RequestReport(msgspec.Struct, frozen=True):
    """One of several weighted requests of a cell."""

    name: str
    """The request's name."""
    method: str
    """The HTTP method."""
    path: str
    """The path."""
    share: float
    """Its weight divided by the sum of all weights."""
    requests: int
    """Correct responses in the slices."""
    sent: int
    """All of these requests sent in the slices."""
    errors: ErrorTotals
    """Wrong responses in the slices by kind."""
    response_time_s: Percentiles
    """Percentiles of its response times; null in a sweep, because its rates differ."""
    response_bytes: int | None
    """Size of one response, head and body."""


class Network(msgspec.Struct, frozen=True):
    """The network between the server and the load hosts, and what response times are without it."""

    load_processes: int
    """How many load processes of other hosts sent the load."""
    shortest_round_trip_s: float
    """The shortest round trip to any of them; response times include their own host's."""
    longest_round_trip_s: float
    """The shortest round trip to the farthest of them."""
    to_host_bytes_per_s: float | None
    """Bandwidth from the server's host to the load process that has least, all measured at once."""
    from_host_bytes_per_s: float | None
    """The same in the other direction."""
    link_share: float | None
    """Bytes under load per second, divided by that bandwidth: the most in any round."""
    response_time_less_round_trip_s: Percentiles
    """`response_time_s` less the round trip of the host that sent the request."""
    left_out_slices: int
    """Slices left out because a load host was late or starved."""


LoadT = TypeVar("LoadT", bound=ClosedLoop | OpenLoop | RateSweep)


class CellFacts(msgspec.Struct, Generic[LoadT], frozen=True):
    """What every cell has: what it is, its outcome, what was sent to it."""

    cell: str
    """The cell's key."""
    server: str
    """The server."""
    server_version: str | None
    """The version that was measured."""
    variant: str
    """The variant of the server; in a run over several interpreters, with its interpreter:
    `default@3.12`."""
    workers: int
    """How many workers it was started with."""
    scenario: str
    """The scenario."""
    load: LoadT
    """How requests were offered, as in `plan.cells[]`."""
    http: HttpVersion
    """The HTTP version: `1` is HTTP/1.1, `2` is HTTP/2."""
    transport: Transport
    """What carried the bytes: `tcp`, `tls` or `unix`."""
    client: Client
    """What sent the requests, as in `plan`."""
    outcome: Outcome
    """`ok`, `failed` or `skipped`."""
    reason: str | None
    """Why it failed or was skipped; otherwise null."""
    validity: ValidityLevel
    """`valid`, `suspect` or `invalid`, derived from its rounds."""
    validity_reasons: tuple[Reason, ...]
    """The findings that the verdict rests on."""
    oversubscribed: bool
    """Whether there are more workers than server CPUs: a property, not a fault."""
    rounds: int
    """Rounds that were measured; estimates exclude the invalid ones."""
    requests: int
    """Correct responses in the cell's own block, including invalid rounds."""
    errors: ErrorTotals
    """Wrong responses in the cell's own block, including invalid rounds."""
    sent_total: int
    """All requests ever sent to it, including probes, ramp, warm-up and other blocks."""
    errors_total: ErrorTotals
    """Wrong responses to all of these."""
    wrong_answers: tuple[WrongAnswer, ...]
    """The first wrong response of each kind in any round, with the counts of all rounds."""
    unanswered_connections: int
    """The most connections in one round on which no request ever got a response."""

    @property
    def request_key(self) -> str:
        """What was requested and how, as in its key: `hello`, `hello+h2+tls`."""
        return f"{self.scenario}{way_suffix(self.http, self.transport)}"

    @property
    def start(self) -> str:
        """The entry of `settings` that started it."""
        setting = self.cell.removesuffix(f"/{self.request_key}/{self.load.key}")
        return f"{setting}{way_suffix(self.http, self.transport)}"


class CellReport(CellFacts[ClosedLoop | OpenLoop], frozen=True):
    """A cell under one load, with its estimates, which exclude invalid rounds."""

    throughput_rps: Interval
    """Correct responses per second of load."""
    throughput_ratio: Ratio | None
    """Throughput relative to the `reference` cell, from pairs within the same rounds."""
    server_cpu_s_per_request: Interval
    """CPU time of the server per request, over all requests."""
    server_pss_bytes: int | None
    """Memory of the server's processes after the load (PSS); median of rounds."""
    load_cpu_s_per_request: float | None
    """CPU time of the load generator per request, without the time it spent spinning."""
    load_cpu_share: float | None
    """CPU time of the load generator as a share of what it may use."""
    response_time_s: Percentiles
    """Response times: from the intended time of sending to the last byte. Null in an overloaded
    cell."""
    service_time_s: Percentiles
    """Service times: from sending to the last byte. Null in an overloaded cell."""
    generator_lag_s: Percentiles
    """How late the load generator sent."""
    offered_rps: float | None = None
    """In an open loop: the rate; if the load states a share, the resulting rate. Null in a closed
    loop."""
    rate_ratio: float | None = None
    """In an open loop: the share of due requests that were sent before the schedule's end. Null in
    a closed loop."""
    overloaded: bool | None = None
    """In an open loop: whether the queue grew until the end in at least half of its rounds. Null in
    a closed loop."""
    in_flight_max: int | None = None
    """In an open loop: the most requests in flight at once. Null in a closed loop."""
    rank: Rank | None = None
    """Its range of ranks among the usable cells of its scenario, load and worker count, which were
    measured in the same minutes: by throughput, in an open loop by the rounds' median response
    times. Null if it is invalid or lacks that figure."""
    server_cpu_ratio: Ratio | None = None
    """CPU time per request relative to the `reference` cell, from pairs within the same rounds."""
    tied_with: tuple[str, ...] | None = None
    """The cells among these that it is statistically tied with; null if it has no rank."""
    costs: Costs = Costs()
    """What else its server costs."""
    by_request: tuple[RequestReport, ...] = ()
    """Figures of each request, if there are several."""
    sent_bytes_per_s: Interval = Interval()
    """Bytes of requests sent per second, including heads; without a value if requests have no
    body."""
    received_bytes_per_s: Interval = Interval()
    """Bytes of correct responses received per second, including heads; without a value if responses
    are under 4 KiB."""
    messages_per_s: Interval = Interval()
    """WebSocket messages, or events of streams that the client leaves, received per second in
    correct responses; without a value if a response is one message or none."""
    first_byte_time_s: Percentiles = Percentiles()
    """For streams: from sending to the first byte of the body."""
    handshake_time_s: Percentiles = Percentiles()
    """How long it took to open each connection that was opened in the slices, until it could carry
    a request: TCP, TLS and WebSocket together. Null if none was."""
    gap_time_s: Percentiles = Percentiles()
    """For streams: from the end of one part to the end of the next. Parts are events in an event
    stream, otherwise chunks."""
    pss_bytes_per_connection: float | None = None
    """Memory per open connection, beyond what the ready server used, including its requests; for
    streams, while they are open. Median of rounds. Null below 1,000 connections."""
    server_cpu_share_per_stream: Interval = Interval()
    """CPU time of the server per second and open stream."""
    leftovers: Leftovers | None = None
    """What remained of streams after all their clients had gone, the most in any round; null if
    none are kept open."""
    growth_bytes_per_1000_requests: Interval = Interval()
    """How much its server's memory grew per 1,000 requests under all of its load, including that of
    other cells that share its processes; interval on the mean of rounds. Null if a trial has too
    few samples or fewer than 500 requests."""
    network: Network | None = None
    """The network to load hosts, and response times without it; null if the load came from this
    machine."""
    compared_rounds: int = 0
    """In how many of its rounds its throughput can be compared: a valid trial in which the load
    generator had its CPU."""
    metrics: dict[str, Interval] | msgspec.UnsetType = msgspec.UNSET
    """Further metrics by name; absent if none is declared."""


class SweepPoint(msgspec.Struct, frozen=True):
    """A load curve at one offered rate; the keys mean what they mean in a cell of an open loop."""

    share: float
    """The rate as a share of the cell's own throughput."""
    offered_rps: float | None
    """The rate."""
    throughput_rps: Interval
    """Correct responses per second."""
    response_time_s: Percentiles
    """Response times."""
    rate_ratio: float | None
    """Requests sent before their schedule's end, of those due."""
    overloaded: bool
    """Whether the queue grew until the end."""
    samples: int = 0
    """The response times that the percentiles rest on."""


class SweepReport(CellFacts[RateSweep], frozen=True):
    """A cell's load curve, and the highest rate that meets its objective."""

    points: tuple[SweepPoint, ...]
    """The load curve, by rising share."""
    objective: Objective | None
    """What had to be met; null if there was no search."""
    highest_rate_rps: Interval
    """The highest rate that met the objective: geometric mean of the rounds in which one did, null
    if at most half of them had one."""
    highest_rate_is_least: bool
    """Whether that is a lower bound, because in one of the rounds no rate broke the objective."""
    saturation_rps: Interval
    """Correct responses per second at the rates that overload the server; null if none does."""
    by_request: tuple[RequestReport, ...] = ()
    """Figures of each request, if there are several."""


class SettingReport(msgspec.Struct, frozen=True):
    """A server setting: its version, its argv, and what really ran under it."""

    setting: str
    """The setting, with which the keys of its cells begin: `uvicorn/default/w1`. Unless its cells
    use HTTP/1.1 over TCP, HTTP version and transport follow: `uvicorn/default/w1+h2+tls`."""
    server: str
    """The server."""
    variant: str
    """Its variant."""
    workers: int
    """How many workers it is started with."""
    server_version: str | None
    """The version that was measured."""
    command: tuple[str, ...]
    """The argv; each start fills in `{port}` or `{fd}`. With several scenarios it is the one that
    serves the first; empty if the setting can't be measured here."""
    env: dict[str, str] = {}
    """Variables set for the server."""
    reason: str | None = None
    """Why it can't be measured here; otherwise null."""
    proof: Proof | None = None
    """Its entry in `proofs.json`; null if there is none."""
    environment: ServerEnvironment | None = None
    """Its own environment; null if it runs in the shared one."""


REPORT_VERSION = 1


class Comparison(msgspec.Struct, frozen=True):
    """Two cells of one scenario, load and worker count on one metric: can they be told apart?"""

    a: str
    """The key of one cell."""
    b: str
    """The key of the other."""
    metric: ComparedName
    """The metric."""
    ratio: Interval
    """The ratio of `a` to `b`, with the interval of this pair by itself."""
    p_adjusted: float
    """Student's p value on the logarithms of the rounds' ratios, adjusted for all pairs of these
    cells on this metric (Holm); 1 under 3 rounds."""
    distinguishable: bool
    """Whether `p_adjusted` is below 0.05 and there were 6 common rounds or more."""
    reason: str | None = None
    """Why they can't be told apart; otherwise null."""
    round_ratios: tuple[float, ...] = ()
    """`a` to `b` in each round that both have."""
    trimmed: Interval = Interval()
    """The ratio without the fifth of the rounds at either end (Yuen's interval)."""
    holds_trimmed: bool | None = None
    """Whether that interval too is wholly on the same side of 1; null if nothing is claimed."""


class Reached(msgspec.Struct, frozen=True):
    """What a run reached."""

    rounds: int
    """How many rounds were completed or begun."""
    duration_s: float
    """The run's time."""
    half_width_median: float | None
    """The median half-width of the throughput ratios of usable closed loops to the reference, as a
    share: 0.02 is ±2 %. Null if no ratio has bounds."""
    half_width_max: float | None
    """The widest of these half-widths."""
    slice_scatter: float | None = None
    """How noisy the machine was: how much slices of one server vary within a round, as the median
    over the closed loops of the standard deviations of logarithms. Below 0.1 is calm, above 0.2
    noisy. Null if there are no slices."""
    left_out: float | None = None
    """The share of slices that ratios leave out, because something else used the CPUs of the load
    generator or of the server in them. Null if there are no slices."""


class RunGoal(Goal, frozen=True):
    """What a run was to reach."""

    spent_s: float = 0.0
    """How much of its time was used when the first round began."""


class RunFacts(msgspec.Struct, frozen=True):
    """The run that the report is about."""

    id: str
    """The run's id."""
    label: str | None
    """Its label."""
    started_at: str
    """When it began (UTC)."""
    tool_version: str
    """Version of asgi-bench."""
    machine: Machine
    """Where it was measured, as in `run.json`."""
    seed: int
    """The seed of its order, as in `plan`."""
    reference: str | None
    """The server setting that ratios refer to, as in `plan`."""
    goal: RunGoal | None = None
    """Its goal, as in `plan.goal`; null if it had none."""
    reached: Reached | None = None
    """What it reached."""
    resumed: tuple[Resumption, ...] = ()
    """The parts after the first, in which `run --resume` continued it, as in `run.json`."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: Literal["asgi-bench/report"] = "asgi-bench/report"
    """What the document is."""
    version: int = REPORT_VERSION
    """Version of the document."""
    run: RunFacts
    """Which run, and where it was measured."""
    cells: tuple[CellReport, ...]
    """Each planned cell that is no sweep."""
    comparisons: tuple[Comparison, ...] = ()
    """Each pair of cells of a scenario, load and worker count: closed loops on `throughput_rps` and
    on `server_cpu_s_per_request`."""
    sweeps: tuple[SweepReport, ...] = ()
    """Each cell whose load is a sweep."""
    behaviour: tuple[Behaviour, ...] = ()
    """How each server setting behaved, as in `behaviour.json`; empty if it wasn't observed."""
    latency_comparisons: tuple[Comparison, ...] = ()
    """Each pair of these cells with an open loop, on `response_time_p50_s`: the median of a
    round."""
    scaling: tuple[Scaling, ...] = ()
    """Each server setting that was measured at saturation with several worker counts."""
    ways: tuple[CellRatio, ...] = ()
    """Each cell measured over something other than HTTP/1.1 and TCP, beside one that was."""
    levels: tuple[Level, ...] = ()
    """Each closed loop of a server setting that was measured over several connection counts."""
    settings: tuple[SettingReport, ...] = ()
    """Each server setting of the plan, in the plan's order."""
    interpreters: tuple[Interpreter, ...] = ()
    """For a run over several interpreters: each of them, in the order given."""
    setup_ratios: tuple[CellRatio, ...] = ()
    """For a run over several interpreters: each cell under an interpreter other than the first,
    relative to the same cell under the first."""

    @property
    def everything(self) -> Sequence[CellReport | SweepReport]:
        """Everything that was measured or should have been, under any load."""
        return (*self.cells, *self.sweeps)
