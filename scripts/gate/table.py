"""The table of repetitions: what the rule makes of them, and how sure its rates are."""

from collections import Counter
from collections.abc import Sequence
from math import expm1
from statistics import median

import msgspec
from scipy.stats import binomtest

from asgi_bench.analysis.ab.block_effects import block_effects, usable_blocks
from asgi_bench.analysis.ab.interim import looks_of
from asgi_bench.analysis.ab.report import judge_cells
from asgi_bench.analysis.ab.rule import estimate_of
from asgi_bench.analysis.pacing import round_ends_s
from asgi_bench.model import Gate, MetricVerdict, Run, Verdict
from asgi_bench.model.metric import Metric
from gate.records import SHARES, Kind, Record, run_of
from gate.verdicts import GATED

NAMES: dict[Kind, str] = {
    "aa": "A/A",
    "slow2": "2 % slower",
    "slow3": "3 % slower",
    "slow5": "5 % slower",
}
CONFIDENCE = 0.95


class Judged(msgspec.Struct, frozen=True):
    """A repetition as the rule ends it, and the standard errors at the end of its budget."""

    record: Record
    verdict: Verdict
    blocks: int
    ended_s: float
    standard_errors: dict[str, float]


def replayed(record: Record, gate: Gate) -> Judged:
    """Judge a record as if it were measured now: look by look, until nothing is open."""
    run = run_of(record, gate)
    ends_s = round_ends_s(run.trials, 1 + max(trial.round for trial in run.trials))
    verdict: Verdict = "undecided"
    metrics: Sequence[MetricVerdict] = ()
    ended, blocks = 0.0, 0
    looks = looks_of(
        _gate(run), ends_s, run.header.plan.rounds, spent_s=run.header.preparation.spent_s
    )
    for look in looks:
        trials = [trial for trial in run.trials if trial.round < look.blocks]
        (cell,) = judge_cells(run.header.plan, trials, look.level)
        if not ended:
            verdict, blocks = cell.verdict, look.blocks
            if verdict in ("regression", "improvement", "pass") or look.is_last:
                ended = ends_s[look.blocks - 1]
        metrics = cell.metrics
    errors = {one.metric: one.standard_error or 0.0 for one in metrics}
    return Judged(record, verdict, blocks, ended or ends_s[-1], errors)


def _gate(run: Run) -> Gate:
    assert run.header.plan.gate is not None
    return run.header.plan.gate


def table(records: Sequence[Record], gate: Gate) -> list[str]:
    """The lines of a Markdown table, a row for each kind, and what was really injected."""
    lines = [
        "| injected | repetitions | regression | share [95 %] | pass | improvement | undecided "
        "| invalid | failed | standard error | seconds to the verdict |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    judged = [replayed(record, gate) for record in records]
    for kind, name in NAMES.items():
        mine = [one for one in judged if one.record.kind == kind]
        if mine:
            lines.append(_row(name, mine))
    totals = _errors(judged, [metric.total for metric in GATED if metric.total])
    lines += ["", *_injected(records), "", f"Totals of all slices, standard error: {totals}."]
    return lines


def _row(name: str, judged: Sequence[Judged]) -> str:
    counts = Counter(one.verdict for one in judged)
    regressions = counts["regression"]
    low, high = bounds(regressions, len(judged))
    return (
        f"| {name} | {len(judged)} | {regressions} "
        f"| {regressions / len(judged):.0%} [{low:.1%}, {high:.1%}] | {counts['pass']} "
        f"| {counts['improvement']} | {counts['undecided']} "
        f"| {counts['invalid']} | {counts['failed']} | {_errors(judged, GATED)} "
        f"| {median(one.ended_s for one in judged):.0f} |"
    )


def _errors(judged: Sequence[Judged], metrics: Sequence[Metric]) -> str:
    """Their standard errors of throughput and CPU, in the median and at most.

    Those of which nothing could be measured have none.
    """
    told = []
    for metric, word in zip(metrics, ("throughput", "CPU"), strict=True):
        errors = [
            one.standard_errors[metric.name] for one in judged if metric.name in one.standard_errors
        ]
        if errors:
            told.append(f"{word} {median(errors):.2%} (at most {max(errors):.2%})")
    return ", ".join(told) or "unknown"


def bounds(hits: int, tries: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper & Pearson, Biometrika 1934)."""
    interval = binomtest(hits, tries).proportion_ci(CONFIDENCE, method="exact")
    return float(interval.low), float(interval.high)


def _injected(records: Sequence[Record]) -> list[str]:
    """What all blocks of a kind together say was injected, with its standard error."""
    lines = []
    for kind, name in NAMES.items():
        mine = [record for record in records if record.kind == kind]
        if not mine:
            continue
        found = [f"{metric.label} {_pooled(mine, metric)}" for metric in GATED]
        lines.append(
            f"{name}: meant {SHARES[kind]:.0%}, pooled over all blocks {', '.join(found)}."
        )
    return ["  \n".join(lines)]


def _pooled(records: Sequence[Record], metric: Metric) -> str:
    effects = [
        block
        for record in records
        for run in (run_of(record, record.gate),)
        for block in block_effects(usable_blocks(run.trials, record.cell)[0], metric)
    ]
    if not effects:
        return "unknown"
    found = estimate_of(effects)
    return f"{expm1(found.mean):+.2%} ± {1.96 * (found.standard_error or 0):.2%}"
