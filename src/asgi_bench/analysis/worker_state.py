"""An app that answers rightly with one worker and wrongly with several: whose state it is."""

from collections.abc import Mapping, Sequence

import msgspec

from asgi_bench.analysis.validity import MAX_ERROR_SHARE, sent_in_slices
from asgi_bench.model import Cell, Reason, Trial


def worker_state_findings(
    cell: Cell, by_cell: Mapping[Cell, Sequence[Trial]]
) -> tuple[Reason, ...]:
    """A finding where the same cell with one worker answered rightly in the same run.

    Only whole answers tell of state: who breaks connections may do so for want of memory.
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
            text=f"with {cell.workers} workers {share:.1%} of the answers were wrong, with 1 next "
            "to none: the app may keep state within one worker (sessions, counters, "
            "caches in memory), which the others don't see",
        ),
    )


def _wrong_share(trials: Sequence[Trial]) -> float | None:
    """Which share of what was sent in slices got a whole and wrong answer; None for nothing."""
    measured = [trial for trial in trials if trial.outcome == "ok"]
    sent = sum(map(sent_in_slices, measured))
    wrong = sum(trial.errors.status + trial.errors.body for trial in measured)
    return wrong / sent if sent else None
