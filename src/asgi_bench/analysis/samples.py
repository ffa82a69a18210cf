"""Which trials count for which cell: for its estimates, and for its ratio to the reference.

Blocks of one round run one after another, so only trials of one block were measured in the same
minutes. The reference cell takes part in every block; its own figures come from its first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from asgi_bench.analysis.metrics import figure_of
from asgi_bench.analysis.pacing import due_rounds
from asgi_bench.analysis.sweeps import is_trial_overloaded
from asgi_bench.analysis.typical import Place, Typical, typical_slices
from asgi_bench.analysis.validity.cell import (
    Verdict,
    is_usable,
    judge_cell,
    proof_findings,
    worker_state_findings,
)
from asgi_bench.analysis.validity.restless import idle_cpu_shares, restless_findings
from asgi_bench.analysis.validity.trial import RULES_VERSION, judge_trial_of
from asgi_bench.errors import BenchError, UsageError
from asgi_bench.model import Cell, Plan, PlannedCell, Reason, Run, RunHeader, Trial, setting_named
from asgi_bench.model.metric import Metric


class Sample(msgspec.Struct, frozen=True):
    """A cell's judged trials: those of its own block, by round, and all of them."""

    planned: PlannedCell
    own: tuple[Trial, ...]
    everywhere: tuple[Trial, ...]
    verdict: Verdict
    asked: int = 0
    """Requests that its servers were sent before the rounds."""
    typical: Typical = Typical()
    """The typical slices of the whole run."""

    def compared_by(self, metric: Metric) -> Callable[[Trial], float | None]:
        """What a metric's ratios to other cells are computed from, in a trial of this run.

        Its typical slice, if the cells of its block took turns; otherwise the whole trial.
        None in a round in which something else had the CPUs almost all the time.
        """

        def figure(trial: Trial) -> float | None:
            place = Place(metric.name, trial.cell, trial.round, trial.block)
            figures = self.typical.figures
            return figures[place] if place in figures else figure_of(metric, trial)

        return figure

    def stall(self, metric: Metric) -> float | None:
        """By how much more it stalls than its neighbours, if that is certain (`Typical.stalls`)."""
        place = (self.planned.cell.key, self.planned.blocks[0], metric.name)
        return self.typical.stalls.get(place)

    @property
    def measured(self) -> tuple[Trial, ...]:
        """The trials of its own block that came under load."""
        return tuple(trial for trial in self.own if trial.outcome == "ok")

    @property
    def estimating(self) -> tuple[Trial, ...]:
        """The trials that its estimates rest on: the usable ones.

        If no round is usable, the figures of the invalid ones are kept: the cell is shown as
        invalid anyway, and they help to see why. A failed cell has none.
        """
        if self.verdict.outcome != "ok":
            return ()
        return tuple(filter(is_usable, self.own)) or self.measured

    @property
    def is_sound(self) -> bool:
        """Whether the cell's figures can be believed."""
        return self.verdict.outcome == "ok" and self.verdict.validity != "invalid"

    @property
    def overloaded(self) -> bool | None:
        """Whether an open loop's queue grew until the end in half of its rounds or more."""
        if not self.planned.cell.load.has_one_rate or not self.estimating:
            return None
        return 2 * sum(map(is_trial_overloaded, self.estimating)) >= len(self.estimating)


def sample_cells(run: Run) -> dict[str, Sample]:
    """The samples of all planned cells by key, in the plan's order.

    Trials of cells that the plan doesn't have are excluded.
    """
    header = run.header
    cells = {planned.cell.key: planned.cell for planned in header.plan.cells}
    known = [
        judged(trial, cells[trial.cell], header) for trial in run.trials if trial.cell in cells
    ]
    proofs = {proof.setting: proof for proof in run.proofs}
    samples = samples_of(header.plan_in_force, known, header.spent_s)
    by_cell = {sample.planned.cell: sample.own for sample in samples.values()}
    idle = idle_cpu_shares(by_cell)
    return {
        key: _with_findings(
            msgspec.structs.replace(sample, asked=header.preparation.asked.get(key, 0)),
            (
                *proof_findings(sample.planned, proofs),
                *worker_state_findings(sample.planned.cell, by_cell),
                *restless_findings(sample.planned.cell, idle),
            ),
        )
        for key, sample in samples.items()
    }


def _with_findings(sample: Sample, found: tuple[Reason, ...]) -> Sample:
    """The sample of a measured cell with further findings that leave its level alone."""
    verdict = sample.verdict
    if not found or verdict.outcome != "ok":
        return sample
    reasons = (*verdict.validity_reasons, *found)
    return msgspec.structs.replace(sample, verdict=verdict._replace(validity_reasons=reasons))


