"""Where the scatter of blocks comes from: the starts of servers, or the slices within a block."""

from collections.abc import Sequence
from math import sqrt
from statistics import fmean

import msgspec

from asgi_bench.analysis.ab.block_effects import block_effects, usable_blocks
from asgi_bench.analysis.ab.rule import estimate_of
from asgi_bench.model import Trial
from asgi_bench.model.metric import Metric
from gate.records import Record, run_of
from gate.verdicts import GATED


class Spread(msgspec.Struct, frozen=True):
    """Variances of one block's effect: between starts, and within for one second of load."""

    starts: float
    slices_s: float

    def of(self, load_s: float) -> float:
        """The standard deviation of a block with so much load on each side."""
        return sqrt(self.starts + self.slices_s / load_s)

    def best_load_s(self, fixed_s: float, sides: int = 3) -> float | None:
        """The load on each side that gives the least standard error for the time it takes.

        A block costs `fixed_s` besides; None where only slices scatter: the longer the better.
        """
        if self.starts <= 0:
            return None
        return sqrt(self.slices_s / self.starts * fixed_s / sides)


def spread_of(records: Sequence[Record], metric: Metric) -> Spread:
    """The parts of the variance, from blocks with all of their slices and with every second."""
    load_s = fmean(record.duration_s for record in records)
    whole = fmean(_variance(record, metric, 1, 0) for record in records)
    half = fmean(_variance(record, metric, 2, first) for record in records for first in (0, 1))
    within = min(max(half - whole, 0.0), whole)
    return Spread(starts=whole - within, slices_s=within * load_s)


def spread_lines(records: Sequence[Record]) -> list[str]:
    """What a block costs and how it scatters, in sentences."""
    blocks = [1 + max(trial.block for trial in record.trials) for record in records]
    phases = ("start", "open", "load", "stop")
    each_s = {
        phase: sum(record.phases_s[phase] for record in records) / sum(blocks) for phase in phases
    }
    fixed_s = sum(each_s.values()) - each_s["load"]
    told = ", ".join(f"{phase} {each_s[phase]:.2f} s" for phase in phases)
    lines = [f"A block: {told}."]
    load_s = fmean(record.duration_s for record in records)
    for metric in GATED:
        found = spread_of(records, metric)
        best_s = found.best_load_s(fixed_s)
        best = "the more load the better" if best_s is None else f"best load {best_s:.1f} s"
        lines.append(
            f"One block's effect on {metric.label} scatters by {found.of(load_s):.2%} at "
            f"{load_s:g} s of load on each side, starts alone by {sqrt(found.starts):.2%}: {best}."
        )
    return lines


def _variance(record: Record, metric: Metric, step: int, first: int) -> float:
    """The variance of a block's effect from every so many-th slice."""
    trials = [_thinned(trial, step, first) for trial in run_of(record, record.gate).trials]
    effects = block_effects(usable_blocks(trials, record.cell)[0], metric)
    error = estimate_of(effects).standard_error or 0.0
    return error**2 * len(effects)


def _thinned(trial: Trial, step: int, first: int) -> Trial:
    return msgspec.structs.replace(trial, slices=trial.slices[first::step])
