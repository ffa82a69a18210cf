"""The report as a document: exactly what `report --format json` prints, in this order of keys.

All figures are SI. Whatever wasn't measured, or rests on too few samples or rounds, is null.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.scaling_points import Scaling
from asgi_bench.analysis.settings import SettingReport
from asgi_bench.model import Behaviour, Goal, Machine
from asgi_bench.model.metrics import ComparedName

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
    """Whether that interval too lies wholly on the same side of 1; null where nothing is
    claimed."""


class Reached(msgspec.Struct, frozen=True):
    """What a run came to."""

    rounds: int
    """How many rounds were completed or begun."""
    duration_s: float
    """The run's time."""
    half_width_median: float | None
    """The median half-width of the throughput ratios of sound closed loops to the reference, as a
    share: 0.02 is ±2 %. Null without ratios that have bounds."""
    half_width_max: float | None
    """The widest of these half-widths."""


class RunGoal(Goal, frozen=True):
    """What a run was to reach."""

    spent_s: float = 0.0
    """What was gone of its time when the first round began."""


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
    """What it was to reach, as in `plan.goal`; null where nothing was asked."""
    reached: Reached | None = None
    """What it came to."""


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
    """Each two of the cells of a scenario, load and worker count: closed loops on `throughput_rps`,
    and on `server_cpu_s_per_request`."""
    sweeps: tuple[SweepReport, ...] = ()
    """Each cell whose load is a sweep."""
    behaviour: tuple[Behaviour, ...] = ()
    """How each server setting behaved, as in `behaviour.json`; empty where it wasn't watched."""
    latency_comparisons: tuple[Comparison, ...] = ()
    """Each two of these cells with an open loop, on `response_time_p50_s`: the median of a
    round."""
    scaling: tuple[Scaling, ...] = ()
    """Each server setting that was measured at saturation with several worker counts."""
    settings: tuple[SettingReport, ...] = ()
    """Each server setting of the plan, in the plan's order."""

    @property
    def everything(self) -> Sequence[CellReport | SweepReport]:
        """Whatever was measured or should have been, under whatever load."""
        return (*self.cells, *self.sweeps)