def samples_of(plan: Plan, trials: Sequence[Trial], spent_s: float = 0.0) -> dict[str, Sample]:
    """The same from judged trials, of a run that may still be going on.

    `spent_s` of a budget had gone by when it began.
    """
    by_cell: dict[str, list[Trial]] = {planned.cell.key: [] for planned in plan.cells}
    for trial in trials:
        by_cell[trial.cell].append(trial)
    rounds = due_rounds(plan, trials, spent_s)
    typical = typical_slices(trials) if plan.gate is None else Typical()
    return {
        planned.cell.key: msgspec.structs.replace(
            _sample(planned, by_cell[planned.cell.key], plan, rounds), typical=typical
        )
        for planned in plan.cells
    }


def reference_key(cell: Cell, reference: str | None) -> str | None:
    """The reference cell of a cell: prefix server/variant/wN, same request, same load."""
    return f"{reference}/{cell.request_key}/{cell.load.key}" if reference else None


def reference_pairs(
    sample: Sample,
    samples: Mapping[str, Sample],
    plan: Plan,
    figure: Callable[[Trial], float | None],
) -> tuple[str, dict[int, tuple[float, float]]] | None:
    """The reference cell's key, and (own, reference's) figures for the rounds that have both.

    The pairs are of usable trials in the cell's own block. None without a reference cell, or if
    that one is failed or invalid in this block.
    """
    key = reference_key(sample.planned.cell, plan.reference)
    if key is None or key not in samples:
        return None
    reference = figures_in_block(samples[key], sample.planned.blocks[0], plan, figure)
    if not reference:
        return None
    pairs = {}
    for trial in sample.estimating:
        ours, other = figure(trial), reference.get(trial.round)
        if ours and other:
            pairs[trial.round] = (ours, other)
    return key, pairs


def over_reference(
    members: Iterable[Sample],
    samples: Mapping[str, Sample],
    plan: Plan,
    figure: Callable[[Sample], Callable[[Trial], float | None]],
) -> dict[str, dict[int, float]] | None:
    """The members' figures relative to the reference's beside them, by cell and round.

    This makes cells of several blocks comparable. None if a member has no such ratio.
    """
    ratios: dict[str, dict[int, float]] = {}
    for member in members:
        paired = reference_pairs(member, samples, plan, figure(member))
        if paired is None or not paired[1]:
            return None
        ratios[member.planned.cell.key] = {
            number: own / beside for number, (own, beside) in paired[1].items()
        }
    return ratios


def figures_in_block(
    sample: Sample, block: int, plan: Plan, figure: Callable[[Trial], float | None]
) -> dict[int, float]:
    """A cell's figure by round, of its usable trials in a block.

    None if it is failed or invalid in that block, or isn't in it.
    """
    trials = [trial for trial in sample.everywhere if trial.block == block]
    verdict = judge_cell(trials, plan.rounds)
    if verdict.outcome != "ok" or verdict.validity == "invalid":
        return {}
    return {t.round: value for t in trials if is_usable(t) and (value := figure(t))}


def _sample(planned: PlannedCell, trials: Sequence[Trial], plan: Plan, rounds: int) -> Sample:
    """Part a cell's trials by block, and judge the cell by its own, of so many due rounds."""
    own = tuple(
        sorted(
            (trial for trial in trials if trial.block == planned.blocks[0]),
            key=lambda trial: trial.round,
        )
    )
    if planned.skip_reason is not None:
        verdict = Verdict("skipped", planned.skip_reason, "valid", ())
    else:
        # An A/B ends when it has seen enough: the rounds it then hasn't had aren't missing.
        verdict = judge_cell(own, rounds if plan.gate is None else len(own))
    return Sample(planned=planned, own=own, everywhere=tuple(trials), verdict=verdict)


def judged(trial: Trial, cell: Cell, header: RunHeader) -> Trial:
    """The stored verdict, unless older rules gave it."""
    if trial.rules_version >= RULES_VERSION:
        return trial
    try:
        return judge_trial_of(trial, cell, header.plan, header.preparation.calibration)
    except BenchError as error:
        raise BenchError(f"{cell.key}, round {trial.round}: a histogram is {error}") from None


def with_reference(run: Run, name: str | None, flag: str = "--reference") -> Run:
    """The run with its ratios referring to another setting; unchanged without a name.

    A setting has ratios only in blocks that it took part in: the run's original reference in all
    of them, any other in those of its worker count alone.

    Raises UsageError if no such setting was measured, and for an A/B, which has its own.
    """
    plan = run.header.plan
    if name is None:
        return run
    if plan.gate is not None:
        raise UsageError(f"{flag}: the ratios of an A/B always refer to its baseline")
    measured = [one.cell.setting for one in plan.cells if one.skip_reason is None]
    replace = msgspec.structs.replace
    plan = replace(plan, reference=setting_named(name, measured, flag))
    return replace(run, header=replace(run.header, plan=plan))
