"""Two stored runs compared: each cell's ratio to a reference that both have.

The machine's state differs from run to run, so absolute figures decide nothing. Within a run a
cell and its reference were loaded in the same minutes; the ratio of the two ratios is the change of
the cell itself. What changed for both, such as the app or the interpreter that they share, cancels
out: finding that takes `asgi-bench ab`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import exp, log
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.special import stdtr, stdtrit

from asgi_bench.analysis.ab.rule import holm_levels, judge_effect, worst
from asgi_bench.analysis.ab.wording import effect_words, telling
from asgi_bench.analysis.history.environment import (
    Change,
    changes,
    fuller_surroundings,
    started_with,
)
from asgi_bench.analysis.history.series import MIN_CHANGE, slowdown
from asgi_bench.analysis.intervals import MIN_ROUNDS, looks_factor
from asgi_bench.analysis.metrics import figure_of
from asgi_bench.analysis.pairs import holm
from asgi_bench.analysis.samples import Sample, reference_key, reference_pairs, sample_cells
from asgi_bench.analysis.stopping import is_looked
from asgi_bench.errors import UsageError
from asgi_bench.model import (
    CellVerdict,
    Effect,
    MetricVerdict,
    Plan,
    PlannedCell,
    Reason,
    Run,
    Verdict,
)
from asgi_bench.model.metric import Metric
from asgi_bench.model.metrics import used_under


class Tested(NamedTuple):
    """One metric of one cell: log slowdown, its standard error, the degrees of freedom."""

    metric: Metric
    change: float
    error: float | None
    degrees: float
    rounds: int
    base: float
    candidate: float

    @property
    def p(self) -> float:
        """The two-sided p of the hypothesis that nothing changed."""
        if self.error is None:
            return 1.0
        if self.error == 0:
            return 0.0 if self.change else 1.0
        return 2 * float(stdtr(self.degrees, -abs(self.change) / self.error))


def welch(
    metric: Metric,
    before: Sequence[float],
    after: Sequence[float],
    base: float,
    candidate: float,
    *,
    looked: tuple[bool, bool] = (False, False),
) -> Tested:
    """The difference of two means with different variances (Welch, Biometrika 34, 1947).

    `looked` says for which run the scatter decided the number of rounds: its standard error is
    widened by what that costs, as in the run's own intervals.
    """
    change = log(1 + slowdown(metric, float(np.mean(after) - np.mean(before))))
    rounds = min(len(before), len(after))
    if rounds < MIN_ROUNDS:
        return Tested(metric, change, None, 0.0, rounds, base, candidate)
    shares = [
        float(np.var(one, ddof=1)) / len(one) * (looks_factor(len(one) - 1) ** 2 if wide else 1)
        for one, wide in zip((before, after), looked, strict=True)
    ]
    squares = sum(
        share**2 / (len(one) - 1) for share, one in zip(shares, (before, after), strict=True)
    )
    degrees = sum(shares) ** 2 / squares if squares else 1.0
    return Tested(metric, change, sum(shares) ** 0.5, degrees, rounds, base, candidate)


def judged(found: Tested, adjusted: float, level: float, min_change: float) -> MetricVerdict:
    """A judged metric, with its interval at the level at which Holm tested it."""
    effect = Effect(exp(found.change) - 1)
    if found.error is not None:
        margin = float(stdtrit(found.degrees, 1 - level / 2)) * found.error
        bounds = (min(found.change + sign * margin, 700.0) for sign in (-1, 1))
        effect = Effect(effect.d, *(exp(bound) - 1 for bound in bounds))
    return MetricVerdict(
        metric=found.metric.name,
        verdict=judge_effect(effect, min_change),
        effect=effect,
        blocks=found.rounds,
        baseline=found.base,
        candidate=found.candidate,
        p_adjusted=None if found.error is None else adjusted,
        confidence=None if found.error is None else 1 - level,
        standard_error=found.error,
        min_change=min_change,
    )


ALPHA = 0.05
BASE, CANDIDATE = "base", "candidate"


class RunComparison(NamedTuple):
    """Two runs, compared and judged. `text` is the verdict line: one plain sentence.

    `reference` is the setting that both runs have unchanged; None if there is none: then figures
    get no verdict, but a cell that the candidate can't serve any more still does. Counts
    (`is_counted`) need no reference. `only` are cells that only one run has, and which; `resumed`
    says which run was resumed how often.
    """

    base: str
    candidate: str
    reference: str | None
    verdict: Verdict
    text: str
    min_change: float
    same_machine: bool
    differences: tuple[Change, ...]
    cells: tuple[CellVerdict, ...]
    only: tuple[tuple[str, str], ...]
    resumed: tuple[tuple[str, int], ...] = ()
    is_counted: bool = False


class _Side(NamedTuple):
    """A run with its judged cells."""

    role: str
    plan: Plan
    samples: Mapping[str, Sample]

    def sound(self, key: str) -> bool:
        """Whether a cell was measured and can be believed."""
        verdict = self.samples[key].verdict
        return verdict.outcome == "ok" and verdict.validity != "invalid"


def compare_runs(base: Run, candidate: Run, *, min_change: float = MIN_CHANGE) -> RunComparison:
    """Compare two runs; the caller decides whether their machines can be compared.

    Raises UsageError for an A/B, which has its own verdict, and for runs without a common cell;
    BenchError for a stored histogram that can't be read.
    """
    for run in (base, candidate):
        if run.header.plan.gate is not None:
            raise UsageError(
                f"{run.header.run_id} is an A/B run and has its own verdict: see `asgi-bench "
                "report`"
            )
    sides = (
        _Side(BASE, base.header.plan, sample_cells(base)),
        _Side(CANDIDATE, candidate.header.plan, sample_cells(candidate)),
    )
    common = [
        key
        for key, sample in sides[0].samples.items()
        if key in sides[1].samples and not sample.planned.cell.load.is_sweep
    ]
    if not common:
        raise UsageError(
            f"{base.header.run_id} and {candidate.header.run_id} have no cell in common"
        )
    reference = _reference(*sides, common)
    cells = tuple(_judged_cells(*sides, common, reference, min_change))
    found = RunComparison(
        base=base.header.run_id,
        candidate=candidate.header.run_id,
        reference=reference,
        verdict=worst(
            cell.verdict for cell in cells if reference is not None or cell.verdict == "failed"
        ),
        text="",
        min_change=min_change,
        same_machine=base.header.machine.fingerprint == candidate.header.machine.fingerprint,
        differences=changes(
            fuller_surroundings(base.header, base.proofs),
            fuller_surroundings(candidate.header, candidate.proofs),
        ),
        cells=cells,
        only=tuple(only_in_one(sides[0].samples, sides[1].samples)),
        resumed=tuple(
            (role, len(run.header.resumed))
            for role, run in ((BASE, base), (CANDIDATE, candidate))
            if run.header.resumed
        ),
    )
    return found._replace(text=_verdict_line(found))


def _reference(base: _Side, candidate: _Side, common: Sequence[str]) -> str | None:
    """A setting that is the same in both runs and sound in all it was measured by."""
    settings = dict.fromkeys(
        (
            base.plan.reference,
            candidate.plan.reference,
            *(base.samples[key].planned.cell.setting for key in common),
        )
    )
    return next((one for one in settings if one and _is_common(base, candidate, one, common)), None)


def _is_common(base: _Side, candidate: _Side, setting: str, common: Sequence[str]) -> bool:
    """Whether a setting is the same in both, sound, and beside something to compare."""
    keys = [key for key in common if base.samples[key].planned.cell.setting == setting]
    return (
        0 < len(keys) < len(common)
        and all(side.sound(key) for side in (base, candidate) for key in keys)
        and all(_is_same(base.samples[key].planned, candidate.samples[key].planned) for key in keys)
    )


def _is_same(base: PlannedCell, candidate: PlannedCell) -> bool:
    """Whether both are of one version, and a known one, started in the same way."""
    return (
        base.server_version is not None
        and base.server_version == candidate.server_version
        and started_with(base) == started_with(candidate)
    )


def _judged_cells(
    base: _Side,
    candidate: _Side,
    common: Sequence[str],
    reference: str | None,
    min_change: float,
) -> Iterator[CellVerdict]:
    """The verdict on each common cell but the reference's; Holm goes over all metrics of all."""
    tested: dict[str, list[Tested]] = {}
    for key in common:
        if reference_key(base.samples[key].planned.cell, reference) == key:
            continue
        tested[key] = []
        if base.sound(key) and candidate.sound(key):
            tested[key] = list(_tested(base, candidate, key, reference))
    metrics = [metric for members in tested.values() for metric in members]
    ps = [metric.p for metric in metrics]
    verdicts = iter(
        [
            judged(metric, adjusted, level, min_change)
            for metric, adjusted, level in zip(
                metrics, holm(ps), holm_levels(ps, ALPHA), strict=True
            )
        ]
    )
    for key, members in tested.items():
        yield _cell(base, candidate, key, tuple(next(verdicts) for _ in members))


