"""What a report says of one cell: its figures under one load, or along a load curve.

All figures are SI. Whatever wasn't measured, or rests on too few samples or rounds, is null.
"""

from typing import Generic, TypeVar

import msgspec

from asgi_bench.analysis.estimates import Interval, Percentiles, Ratio
from asgi_bench.model import (
    Client,
    ClosedLoop,
    Objective,
    OpenLoop,
    Outcome,
    RateSweep,
    Reason,
    ValidityLevel,
    WrongAnswer,
)


class ErrorTotals(msgspec.Struct, frozen=True):
    """Wrong answers by kind, and all kinds together."""

    total: int
    """All wrong answers."""
    status: int
    """Responses with another status than the expected one."""
    body: int
    """Responses with a wrong body or wrong framing."""
    connect: int
    """Attempts to connect that failed."""
    reset: int
    """Connections that ended before the response was complete."""
    timeout: int
    """Responses that did not arrive in time."""


class Rank(msgspec.Struct, frozen=True):
    """The places a cell may hold among those it was compared with: 1 to 3 is a three-way tie."""

    best: int
    """1 + the number of cells that are distinguishably better."""
    worst: int
    """The number of cells less those that are distinguishably worse."""


class Costs(msgspec.Struct, frozen=True):
    """What a cell's server costs beside `server_cpu_s_per_request` and `server_pss_bytes`."""

    server_user_s_per_request: Interval = Interval()
    """The part of `server_cpu_s_per_request` in user mode."""
    server_system_s_per_request: Interval = Interval()
    """The part of `server_cpu_s_per_request` in the kernel."""
    throughput_rps_per_core: Interval = Interval()
    """Correct answers per second of the server's CPU time: over the cores it kept busy, not those
    it was given."""
    server_pss_idle_bytes: int | None = None
    """Memory before the load, when the server was ready; median of rounds."""
    server_pss_peak_bytes: int | None = None
    """The most memory that was seen between slices; median of rounds."""
    server_pss_kept_bytes: int | None = None
    """What stays after the load: memory with all connections closed, less what it was idle; median
    of rounds."""
    startup_s: Interval = Interval()
    """Time to start, as in a trial, beside the other servers of the block."""
    stop_s: Interval = Interval()
    """Time to stop, as in a trial, beside the other servers of the block."""
    voluntary_switches_per_request: float | None = None
    """Context switches of the server's threads that were waits, per request sent, over all
    rounds."""
    involuntary_switches_per_request: float | None = None
    """Context switches of the server's threads that were losses of the CPU, per request sent, over
    all rounds."""
    response_bytes: int | None = None
    """Size of one response, head and body."""
    machine_energy_j_per_request: Interval = Interval()
    """Energy that all CPUs took per request, for the load generator too, in joules."""


class RequestReport(msgspec.Struct, frozen=True):
    """One of several weighted requests of a cell."""

    name: str
    """The request's name."""
    method: str
    """The HTTP method."""
    path: str
    """The path."""
    share: float
    """Its weight over all weights."""
    requests: int
    """Correct answers in the slices."""
    sent: int
    """All of these requests that were sent in the slices."""
    errors: ErrorTotals
    """Wrong answers in the slices by kind."""
    response_time_s: Percentiles
    """Percentiles of its response times; null in a sweep, whose rates differ."""
    response_bytes: int | None
    """Size of one response, head and body."""


LoadT = TypeVar("LoadT", bound=ClosedLoop | OpenLoop | RateSweep)


class CellFacts(msgspec.Struct, Generic[LoadT], frozen=True):
    """What is said of every cell: what it is, how it came out, what was sent to it."""

    cell: str
    """The cell's key."""
    server: str
    """The server."""
    server_version: str | None
    """The version that was measured."""
    variant: str
    """The variant of the server."""
    workers: int
    """How many workers it was started with."""
    scenario: str
    """The scenario."""
    load: LoadT
    """How requests were offered, as in `plan.cells[]`."""
    client: Client
    """What sent the requests, as in `plan`."""
    outcome: Outcome
    """`ok`, `failed` or `skipped`."""
    reason: str | None
    """Why it failed or was skipped; otherwise null."""
    validity: ValidityLevel
    """`valid`, `suspect` or `invalid`, from those of its rounds."""
    validity_reasons: tuple[Reason, ...]
    """The findings that the verdict rests on."""
    oversubscribed: bool
    """Whether there are more workers than server CPUs: a property, not a fault."""
    rounds: int
    """Rounds that were measured; estimates leave out the invalid ones."""
    requests: int
    """Correct answers in the cell's own block, invalid rounds included."""
    errors: ErrorTotals
    """Wrong answers in the cell's own block, invalid rounds included."""
    sent_total: int
    """All requests ever sent to it: probes, ramp, warm-up and other blocks too."""
    errors_total: ErrorTotals
    """Wrong answers to all of these."""
    wrong_answers: tuple[WrongAnswer, ...]
    """The first wrong answer of each kind in any round, with the counts of all rounds."""
    unanswered_connections: int
    """The most connections in one round on which no request was ever answered."""


