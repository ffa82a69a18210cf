"""Every metric, declared once: how it is read, how it is called, and what it is used for.

Tables, charts, ranks, the gate of an A/B, the history and the exports all go by `METRICS`. What
reads histograms or combines rounds is in `analysis/metrics.py`.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from asgi_bench.model.figures import (
    connection_bytes,
    growth_bytes,
    own_pss_bytes,
    received_bytes_per_s,
    server_cpu_s_per_request,
    slice_cpu_s_per_request,
    slice_throughput_rps,
)
from asgi_bench.model.goal import Gate
from asgi_bench.model.metric_uses import Chart, Gating, Times, Total
from asgi_bench.model.plan import Load, Loop
from asgi_bench.model.trial import (
    FIRST_BYTE_TIME,
    GAP_TIME,
    GENERATOR_LAG,
    RESPONSE_TIME,
    SERVICE_TIME,
    Slice,
    Trial,
)

Pooling: TypeAlias = Literal["geometric", "arithmetic", "median", "per request"]

CLOSED: tuple[Loop, ...] = ("closed",)
OPEN: tuple[Loop, ...] = ("open",)
SWEEP: tuple[Loop, ...] = ("sweep",)
BOTH: tuple[Loop, ...] = ("closed", "open")

# Two starts of the same differ by some tenths of a per cent; a cache or a thread more by several.
LEAST_MEMORY_CHANGE = 0.05


class Unit(msgspec.Struct, frozen=True):
    """What a figure is stored in, always SI, and what people read it in."""

    si: str
    shown: str
    factor: float = 1.0
    """What an SI value is multiplied with to be shown."""
    digits: int = 3
    """How many significant digits are shown."""


PER_SECOND = Unit("requests/s", "requests/s")
RATIO = Unit("", "ratio")
MILLISECONDS = Unit("s", "ms", 1e3)
MICROSECONDS = Unit("s", "µs", 1e6)
MEGABYTES_PER_SECOND = Unit("B/s", "MB/s", 1e-6)
MEBIBYTES = Unit("B", "MiB", 2**-20, digits=2)
KIBIBYTES = Unit("B", "KiB", 2**-10)


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric."""

    name: str
    """Its name in every file, which states its unit."""
    title: str
    """What it is called by itself, as in other tools' formats."""
    label: str = ""
    """Its name in a narrow table of metrics."""
    phrase: str = ""
    """Its name in a sentence. Default: the label."""
    change_phrase: str = ""
    """Its name behind `3 % more`. Default: the phrase."""
    comparative: tuple[str, str] = ("more", "less")
    """A worse and a better one, in a word each."""
    column: tuple[str, str] = ("", "")
    """Its heading in the tables of cells: title and unit."""
    ratio_title: str = ""
    """The title of the column with its ratio to the reference."""
    unit: Unit
    more_is_better: bool = False
    is_linear: bool = False
    """Whether it may be 0 or below: changes are then differences, not ratios."""

    of_slice: Callable[[Slice], float | None] | None = None
    """Its value in one slice, where an A/B goes by slices."""
    of_trial: Callable[[Trial], float | None] | None = None
    """Its value in one trial; None for what only a report tells."""
    times: Times | None = None
    """What it is of a trial's times, where it is that."""
    pooling: Pooling = "geometric"
    """How the rounds of a cell become one figure: their geometric mean, their mean or their
    median, or the sum over all rounds by all their requests. Times are read from one histogram."""
    key: str = ""
    """Where a report's cell has it. Default: under its name."""
    ratio_key: str = ""
    """Where a report's cell has its ratio to the reference."""

    ranks: tuple[Loop, ...] = ()
    """Cells under these loads are ranked by it."""
    compared: tuple[Loop, ...] = ()
    """Cells under these loads are compared on it, in a run and between two."""
    tracked: tuple[Loop, ...] = ()
    """A history follows it under these loads."""
    exported: tuple[Loop, ...] = ()
    """Other tools' formats have it."""
    tabled: tuple[Loop, ...] = ()
    """The tables of cells under these loads have a column for it."""
    by_round: bool = False
    """Whether `rounds.csv` has it."""
    gating: Gating | None = None
    """How an A/B judges it, if it does."""
    chart: Chart | None = None

    @property
    def key_of_cell(self) -> str:
        """The key of a report's cell that has it, or holds it."""
        return (self.key or self.name).partition(".")[0]

    @property
    def total(self) -> "Metric | None":
        """The same over all slices of all blocks, where an A/B shows that."""
        total = None if self.gating is None else self.gating.total
        if total is None:
            return None
        return Metric(
            name=total.name,
            title=total.phrase,
            label=total.label,
            phrase=total.phrase,
            comparative=self.comparative,
            unit=self.unit,
            more_is_better=self.more_is_better,
            of_trial=self.of_trial,
            times=total.times,
        )

    @property
    def told(self) -> str:
        """Its name in a sentence."""
        return self.phrase or self.label

    @property
    def told_of_change(self) -> str:
        """Its name behind `3 % more`."""
        return self.change_phrase or self.told