def _tested(base: _Side, candidate: _Side, key: str, reference: str | None) -> Iterator[Tested]:
    """A cell's metrics; without a reference their absolute figures alone."""
    for metric in used_under(base.samples[key].planned.cell.load, lambda one: one.tracked):
        values = [_values(side, key, metric) for side in (base, candidate)]
        if not all(values):
            continue
        before, after = (exp(float(np.log(one).mean())) for one in values)
        logs = [_log_ratios(side, key, metric, reference) for side in (base, candidate)]
        if reference is None or not all(logs):
            change = log(1 + slowdown(metric, log(after / before)))
            yield Tested(metric, change, None, 0.0, 0, before, after)
        else:
            looked = (is_looked(base.plan), is_looked(candidate.plan))
            yield welch(metric, logs[0], logs[1], before, after, looked=looked)


def _values(side: _Side, key: str, metric: Metric) -> list[float]:
    """The metric in each usable round."""
    figures = (figure_of(metric, trial) for trial in side.samples[key].estimating)
    return [figure for figure in figures if figure]


def _log_ratios(side: _Side, key: str, metric: Metric, reference: str | None) -> list[float]:
    """The logarithm of the metric over the reference's in each round that has both."""
    plan = msgspec.structs.replace(side.plan, reference=reference)
    sample = side.samples[key]
    found = reference_pairs(sample, side.samples, plan, sample.compared_by(metric))
    return [] if found is None else [log(ours / theirs) for ours, theirs in found[1].values()]