class CellReport(CellFacts[ClosedLoop | OpenLoop], frozen=True):
    """A cell under one load, with its estimates; they leave out invalid rounds."""

    throughput_rps: Interval
    """Correct answers per second of load."""
    throughput_ratio: Ratio | None
    """Throughput over the `reference` cell's, from pairs within the same rounds."""
    server_cpu_s_per_request: Interval
    """CPU time of the server over all requests."""
    server_pss_bytes: int | None
    """Memory of the server's processes after the load (PSS); median of rounds."""
    load_cpu_s_per_request: float | None
    """CPU time of the load generator over all requests, without what it spent waiting precisely."""
    load_cpu_share: float | None
    """CPU time of the load generator as a share of what it may use."""
    response_time_s: Percentiles
    """Response times: from the intended moment of sending to the last byte. Null in an overloaded
    cell."""
    service_time_s: Percentiles
    """Service times: from the sending to the last byte. Null in an overloaded cell."""
    generator_lag_s: Percentiles
    """How late the load generator sent."""
    offered_rps: float | None = None
    """Of an open loop: the rate; where the load states a share, what that came to. Null in a closed
    loop."""
    rate_ratio: float | None = None
    """Of an open loop: requests sent before their schedule's end, of those due. Null in a closed
    loop."""
    overloaded: bool | None = None
    """Of an open loop: whether in half of its rounds or more the queue grew until the end. Null in
    a closed loop."""
    in_flight_max: int | None = None
    """Of an open loop: the most requests on the wire at once. Null in a closed loop."""
    rank: Rank | None = None
    """The places it may hold among the sound cells of its scenario, load and worker count, which
    were measured in the same minutes: by throughput, in an open loop by the rounds' median response
    times. Null where it is invalid or lacks that figure."""
    server_cpu_ratio: Ratio | None = None
    """CPU time per request over the `reference` cell's, from pairs within the same rounds."""
    tied_with: tuple[str, ...] | None = None
    """The cells among these that it can't be told apart from; null where it has no rank."""
    costs: Costs = Costs()
    """What its server costs besides."""
    by_request: tuple[RequestReport, ...] = ()
    """Figures of each request, where there are several."""
    sent_bytes_per_s: Interval = Interval()
    """Bytes of requests that went out per second, heads included; without a value where requests
    have no body."""
    growth_bytes_per_1000_requests: Interval = Interval()
    """How much the memory of its server grew per 1,000 requests under all load that this had, that
    of other cells that share its processes too; interval on the mean of rounds. Null where a trial
    has too few samples or fewer than 500 requests."""
    metrics: dict[str, Interval] | msgspec.UnsetType = msgspec.UNSET
    """Further metrics by name; absent where none is declared."""


class SweepPoint(msgspec.Struct, frozen=True):
    """A load curve at one offered rate; the keys mean what they mean in a cell of an open loop."""

    share: float
    """The rate as a share of the cell's own throughput."""
    offered_rps: float | None
    """The rate."""
    throughput_rps: Interval
    """Correct answers per second."""
    response_time_s: Percentiles
    """Response times."""
    rate_ratio: float | None
    """Requests sent before their schedule's end, of those due."""
    overloaded: bool
    """Whether the queue grew until the end."""
    samples: int = 0
    """The response times that the percentiles rest on."""


class SweepReport(CellFacts[RateSweep], frozen=True):
    """A cell's load curve, and the highest rate that keeps its objective."""

    points: tuple[SweepPoint, ...]
    """The load curve, by rising share."""
    objective: Objective | None
    """What had to be kept; null where nothing was searched."""
    highest_rate_rps: Interval
    """The highest rate that kept the objective: geometric mean of the rounds in which one did, null
    where that was in half of them or fewer."""
    highest_rate_is_least: bool
    """Whether that is a lower bound, because in one of the rounds no rate broke the objective."""
    saturation_rps: Interval
    """What was answered at the rates from which on all overload the server; null where none did."""
    by_request: tuple[RequestReport, ...] = ()
    """Figures of each request, where there are several."""
