"""Can a cell be believed? Its outcome and verdict, from those of its rounds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import exp
from statistics import median
from typing import NamedTuple

import msgspec

from asgi_bench.analysis.estimates import Interval
from asgi_bench.analysis.intervals import MIN_ROUNDS
from asgi_bench.analysis.percentiles import SAMPLES_BEYOND, Histogram, quantile_s
from asgi_bench.analysis.report import SweepPoint
from asgi_bench.analysis.typical import LEAST_STALL
from asgi_bench.analysis.validity.answers import MAX_ERROR_SHARE
from asgi_bench.analysis.validity.trial import LEVELS, worst_level
from asgi_bench.model import (
    RESPONSE_TIME,
    Cell,
    Load,
    Outcome,
    PlannedCell,
    Proof,
    Reason,
    Trial,
    ValidityLevel,
)
from asgi_bench.model.figures import sent_in_slices
from asgi_bench.model.metrics import used_under

MIN_USABLE_SHARE = Fraction(2, 3)
MAX_SUSPECT_SHARE = Fraction(1, 3)
MAX_FAILED_SHARE = Fraction(1, 2)

# Findings on a share that should be high; of all others the higher figure is the worse.
LESS_IS_WORSE = frozenset(
    {
        *("generator-bound", "concurrency-bound", "no-answers", "load-lost"),
        *("unaccounted-time", "rate-not-kept", "overloaded"),
    }
)

# The shipped servers grow by 0 to 50 KiB per 1,000 requests; daphne by 400 KiB over 15,000 at
# 64 connections, the more the sooner it is looked at. Half a KiB a request is an object each.
MOST_GROWTH_BYTES = 512 * 1024.0
# No verdict before: 1,600 requests had daphne grow by ten times as much as 15,000 had.
FEWEST_JUDGED = 2000
KIBIBYTE = 1024
MEBIBYTE = 1024**2

NOT_REACHED = "the run ended before this cell finished a round"
SWEEP_QUANTILE = 0.99


class Verdict(NamedTuple):
    """The outcome of a cell: `reason` says why it failed or was skipped."""

    outcome: Outcome
    reason: str | None
    validity: ValidityLevel
    validity_reasons: tuple[Reason, ...]


def is_usable(trial: Trial) -> bool:
    """Whether a judged trial counts in the estimates: measured, and not invalid."""
    return trial.outcome == "ok" and trial.validity != "invalid"


def judge_cell(trials: Sequence[Trial], planned_rounds: int) -> Verdict:
    """The verdict on a cell from its judged trials, one per round, of one block.

    Shares are of the rounds that were run. Rounds that a stopped run never reached, or too few for
    an interval, are mentioned without casting doubt on those that were measured.
    """
    tried = [trial for trial in trials if trial.outcome != "skipped"]
    if not tried:
        reason = next((trial.reason for trial in trials if trial.reason), NOT_REACHED)
        return Verdict("skipped", reason, "valid", ())
    failed = [trial for trial in tried if trial.outcome == "failed"]
    if len(failed) > MAX_FAILED_SHARE * len(tried):
        return Verdict("failed", _failure(failed, len(tried)), "invalid", _few_usable(tried))
    own = (
        *(_few_usable(tried) or _shortcomings(tried)),
        *_missing_rounds(len(tried), planned_rounds),
    )
    level = worst_level(reason.level for reason in own)
    return Verdict("ok", None, level, (*own, *_of_trials(tried, level)))


def _failure(failed: Sequence[Trial], rounds: int) -> str:
    """Why a cell failed: the commonest reason of its failed rounds."""
    reasons = Counter(trial.reason or "no reason was recorded" for trial in failed)
    reason = reasons.most_common(1)[0][0]
    return reason if rounds == 1 else f"in {_out_of(len(failed), rounds)}: {reason}"


def _out_of(part: int, rounds: int) -> str:
    """How many of the rounds, in words."""
    if rounds == 1:
        return "the only round"
    return f"all {rounds} rounds" if part == rounds else f"{part} of {rounds} rounds"


def _few_usable(tried: Sequence[Trial]) -> tuple[Reason, ...]:
    """Fewer than two thirds of the rounds can be used."""
    usable = sum(map(is_usable, tried))
    if usable >= MIN_USABLE_SHARE * len(tried):
        return ()
    if usable:
        text = f"only {usable} of {len(tried)} rounds are usable, and two thirds are needed"
    else:
        text = "no round is usable; any figures come from invalid rounds"
    return (_share_reason("too-few-usable", "invalid", usable, tried, MIN_USABLE_SHARE, text),)


def _shortcomings(tried: Sequence[Trial]) -> tuple[Reason, ...]:
    """What is to be said of a cell whose rounds are mostly usable."""
    return (*_bad_rounds(tried), *_many_suspect(tried), *_few_rounds(tried))


def _bad_rounds(tried: Sequence[Trial]) -> tuple[Reason, ...]:
    """Any invalid or failed round."""
    bad = sum(not is_usable(trial) for trial in tried)
    if not bad:
        return ()
    text = f"{_out_of(bad, len(tried))} excluded from the estimates: invalid or failed"
    return (_share_reason("bad-rounds", "suspect", bad, tried, Fraction(0), text),)


def _many_suspect(tried: Sequence[Trial]) -> tuple[Reason, ...]:
    """More than a third of the rounds are suspect."""
    suspect = sum(trial.outcome == "ok" and trial.validity == "suspect" for trial in tried)
    if suspect <= MAX_SUSPECT_SHARE * len(tried):
        return ()
    text = f"{_out_of(suspect, len(tried))} suspect, and at most a third may be"
    return (_share_reason("suspect-rounds", "suspect", suspect, tried, MAX_SUSPECT_SHARE, text),)


def _few_rounds(tried: Sequence[Trial]) -> tuple[Reason, ...]:
    """Too few rounds for an interval."""
    usable = sum(map(is_usable, tried))
    if usable >= MIN_ROUNDS:
        return ()
    rounds = "1 usable round gives" if usable == 1 else f"{usable} usable rounds give"
    text = f"{rounds} no interval: measure at least {MIN_ROUNDS} (--rounds)"
    return (Reason("few-rounds", "valid", float(usable), float(MIN_ROUNDS), text),)


def _missing_rounds(rounds: int, planned_rounds: int) -> tuple[Reason, ...]:
    """The run ended before its plan did."""
    if rounds >= planned_rounds:
        return ()
    text = f"the run ended after {rounds} of {planned_rounds} planned rounds"
    return (Reason("missing-rounds", "valid", float(rounds), float(planned_rounds), text),)


def _of_trials(tried: Sequence[Trial], level: ValidityLevel) -> tuple[Reason, ...]:
    """The findings of the rounds, one for each code: the worst, and in how many rounds.

    What a single round was found invalid for weighs no more than the cell's own level.
    """
    by_code: dict[str, list[Reason]] = {}
    for trial in tried:
        for reason in trial.validity_reasons:
            by_code.setdefault(reason.code, []).append(reason)
    return tuple(_merged(reasons, len(tried), level) for reasons in by_code.values())


def _merged(reasons: Sequence[Reason], rounds: int, level: ValidityLevel) -> Reason:
    """One finding for the same one in several rounds."""
    worst = max(reasons, key=lambda reason: (LEVELS.index(reason.level), _badness(reason)))
    text = worst.text
    if rounds > 1:
        which = ", at worst" if len(reasons) > 1 else ""
        text = f"in {_out_of(len(reasons), rounds)}{which}: {text}"
    capped = min(worst.level, level, key=LEVELS.index)
    return msgspec.structs.replace(worst, level=capped, text=text)


def _badness(reason: Reason) -> float:
    """What orders the same finding in several rounds, the worst highest."""
    value = reason.value or 0.0
    return -value if reason.code in LESS_IS_WORSE else value


def _share_reason(
    code: str,
    level: ValidityLevel,
    count: int,
    tried: Sequence[Trial],
    limit: Fraction,
    text: str,
) -> Reason:
    """A finding on a share of the rounds."""
    return Reason(code, level, count / len(tried), float(limit), text)


def proof_findings(planned: PlannedCell, proofs: Mapping[str, Proof]) -> tuple[Reason, ...]:
    """The finding on a cell whose variant states what runs, if nothing could report it.

    `proofs` are the run's by setting; an older run has none, and gets no finding. A proof that
    differs has failed the cell before it was measured. The figures count: they are of the server
    under this command line, whatever it really runs.
    """
    proof = proofs.get(planned.cell.start)
    if not planned.proves or proof is None or proof.unproven is None:
        return ()
    stated = ", ".join(f"{part} {pattern}" for part, pattern in planned.proves.items())
    text = (
        f"not proven to be what its name says ({stated}): {proof.unproven}; it was measured anyway"
    )
    return (Reason("unproven", "valid", None, None, text),)


def worker_state_findings(
    cell: Cell, by_cell: Mapping[Cell, Sequence[Trial]]
) -> tuple[Reason, ...]:
    """A finding if the same cell with one worker responded correctly in the same run.

    Only whole responses indicate state: broken connections may come from a lack of memory.
    """
    alone = by_cell.get(msgspec.structs.replace(cell, workers=1), ())
    if cell.workers < 2:
        return ()
    share, share_alone = _wrong_share(by_cell.get(cell, ())), _wrong_share(alone)
    if share is None or share_alone is None:
        return ()
    if share <= MAX_ERROR_SHARE or share_alone > MAX_ERROR_SHARE:
        return ()
    return (
        Reason(
            code="worker-state",
            level="valid",
            value=share,
            limit=MAX_ERROR_SHARE,
            text=f"with {cell.workers} workers {share:.1%} of the responses were wrong, with 1 "
            "almost none: the app may keep state within one worker (sessions, counters, "
            "in-memory caches) that the others don't see",
        ),
    )


def _wrong_share(trials: Sequence[Trial]) -> float | None:
    """Which share of what was sent in slices got a whole and wrong answer; None for nothing."""
    measured = [trial for trial in trials if trial.outcome == "ok"]
    sent = sum(map(sent_in_slices, measured))
    wrong = sum(trial.errors.status + trial.errors.body for trial in measured)
    return wrong / sent if sent else None


def growth_findings(
    growth: Interval, kept: int | None, trials: Sequence[Trial]
) -> tuple[Reason, ...]:
    """The finding on memory that certainly grows: the figures count, the server would run out."""
    value, lower, upper = growth.value, growth.lower, growth.upper
    if value is None or lower is None or upper is None or lower <= MOST_GROWTH_BYTES:
        return ()
    if (
        median(trial.memory_samples[-1][0] for trial in trials if trial.memory_samples)
        < FEWEST_JUDGED
    ):
        return ()
    stays = (
        ""
        if kept is None
        else (f", and {kept / MEBIBYTE:,.1f} MiB were still in use after the load")
    )
    return (
        Reason(
            code="memory-grows",
            level="valid",
            value=value,
            limit=MOST_GROWTH_BYTES,
            text=f"memory grew by {value / KIBIBYTE:,.0f} KiB per 1,000 requests (95%: "
            f"{lower / KIBIBYTE:,.0f} to {upper / KIBIBYTE:,.0f}){stays}: a leak, or an "
            "unbounded cache; use more --duration to see whether the growth ends",
        ),
    )


def stall_findings(stall: float | None) -> tuple[Reason, ...]:
    """The finding on a server that stalls more than its neighbours, from `typical.Typical`."""
    if stall is None or stall > 0:
        # Less than they: what they stall more is told of them, or not sure.
        return ()
    return (
        Reason(
            code="stalls",
            level="valid",
            value=1 - exp(stall),
            limit=LEAST_STALL,
            text=f"all its slices together are {1 - exp(stall):.1%} slower than its typical "
            "ones, relative to its neighbours: it stalls now and then, and its ratios "
            "include the stalls",
        ),
    )


def unshown_percentiles(response: Histogram | None, load: Load) -> tuple[Reason, ...]:
    """The finding on the lowest percentile that has too few samples.

    `response` are the response times of all usable rounds together, which percentiles are computed
    from. Deeper percentiles than tables show are only in the other formats.
    """
    if response is None:
        return ()
    for quantile in sorted(_shown_quantiles(load)):
        if quantile_s(response, quantile) is None:
            where = "of all usable rounds together"
            return (few_samples(response.total, quantile, where),)
    return ()


def _shown_quantiles(load: Load) -> Iterator[float]:
    for metric in used_under(load, lambda one: one.tabled):
        times = metric.times
        if times and times.of == RESPONSE_TIME and times.quantile is not None:
            yield times.quantile


def unshown_points(points: Iterable[SweepPoint]) -> tuple[Reason, ...]:
    """The finding on points of a load curve that have no p99, though nothing overloaded them.

    Its figure is the fewest responses that any of them has; nearly all are samples.
    """
    few = [point for point in points if not point.overloaded and point.response_time_s.p99 is None]
    if not few:
        return ()
    shares = ", ".join(f"{point.share:.0%}" for point in few)
    samples = min(point.samples for point in few)
    return (few_samples(samples, SWEEP_QUANTILE, f"at {shares} of its own throughput"),)


def few_samples(samples: int, quantile: float, where: str) -> Reason:
    """The finding that this many samples are too few for a percentile."""
    needed = round(SAMPLES_BEYOND / (1 - quantile))
    return Reason(
        code="few-samples",
        level="valid",
        value=float(samples),
        limit=float(needed),
        text=f"{samples} response times {where} are too few for p{quantile * 100:g}, which needs "
        f"{needed}, so it isn't shown; use more --duration or --rounds, or a higher rate",
    )
