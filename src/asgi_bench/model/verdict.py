"""The verdict on an A/B: `verdict.json`, derived from the trials alone."""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.sides import Side
from asgi_bench.model.trial import Reason

VERDICT_VERSION = 1

# From the worst on: what several cells come to.
Verdict: TypeAlias = Literal["regression", "failed", "invalid", "undecided", "improvement", "pass"]
DifferenceKind: TypeAlias = Literal[
    "package", "python", "app", "args", "env", "commit", "server", "running", "socket", "module"
]
GateMetric: TypeAlias = Literal[
    "throughput_rps",
    "server_cpu_s_per_request",
    "response_time_p50_s",
    "response_time_p99_s",
    "total_throughput_rps",
    "total_server_cpu_s_per_request",
    "total_response_time_s",
    "server_pss_bytes",
]


class Effect(msgspec.Struct, frozen=True):
    """What separates two sides on one metric, as a slowdown: 0.03 costs 3 % more, whatever it is.

    That is baseline over candidate less 1 for throughput, candidate over baseline less 1 for
    costs and times. `lo` and `hi` are the bounds of its interval; None where there are too few
    blocks for one.
    """

    d: float
    lo: float | None = None
    hi: float | None = None


class MetricVerdict(msgspec.Struct, frozen=True):
    """One metric of one cell: the effect of the candidate, and the control's own beside it.

    `verdict` is None where the metric isn't gated. `p_adjusted` is after Holm over all gated
    metrics of all cells; the interval's level goes with it, so that it leaves out 0 exactly
    where the effect is significant. `detectable` is the smallest effect that this run would have
    called a regression four times in five. The control's interval is at 99.9 %.

    A `total_` is over all slices of all blocks, stalls included; the gated metric leaves out what
    stands out at either end. That of an open loop is the mean response time. Its verdict is
    `regression` where it surely tells more than the gated metric does, by more than what matters,
    else None; its p is after Holm over all totals. p99 is not gated; that of all blocks together
    has no interval. Nor is memory, the PSS after the load.
    """

    metric: GateMetric
    verdict: Verdict | None
    effect: Effect
    blocks: int
    baseline: float
    candidate: float
    p_adjusted: float | None = None
    confidence: float | None = None
    standard_error: float | None = None
    detectable: float | None = None
    control: Effect | None = None

    @property
    def is_total(self) -> bool:
        """Whether it is over all slices, with nothing left out."""
        return self.metric.startswith("total_")


class CellVerdict(msgspec.Struct, frozen=True):
    """One cell, under the key it has in a run without sides: the worst of its gated metrics."""

    cell: str
    verdict: Verdict
    blocks: int
    blocks_left_out: int
    metrics: tuple[MetricVerdict, ...]
    reasons: tuple[Reason, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """What is not the same on both sides: a package, the interpreter, the app, flags; None: absent.

    `kind` tells which of them, `name` which one of its kind. `running` is what the proof found
    (`loop`, `parser`), `socket` an option of accepted sockets, `module` the digest of one of the
    app's. A variable of which the name alone
    is recorded is `set`.
    """

    kind: DifferenceKind
    name: str
    baseline: str | None
    candidate: str | None


class AbReport(msgspec.Struct, frozen=True, kw_only=True):
    """A whole A/B, judged. `text` is the verdict line: one sentence in plain words.

    `looks_taken` of the `looks` planned ones were at the data; `duration_s` is the run's time.
    """

    schema: Literal["asgi-bench/verdict"] = "asgi-bench/verdict"
    version: int = VERDICT_VERSION
    run: str
    rule_version: int
    verdict: Verdict
    text: str
    min_change: float
    alpha: float
    is_aa: bool
    blocks: int
    looks: int
    looks_taken: int
    duration_s: float
    budget_s: float
    baseline: Side
    candidate: Side
    differences: tuple[Difference, ...]
    cells: tuple[CellVerdict, ...]
