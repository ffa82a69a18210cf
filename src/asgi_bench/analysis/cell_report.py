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
    status: int
    body: int
    connect: int
    reset: int
    timeout: int


class Rank(msgspec.Struct, frozen=True):
    """The places a cell may hold among those it was compared with.

    `best` is 1 + the number of cells that are distinguishably better, `worst` the number of cells
    less those that are distinguishably worse: 1 to 3 is a tie over three places.
    """

    best: int
    worst: int


class Costs(msgspec.Struct, frozen=True):
    """What a cell's server costs beside `server_cpu_s_per_request` and `server_pss_bytes`.

    User and system time add up to `server_cpu_s_per_request`. `throughput_rps_per_core` is over
    the CPUs that the server kept busy: requests per second of its CPU time. Memory is the median
    of rounds: ready but not loaded yet, the most seen between slices, and what stays of it after
    the load (`server_pss_kept_bytes`: with all connections closed, less what it was idle). Startup
    and stop are side by side with the other servers of the block. Switches are of the server's
    threads, the voluntary ones waits, the others losses of the CPU. `response_bytes` is head and
    body. `machine_energy_j_per_request` is what all CPUs took, the load generator's share too.
    """

    server_user_s_per_request: Interval = Interval()
    server_system_s_per_request: Interval = Interval()
    throughput_rps_per_core: Interval = Interval()
    server_pss_idle_bytes: int | None = None
    server_pss_peak_bytes: int | None = None
    server_pss_kept_bytes: int | None = None
    startup_s: Interval = Interval()
    stop_s: Interval = Interval()
    voluntary_switches_per_request: float | None = None
    involuntary_switches_per_request: float | None = None
    response_bytes: int | None = None
    machine_energy_j_per_request: Interval = Interval()


class RequestReport(msgspec.Struct, frozen=True):
    """One of several weighted requests of a cell; the keys mean what they mean in the cell.

    `share` is its weight over all weights; `requests`, `sent` and `errors` are of the slices.
    Response times are null in a sweep, whose rates differ.
    """

    name: str
    method: str
    path: str
    share: float
    requests: int
    sent: int
    errors: ErrorTotals
    response_time_s: Percentiles
    response_bytes: int | None


LoadT = TypeVar("LoadT", bound=ClosedLoop | OpenLoop | RateSweep)


class CellFacts(msgspec.Struct, Generic[LoadT], frozen=True):
    """What is said of every cell: what it is, how it came out, what was sent to it.

    `rounds` are those with a measured trial; the estimates leave out its invalid ones.
    `requests` and `errors` count all measured trials of the cell's own block, `sent_total` and
    `errors_total` everything that was ever sent to it: probes, ramp, warm-up, other blocks.
    """

    cell: str
    server: str
    server_version: str | None
    variant: str
    workers: int
    scenario: str
    load: LoadT
    client: Client
    outcome: Outcome
    reason: str | None
    validity: ValidityLevel
    validity_reasons: tuple[Reason, ...]
    oversubscribed: bool
    rounds: int
    requests: int
    errors: ErrorTotals
    sent_total: int
    errors_total: ErrorTotals
    wrong_answers: tuple[WrongAnswer, ...]
    """The first wrong answer of each kind in any round, with the counts of all rounds."""
    unanswered_connections: int
    """The most connections in one round on which no request was ever answered."""


class CellReport(CellFacts[ClosedLoop | OpenLoop], frozen=True):
    """A cell under one load, with its estimates.

    Of an open loop alone, null in a closed one: the rate that was offered, where the load states
    a share of the cell's own; the share of the due requests that went out before their
    schedule's end; whether it was overloaded, that is in half of its rounds or more the queue grew
    until the end (it then has no response and service times); the most requests in flight at once.

    It is ranked among the sound cells of its scenario, load and worker count, for these were
    measured in the same minutes: by throughput, in an open loop by the rounds' median response
    times. `tied_with` are those it can't be told apart from. Both are null where it is invalid or
    lacks that figure. `by_request` parts it by its requests, where there are several.
    `growth_bytes_per_1000_requests` is by how much the memory of its server grew under all load
    that this had: that of other cells that share its processes too.
    """

    throughput_rps: Interval
    throughput_ratio: Ratio | None
    server_cpu_s_per_request: Interval
    server_pss_bytes: int | None
    load_cpu_s_per_request: float | None
    load_cpu_share: float | None
    response_time_s: Percentiles
    service_time_s: Percentiles
    generator_lag_s: Percentiles
    offered_rps: float | None = None
    rate_ratio: float | None = None
    overloaded: bool | None = None
    in_flight_max: int | None = None
    rank: Rank | None = None
    server_cpu_ratio: Ratio | None = None
    tied_with: tuple[str, ...] | None = None
    costs: Costs = Costs()
    by_request: tuple[RequestReport, ...] = ()
    # Bytes of requests that went out, heads included; null where no request has a body.
    sent_bytes_per_s: Interval = Interval()
    growth_bytes_per_1000_requests: Interval = Interval()


class SweepPoint(msgspec.Struct, frozen=True):
    """A load curve at one offered rate, which is a share of the cell's own throughput.

    The keys mean what they mean in a cell of an open loop; `samples` are the response times that
    the percentiles rest on.
    """

    share: float
    offered_rps: float | None
    throughput_rps: Interval
    response_time_s: Percentiles
    rate_ratio: float | None
    overloaded: bool
    samples: int = 0


class SweepReport(CellFacts[RateSweep], frozen=True):
    """A cell's load curve, by rising share, and the highest rate that keeps its objective.

    `highest_rate_rps` is over rounds; with `highest_rate_is_least` no rate broke the objective in
    one of them, so it is a lower bound. `saturation_rps` is what the cell answered when it was
    offered more than it could take; null if it never was.
    """

    points: tuple[SweepPoint, ...]
    objective: Objective | None
    highest_rate_rps: Interval
    highest_rate_is_least: bool
    saturation_rps: Interval
    by_request: tuple[RequestReport, ...] = ()