def _cell(
    base: _Side, candidate: _Side, key: str, metrics: tuple[MetricVerdict, ...]
) -> CellVerdict:
    """One cell: what is failed or invalid in either run says nothing about speed."""
    reasons: list[Reason] = []
    verdict = worst(one.verdict for one in metrics if one.verdict is not None)
    for side in (base, candidate):
        found = side.samples[key].verdict
        if found.outcome == "ok" and found.validity != "invalid":
            continue
        told = found.reason if found.outcome != "ok" else found.validity_reasons[0].text
        text = f"{side.role}: {told or found.outcome}"
        reasons.append(Reason(f"side-{found.outcome}", "invalid", None, None, text))
        # What was not there before is no fault of the candidate's, nor is what was skipped.
        was_ok = base.samples[key].verdict.outcome == "ok"
        is_failure = found.outcome == "failed" and side.role == CANDIDATE and was_ok
        is_skipped = found.outcome == "skipped"
        verdict = "failed" if is_failure else "undecided" if is_skipped else "invalid"
    rounds = max((one.blocks for one in metrics), default=0)
    return CellVerdict(key, verdict, rounds, 0, metrics, tuple(reasons))


def only_in_one(base: Collection[str], candidate: Collection[str]) -> Iterator[tuple[str, str]]:
    """Cells that only one run has, by their keys, and which run."""
    for role, own, others in ((BASE, base, candidate), (CANDIDATE, candidate, base)):
        yield from ((key, role) for key in own if key not in others)


def _verdict_line(found: RunComparison) -> str:
    """`regression: uvicorn/…: throughput is 3.1 % worse […]`, the verdict's word first."""
    worth = (
        ""
        if found.same_machine
        else ("; the runs are from different machines, so treat this as a hint at most")
    )
    if found.reference is None and found.verdict == "undecided":
        return (
            "undecided: no cell besides the compared ones is valid in both runs with the same "
            "known version, command and environment, so there is no reference, and absolute "
            f"figures of two runs decide nothing{worth}"
        )
    # A reference stands beside something to compare, so there is a cell with the worst verdict.
    cells = [cell for cell in found.cells if cell.verdict == found.verdict]
    more = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    to = f", relative to {found.reference}" if found.reference is not None else ""
    return f"{found.verdict}: {_cell_words(cells[0])}{more}{to}{_limits(cells[0])}{worth}"


def _limits(cell: CellVerdict) -> str:
    """What an interval over rounds can't know, where one is told."""
    decided = None if cell.reasons else telling(cell)
    if decided is None or decided.effect.lo is None:
        return ""
    return "; the interval does not include run-to-run variance"


def _cell_words(cell: CellVerdict) -> str:
    if cell.reasons:
        return f"{cell.cell}: {cell.reasons[0].text}"
    decided = telling(cell)
    words = "nothing could be measured" if decided is None else effect_words(decided)
    return f"{cell.cell}: {words}"
