"""What a side of an A/B did wrong, apart from what the machine did to it.

A trial that got wrong answers is invalid as one that lost its CPU is. For a verdict the two are
opposites: the one is the side's fault and comes again, the other is worth another try.
"""

from collections.abc import Sequence

from asgi_bench.analysis.validity.cell import MIN_USABLE_SHARE, judge_cell
from asgi_bench.model import Reason, Role, Trial

# Findings on what the server did: it answered wrongly or not at all, or lost a worker.
SERVER_FAULTS = frozenset(("server-ended", "errors", "no-answers", "worker-died"))
# Answers of another program on the server's port are no fault of the server's.
NOT_ITS_OWN = "stranger"
# A side that was at fault in each of so many blocks and in no other one won't come right.
HOPELESS_BLOCKS = 3
SIDES: dict[Role, str] = {
    "baseline": "baseline",
    "control": "baseline (its second process)",
    "candidate": "candidate",
}


def is_at_fault(trial: Trial) -> bool:
    """Whether a judged trial failed, or is invalid for what its server did."""
    if trial.outcome == "failed":
        return True
    codes = {reason.code for reason in trial.validity_reasons if reason.level == "invalid"}
    return bool(codes & SERVER_FAULTS) and NOT_ITS_OWN not in codes


def side_failure(role: Role, trials: Sequence[Trial]) -> Reason | None:
    """Why a side failed, from its judged trials, one a block; None where it did not.

    It failed if it was at fault in more than a third of its blocks, as many as make a cell
    invalid; `value` is that share.
    """
    tried = [trial for trial in trials if trial.outcome != "skipped"]
    at_fault = [trial for trial in tried if is_at_fault(trial)]
    limit = 1 - MIN_USABLE_SHARE
    found = judge_cell(trials, len(trials))
    if found.outcome != "ok":
        return _failed(role, None, found.reason or found.outcome)
    if len(at_fault) <= limit * len(tried):
        return None
    told = [
        *(reason.text for reason in found.validity_reasons if reason.code in SERVER_FAULTS),
        *(trial.reason for trial in at_fault if trial.reason),
    ]
    return _failed(role, len(at_fault) / len(tried), told[0] if told else "no reason was given")


def is_hopeless(rounds: int, trials: Sequence[Trial]) -> bool:
    """Whether a side was at fault in all of its blocks, and in enough: more won't change it.

    One that was refused before the first round has none.
    """
    return rounds >= HOPELESS_BLOCKS and all(map(is_at_fault, trials))


def _failed(role: Role, share: float | None, text: str) -> Reason:
    limit = None if share is None else float(1 - MIN_USABLE_SHARE)
    return Reason("side-failed", "invalid", share, limit, f"{SIDES[role]}: {text}")
