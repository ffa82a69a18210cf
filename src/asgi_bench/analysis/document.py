"""The report as a document: exactly what `report --format json` prints, in this order of keys.

All figures are SI. Whatever wasn't measured, or rests on too few samples or rounds, is null.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from asgi_bench.analysis.cell_report import CellReport, SweepReport
from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.scaling_points import Scaling
from asgi_bench.analysis.settings import SettingReport
from asgi_bench.model import Behaviour, Goal, Machine

REPORT_VERSION = 1

Metric: TypeAlias = Literal["throughput_rps", "server_cpu_s_per_request", "response_time_p50_s"]


class Comparison(msgspec.Struct, frozen=True):
    """Two cells of one scenario, load and worker count on one metric: can they be told apart?

    `ratio` is a to b with the 95 % interval of this pair alone, from `round_ratios`: a over b in
    each round that both have. `p_adjusted` is Student's, on their logarithms, adjusted for all
    pairs of these cells on this metric (Holm); it is 1 under 3 rounds. Below 0.05, and from 6
    rounds on, the two are `distinguishable`; else `reason` says what is lacking. `trimmed` is the
    ratio without the fifth of the rounds at either end (Yuen's interval), and `holds_trimmed`
    whether it too lies wholly on that side of 1; null where there is no claim to hold.
    """

    a: str
    b: str
    metric: Metric
    ratio: Interval
    p_adjusted: float
    distinguishable: bool
    reason: str | None = None
    round_ratios: tuple[float, ...] = ()
    trimmed: Interval = Interval()
    holds_trimmed: bool | None = None


class Reached(msgspec.Struct, frozen=True):
    """What a run came to: complete or begun rounds, its time, and the surety of its ratios.

    The half-widths are those of the throughput ratios of sound closed loops to the reference, as
    shares (0.02 is ±2 %): the median one and the widest. Null without ratios that have bounds.
    """

    rounds: int
    duration_s: float
    half_width_median: float | None
    half_width_max: float | None


class RunFacts(msgspec.Struct, frozen=True):
    """The run the report is about; `goal` is what it was to reach, if it was asked for one."""

    id: str
    label: str | None
    started_at: str
    tool_version: str
    machine: Machine
    seed: int
    reference: str | None
    goal: Goal | None = None
    reached: Reached | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole document.

    `comparisons` are on throughput and CPU time per request, `latency_comparisons` on the rounds'
    median response times in open loops. `behaviour` has an entry for each server setting where it
    was watched, else none. `settings` are the commands that were planned, in the plan's order.
    """

    schema: Literal["asgi-bench/report"] = "asgi-bench/report"
    version: int = REPORT_VERSION
    run: RunFacts
    cells: tuple[CellReport, ...]
    comparisons: tuple[Comparison, ...] = ()
    sweeps: tuple[SweepReport, ...] = ()
    behaviour: tuple[Behaviour, ...] = ()
    latency_comparisons: tuple[Comparison, ...] = ()
    scaling: tuple[Scaling, ...] = ()
    settings: tuple[SettingReport, ...] = ()

    @property
    def everything(self) -> Sequence[CellReport | SweepReport]:
        """Whatever was measured or should have been, under whatever load."""
        return (*self.cells, *self.sweeps)