def _time_chart(name: str, title: str) -> Chart:
    return Chart(loops=BOTH, name=name, title=title, axis="milliseconds")


def _min_change(gate: Gate) -> float:
    return gate.min_change


def _percentile(
    *,
    name: str,
    label: str,
    times: Times,
    phrase: str = "",
    column: tuple[str, str] = ("", ""),
    unit: Unit = MILLISECONDS,
    **uses: Any,
) -> Metric:
    """A quantile of times: its place in a report and its title follow from its name."""
    kind = name.partition("_p")[0]
    return Metric(
        name=name,
        title=f"{kind.replace('_', ' ')} {label}",
        label=label,
        phrase=phrase,
        comparative=("longer", "shorter"),
        column=column if any(column) else (label, unit.shown),
        unit=unit,
        times=times,
        key=f"{kind}_s.{label.replace('.', '')}",
        **uses,
    )


THROUGHPUT = Metric(
    name="throughput_rps",
    title="throughput",
    label="throughput",
    change_phrase="in throughput",
    comparative=("slower", "faster"),
    column=("req", "per s"),
    unit=PER_SECOND,
    more_is_better=True,
    of_slice=slice_throughput_rps,
    of_trial=lambda trial: trial.throughput_rps,
    ratio_key="throughput_ratio",
    ratio_title="throughput",
    ranks=CLOSED,
    compared=CLOSED,
    tracked=CLOSED,
    exported=CLOSED,
    tabled=CLOSED,
    by_round=True,
    gating=Gating(
        loops=CLOSED,
        least_change=_min_change,
        total=Total(name="total_throughput_rps", label="throughput, all", phrase="over all slices"),
    ),
    chart=Chart(
        loops=CLOSED,
        name="throughput",
        title="Throughput",
        axis="correct answers per second",
    ),
)
THROUGHPUT_RATIO = Metric(
    name="throughput_ratio",
    title="throughput over the reference's",
    unit=RATIO,
    more_is_better=True,
    exported=CLOSED,
)
CPU = Metric(
    name="server_cpu_s_per_request",
    title="server CPU per request",
    label="CPU per request",
    column=("CPU", "µs"),
    unit=MICROSECONDS,
    of_slice=slice_cpu_s_per_request,
    of_trial=server_cpu_s_per_request,
    ratio_key="server_cpu_ratio",
    ratio_title="CPU",
    compared=BOTH,
    tracked=BOTH,
    exported=BOTH,
    tabled=BOTH,
    by_round=True,
    gating=Gating(
        loops=BOTH,
        least_change=_min_change,
        total=Total(
            name="total_server_cpu_s_per_request",
            label="CPU, all",
            phrase="CPU per request over all slices",
        ),
    ),
    chart=Chart(
        loops=BOTH,
        name="cpu",
        title="Server CPU time per request",
        axis="µs of CPU time per request",
        note="user and system time of all the server's processes",
    ),
)
P50 = _percentile(
    name="response_time_p50_s",
    label="p50",
    phrase="median response time",
    times=Times(RESPONSE_TIME, 0.5),
    ranks=OPEN,
    compared=OPEN,
    tracked=OPEN,
    exported=BOTH,
    tabled=BOTH,
    by_round=True,
    gating=Gating(
        loops=OPEN,
        least_change=_min_change,
        total=Total(
            name="total_response_time_s",
            label="mean, all",
            phrase="mean response time",
            times=Times(RESPONSE_TIME, None),
        ),
    ),
)
P99 = _percentile(
    name="response_time_p99_s",
    label="p99",
    times=Times(RESPONSE_TIME, 0.99),
    exported=BOTH,
    tabled=BOTH,
    by_round=True,
)
P999 = _percentile(
    name="response_time_p999_s",
    label="p99.9",
    times=Times(RESPONSE_TIME, 0.999),
    tabled=OPEN,
)
SERVICE_P50 = _percentile(
    name="service_time_p50_s",
    label="p50",
    column=("service", "p50 ms"),
    times=Times(SERVICE_TIME, 0.5),
    tabled=OPEN,
)
LAG_P99 = _percentile(
    name="generator_lag_p99_s",
    label="p99",
    column=("lag", "µs"),
    unit=MICROSECONDS,
    times=Times(GENERATOR_LAG, 0.99),
    tabled=OPEN,
)
RECEIVED = Metric(
    name="received_bytes_per_s",
    title="bytes received",
    label="received",
    column=("received", "MB/s"),
    unit=MEGABYTES_PER_SECOND,
    more_is_better=True,
    of_trial=received_bytes_per_s,
    exported=BOTH,
    chart=Chart(loops=CLOSED, name="received", title="Bytes received", axis="MB per second"),
)
FIRST_BYTE_P50 = _percentile(
    name="first_byte_time_p50_s",
    label="p50",
    times=Times(FIRST_BYTE_TIME, 0.5),
    exported=BOTH,
    chart=_time_chart("first-byte", "Time to first byte, median"),
)
GAP_P99 = _percentile(
    name="gap_time_p99_s",
    label="p99",
    times=Times(GAP_TIME, 0.99),
    exported=BOTH,
    chart=_time_chart("gap", "Gap between parts, p99"),
)
MEMORY = Metric(
    name="server_pss_bytes",
    title="server memory (PSS)",
    label="memory",
    phrase="memory after the load",
    column=("PSS", "MiB"),
    unit=MEBIBYTES,
    of_trial=lambda trial: trial.server_pss_bytes,
    pooling="median",
    exported=BOTH,
    tabled=CLOSED,
    by_round=True,
    gating=Gating(
        loops=BOTH,
        least_change=lambda gate: LEAST_MEMORY_CHANGE,
        of_side=own_pss_bytes,
        is_optional=True,
        family="memory",
    ),
    chart=Chart(
        loops=CLOSED,
        name="memory",
        title="Server memory",
        axis="MiB",
        note="proportional set size (PSS) of all the server's processes, median of rounds",
    ),
)
CONNECTION_MEMORY = Metric(
    name="pss_bytes_per_connection",
    title="server memory per open connection",
    label="memory per connection",
    column=("conn.", "KiB"),
    unit=KIBIBYTES,
    of_trial=connection_bytes,
    pooling="median",
    exported=BOTH,
    by_round=True,
)
GROWTH = Metric(
    name="growth_bytes_per_1000_requests",
    title="growth of server memory per 1,000 requests",
    label="growth",
    phrase="growth of memory per 1,000 requests",
    unit=KIBIBYTES,
    is_linear=True,
    of_trial=growth_bytes,
    pooling="arithmetic",
    exported=BOTH,
    by_round=True,
    gating=Gating(
        loops=BOTH,
        least_change=lambda gate: gate.max_growth_bytes,
        family="memory",
    ),
)
HIGHEST_RATE = Metric(
    name="highest_rate_rps",
    title="highest rate that keeps the objective",
    unit=PER_SECOND,
    more_is_better=True,
    exported=SWEEP,
)
SATURATION = Metric(
    name="saturation_rps",
    title="throughput at saturation",
    unit=PER_SECOND,
    more_is_better=True,
    exported=SWEEP,
)

