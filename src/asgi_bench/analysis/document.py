"""The report as a document: exactly what `report --format json` prints, in this order of keys.

All figures are SI. Whatever wasn't measured, or rests on too few samples or rounds, is null.
"""

from typing import Literal

import msgspec

from asgi_bench.model import Client, Load, Machine, Outcome, Reason, ValidityLevel

REPORT_VERSION = 1


class Interval(msgspec.Struct, frozen=True):
    """An estimate over rounds with its 95 % bounds; the bounds are null under 3 rounds."""

    value: float | None = None
    lower: float | None = None
    upper: float | None = None


class Ratio(msgspec.Struct, frozen=True):
    """A cell's throughput over the reference cell's, from pairs within the same round."""

    reference: str
    value: float
    lower: float | None
    upper: float | None


class ErrorTotals(msgspec.Struct, frozen=True):
    """Wrong answers by kind, and all kinds together."""

    total: int
    status: int
    body: int
    connect: int
    reset: int
    timeout: int


class Percentiles(msgspec.Struct, frozen=True):
    """Percentiles of one merged histogram, in seconds; null without samples enough."""

    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p999: float | None = None
    p9999: float | None = None
    max: float | None = None


class Rank(msgspec.Struct, frozen=True):
    """The places a cell may hold among those it was compared with."""

    best: int
    worst: int


class CellReport(msgspec.Struct, frozen=True):
    """One cell: what it is, how it came out, and its estimates.

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
    load: Load
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
    throughput_rps: Interval
    throughput_ratio: Ratio | None
    server_cpu_s_per_request: Interval
    server_pss_bytes: int | None
    load_cpu_s_per_request: float | None
    load_cpu_share: float | None
    response_time_s: Percentiles
    service_time_s: Percentiles
    generator_lag_s: Percentiles
    rank: Rank | None = None


class Comparison(msgspec.Struct, frozen=True):
    """Two cells on one metric: their ratio, and whether they can be told apart."""

    a: str
    b: str
    metric: Literal["throughput_rps", "server_cpu_s_per_request"]
    ratio: Interval
    p_adjusted: float
    distinguishable: bool


class RunFacts(msgspec.Struct, frozen=True):
    """The run the report is about."""

    id: str
    label: str | None
    started_at: str
    tool_version: str
    machine: Machine
    seed: int
    reference: str | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document."""

    schema: Literal["asgi-bench/report"] = "asgi-bench/report"
    version: int = REPORT_VERSION
    run: RunFacts
    cells: tuple[CellReport, ...]
    comparisons: tuple[Comparison, ...] = ()
