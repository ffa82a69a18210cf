"""Every metric, declared once: how to read it, what to call it, and what it is used for.

Tables, charts, ranks, the gate of an A/B, the history and the exports all use `METRICS`. Code that
reads histograms or combines rounds is in `analysis/metrics.py`.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from asgi_bench.model.figures import (
    connection_bytes,
    growth_bytes,
    messages_per_s,
    own_pss_bytes,
    received_bytes_per_s,
    server_cpu_s_per_request,
    slice_cpu_s_per_request,
    slice_throughput_rps,
    stream_cpu_s,
)
from asgi_bench.model.goal import Gate
from asgi_bench.model.metric import (
    KIBIBYTES,
    MEBIBYTES,
    MEGABYTES_PER_SECOND,
    MESSAGES_PER_SECOND,
    MICROSECONDS,
    MICROSECONDS_PER_SECOND,
    MILLISECONDS,
    PER_SECOND,
    RATIO,
    Chart,
    Gating,
    Metric,
    Times,
    Total,
    Unit,
)
from asgi_bench.model.plan import Load, Loop
from asgi_bench.model.trial import (
    FIRST_BYTE_TIME,
    GAP_TIME,
    GENERATOR_LAG,
    HANDSHAKE_TIME,
    RESPONSE_TIME,
    SERVICE_TIME,
)

CLOSED: tuple[Loop, ...] = ("closed",)
OPEN: tuple[Loop, ...] = ("open",)
SWEEP: tuple[Loop, ...] = ("sweep",)
BOTH: tuple[Loop, ...] = ("closed", "open")

# Two starts of the same differ by some tenths of a per cent; a cache or a thread more by several.
LEAST_MEMORY_CHANGE = 0.05
# By counts: far above what layouts scatter by, and so far below 0.5 % that such a change is called
# every time. At 0.5 % itself it would be found to be less in every second A/B.
LEAST_INSTRUCTIONS_CHANGE = 0.003


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
        axis="correct responses per second",
    ),
)
THROUGHPUT_RATIO = Metric(
    name="throughput_ratio",
    title="throughput relative to the reference",
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
MESSAGES = Metric(
    name="messages_per_s",
    title="messages",
    label="messages",
    column=("messages", "per s"),
    unit=MESSAGES_PER_SECOND,
    more_is_better=True,
    of_trial=messages_per_s,
    exported=BOTH,
    chart=Chart(
        loops=CLOSED,
        name="messages",
        title="Messages per second",
        axis="messages or events per second",
    ),
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
HANDSHAKE_P50 = _percentile(
    name="handshake_time_p50_s",
    label="p50",
    times=Times(HANDSHAKE_TIME, 0.5),
    exported=BOTH,
)
STREAM_CPU = Metric(
    name="server_cpu_share_per_stream",
    title="server CPU per open stream",
    label="CPU per stream",
    column=("CPU", "µs/s"),
    unit=MICROSECONDS_PER_SECOND,
    of_trial=stream_cpu_s,
    per=Times(RESPONSE_TIME, None),
    exported=BOTH,
    chart=Chart(
        loops=CLOSED,
        name="stream-cpu",
        title="Server CPU time per open stream",
        axis="µs of CPU time per second and stream",
    ),
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
    chart=Chart(
        loops=CLOSED,
        name="connection-memory",
        title="Server memory per open connection",
        axis="KiB",
        note="beyond what the idle server uses, median of rounds",
    ),
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
    title="highest rate that meets the objective",
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

# What is counted in place of timed. No loop has them: they are judged by A/Bs that count.
INSTRUCTIONS = Metric(
    name="instructions_per_request",
    title="instructions per request, in user mode",
    label="instructions",
    phrase="instructions",
    unit=Unit("1", "instructions"),
    gating=Gating(loops=(), least_change=_min_change),
)
SYSCALLS = Metric(
    name="syscalls_per_request",
    title="system calls per request, without those in which a server waits",
    label="system calls",
    phrase="system calls",
    unit=Unit("1", "calls"),
    is_linear=True,
    gating=Gating(loops=(), least_change=lambda gate: gate.min_syscalls),
)

# What a run that counts tells, by counter.
COUNTED: dict[str, Metric] = {"instructions": INSTRUCTIONS, "syscalls": SYSCALLS}

# All that are declared above, in this order.
METRICS: tuple[Metric, ...] = tuple(
    declared for declared in list(vars().values()) if isinstance(declared, Metric)
)
TOTALS: tuple[Metric, ...] = tuple(total for metric in METRICS if (total := metric.total))
_BY_NAME: dict[str, Metric] = {metric.name: metric for metric in (*METRICS, *TOTALS)}
_BY_TOTAL: dict[str, Metric] = {total.name: metric for metric in METRICS if (total := metric.total)}


def metric_of(name: str) -> Metric:
    """The metric that files call by this name."""
    return _BY_NAME[name]


def gated_of_total(name: str) -> Metric:
    """The gated metric that the total of this name belongs to."""
    return _BY_TOTAL[name]


def ranking_metric(load: Load) -> Metric:
    """The metric that ranks cells under a load.

    At saturation that is throughput. An open loop offers every server the same rate, so cells are
    ranked by the median response time; the tail of a round has too few samples.
    """
    return next(metric for metric in METRICS if load.loop in metric.ranks)


def used_in(loop: Loop, uses: Callable[[Metric], Sequence[Loop]]) -> tuple[Metric, ...]:
    """The metrics with a use in a loop; in an open loop times come first, because they rank."""
    used = [metric for metric in METRICS if loop in uses(metric)]
    return tuple(sorted(used, key=lambda metric: loop == "open" and metric.times is None))


def used_under(load: Load, uses: Callable[[Metric], Sequence[Loop]]) -> tuple[Metric, ...]:
    """The same under a load."""
    return used_in(load.loop, uses)


def gated_under(load: Load, gate: Gate) -> tuple[Metric, ...]:
    """The metrics that an A/B judges under a load."""
    gated = used_under(load, lambda one: one.gating.loops if one.gating else ())
    return tuple(metric for metric in gated if least_change(metric, gate) is not None)


def least_change(metric: Metric, gate: Gate) -> float | None:
    """The smallest change that matters, for a metric that an A/B judges; otherwise None."""
    if metric.gating is None:
        return None
    return gate.min_changes.get(metric.name, metric.gating.least_change(gate))


def judged_by_time() -> dict[str, Metric]:
    """The metrics of which a smallest change can be chosen as a share, by name."""
    gated = (one for one in METRICS if one.gating and one.gating.loops)
    return {one.name: one for one in gated if not one.is_linear}


def _named(names: Sequence[str], description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description, extra_json_schema={"enum": list(names)})


TRACKED_NAMES = tuple(
    metric.name for metric in METRICS if metric.tracked or metric in COUNTED.values()
)

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