# All that are declared above, in this order.
METRICS: tuple[Metric, ...] = tuple(
    declared for declared in list(vars().values()) if isinstance(declared, Metric)
)
TOTALS: tuple[Metric, ...] = tuple(total for metric in METRICS if (total := metric.total))
_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in (*METRICS, *TOTALS)}


def metric_of(name: str) -> Metric:
    """The metric that files call by this name."""
    return _BY_NAME[name]


def ranking_metric(load: Load) -> Metric:
    """What cells under a load are ranked by.

    At saturation that is throughput. An open loop offers all the same rate, so what tells them
    apart is how long its median request took; the tail of a round has too few samples.
    """
    return next(metric for metric in METRICS if load.loop in metric.ranks)


def used_in(loop: Loop, uses: Callable[[Metric], Sequence[Loop]]) -> tuple[Metric, ...]:
    """The metrics that have a use in a loop; in an open one the times come first, as they rank."""
    used = [metric for metric in METRICS if loop in uses(metric)]
    return tuple(sorted(used, key=lambda metric: loop == "open" and metric.times is None))


def used_under(load: Load, uses: Callable[[Metric], Sequence[Loop]]) -> tuple[Metric, ...]:
    """The same under a load."""
    return used_in(load.loop, uses)


def gated_under(load: Load, gate: Gate) -> tuple[Metric, ...]:
    """What an A/B judges under a load."""
    gated = used_under(load, lambda one: one.gating.loops if one.gating else ())
    return tuple(metric for metric in gated if least_change(metric, gate) is not None)


def least_change(metric: Metric, gate: Gate) -> float | None:
    """The smallest change that matters of what an A/B judges; None of anything else."""
    return None if metric.gating is None else metric.gating.least_change(gate)


def _named(names: Sequence[str], description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description, extra_json_schema={"enum": list(names)})


TRACKED_NAMES = tuple(metric.name for metric in METRICS if metric.tracked)

# Names of metrics in files; their schemas list them.
ComparedName: TypeAlias = Annotated[
    str, _named([one.name for one in METRICS if one.compared], "What cells are compared on.")
]
TrackedName: TypeAlias = Annotated[str, _named(TRACKED_NAMES, "What a history follows.")]
JudgedName: TypeAlias = Annotated[
    str,
    _named(
        [one.name for one in (*METRICS, *TOTALS) if one.gating or one in (*TOTALS, P99)],
        "What an A/B judges or shows.",
    ),
]
