"""The verdict on an A/B: `verdict.json`, derived from the trials alone."""

from typing import Literal, TypeAlias

import msgspec

from asgi_bench.model.counts import Explanation
from asgi_bench.model.metrics import JudgedName, metric_of
from asgi_bench.model.setup import Setup
from asgi_bench.model.trial import Reason

VERDICT_VERSION = 1

# From the worst on: what several cells come to.
Verdict: TypeAlias = Literal["regression", "failed", "invalid", "undecided", "improvement", "pass"]
DifferenceKind: TypeAlias = Literal[
    "package", "python", "app", "args", "env", "commit", "server", "running", "socket", "module"
]


class Effect(msgspec.Struct, frozen=True):
    """The difference between two sides on one metric, as a slowdown."""

    d: float
    """The slowdown as a share, 0.03 for 3 % more, whatever the metric: baseline over candidate less
    1 for throughput, candidate over baseline less 1 for costs, times and memory. Of
    the growth of memory the difference, in bytes."""
    lo: float | None = None
    """Lower bound of its interval; null if there are too few blocks for one."""
    hi: float | None = None
    """Upper bound of its interval; null if there are too few blocks for one."""


class MetricVerdict(msgspec.Struct, frozen=True):
    """One metric of one cell: the effect of the candidate, and the control's own beside it.

    A `total_` metric covers all slices of all blocks, including stalls; the gated metric excludes
    outliers at either end. In an open loop it is the mean response time.
    """

    metric: JudgedName
    """The metric. A p99 is of all blocks together and is not gated."""
    verdict: Verdict | None
    """Its verdict; null if it is shown and not gated. For a `total_` it is `regression` if it
    certainly shows more than the gated metric does, by more than what matters, otherwise null."""
    effect: Effect
    """What separates the candidate from the baseline."""
    blocks: int
    """The blocks it rests on."""
    baseline: float
    """Geometric mean of the baseline, pooled with the control; of growth the mean."""
    candidate: float
    """Geometric mean of the candidate; of growth the mean."""
    p_adjusted: float | None = None
    """Its p value after Holm over all gated metrics of all cells; that of a `total_` over all
    totals, that of memory and its growth over these, at a tenth of the level."""
    confidence: float | None = None
    """The level of the effect's interval, chosen so that the interval excludes 0 exactly when the
    effect is significant; null for a p99."""
    standard_error: float | None = None
    """The standard error of the effect."""
    detectable: float | None = None
    """The smallest effect that this run would have called a regression four times in five."""
    control: Effect | None = None
    """The second baseline against the first, with its 99.9 % interval."""
    min_change: float | None = None
    """The smallest change that matters, in the unit of `effect`; null if it isn't gated."""

    @property
    def is_total(self) -> bool:
        """Whether it covers all slices, with nothing excluded."""
        return self.metric.startswith("total_")

    @property
    def is_of_memory(self) -> bool:
        """Whether it is judged separately from the metrics of speed."""
        gating = metric_of(self.metric).gating
        return gating is not None and gating.family == "memory"


class CellVerdict(msgspec.Struct, frozen=True):
    """One cell of an A/B: the worst of its gated metrics."""

    cell: str
    """The cell's key in a run without sides."""
    verdict: Verdict
    """Its verdict."""
    blocks: int
    """The blocks that were used."""
    blocks_left_out: int
    """The blocks that were not, because a side failed or was invalid."""
    metrics: tuple[MetricVerdict, ...]
    """The result of each metric."""
    reasons: tuple[Reason, ...] = ()
    """Findings beside the effects, in the form of `validity_reasons`."""


class Difference(msgspec.Struct, frozen=True):
    """Something that is not the same on both sides of an A/B."""

    kind: DifferenceKind
    """What differs: a `package`, the `python`, the `app`, `args`, `env`, the `commit`, the
    `server`, what the proofs found `running` (`loop`, `parser`, …), a `socket` option of accepted
    sockets, or a `module` of the app's, by its digest."""
    name: str
    """Which one of its kind."""
    baseline: str | None
    """Its value on the baseline; null if it is absent, `set` for a variable of which only the name
    is recorded."""
    candidate: str | None
    """What it is on the candidate, likewise."""


class AbReport(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict.json`: a whole A/B, judged."""

    schema: Literal["asgi-bench/verdict"] = "asgi-bench/verdict"
    """What the file is."""
    version: int = VERDICT_VERSION
    """Version of the file."""
    run: str
    """The run's id."""
    rule_version: int
    """Version of the rule that judged."""
    verdict: Verdict
    """The worst of the cells: `regression`, `failed`, `invalid`, `undecided`, `improvement` or
    `pass`."""
    text: str
    """The verdict line: one sentence in plain words."""
    min_change: float
    """As in `plan.gate`."""
    alpha: float
    """As in `plan.gate`."""
    is_aa: bool
    """As in `plan.gate`."""
    blocks: int
    """Blocks of fresh processes that were measured."""
    looks: int
    """Looks at the data that were planned."""
    looks_taken: int
    """Looks at the data that were taken."""
    duration_s: float
    """How long the run took."""
    budget_s: float
    """As in `plan.gate`."""
    baseline: Setup
    """The baseline, as in `plan.setups`."""
    candidate: Setup
    """The candidate, as in `plan.setups`."""
    differences: tuple[Difference, ...]
    """What is not the same on both sides."""
    cells: tuple[CellVerdict, ...]
    """The verdict on each cell."""
    explanations: tuple[Explanation, ...] = ()
    """For an A/B by counts with `--explain`: where the sides differ."""
